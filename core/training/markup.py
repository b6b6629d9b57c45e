"""HTML and SVG elements as text that is escaped unless it is markup already."""

from __future__ import annotations

import html
import math


class Markup(str):
    """Text that is markup, not words."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """An element.

    Arguments:
        name: of the element.
        children: markup as it is, any other text escaped.
        attributes: `class_` is class and `stroke_width` is stroke-width; None leaves one out, numbers are shortened.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value if isinstance(value, str) else short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{said}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """One after the other; what is not markup is escaped."""
    return Markup("".join(c if isinstance(c, Markup) else html.escape(c) for c in children))


def section(title: str, *children: str) -> Markup:
    """A part of a page under its heading."""
    return tag("section", tag("h2", title), *children)


def name_of(text: str, most: int = 80) -> Markup:
    """A name from the data: it cannot turn the words around it about, and its end is cut off where it is long."""
    return tag("bdi", text if len(text) <= most else text[: most - 1] + "…", title=text if len(text) > most else None)


def short(value: float, digits: int = 4) -> str:
    """A number as people write it, with at most so many significant digits."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
