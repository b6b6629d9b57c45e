"""Figures beside the bars that they are held against."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Bar(Struct, frozen=True):
    """A figure and what it should be.

    Arguments:
        what: was measured.
        figure: that was measured, for people.
        wanted: the bar, for people.
        passed: whether the figure reaches it.
    """

    what: str
    figure: str
    wanted: str
    passed: bool


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of a Markdown table, and an empty one."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]


def markdown(bars: Sequence[Bar]) -> list[str]:
    """A table of the bars, and a line that says how many were missed."""
    missed = sum(not b.passed for b in bars)
    rows = [(b.what, b.figure, b.wanted, "pass" if b.passed else "FAIL") for b in bars]
    return [*table(("measured", "figure", "bar", "verdict"), rows), f"{len(bars) - missed} passed, {missed} missed"]
