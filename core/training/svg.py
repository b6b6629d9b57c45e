"""Small charts as inline SVG, coloured by the page around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dyadwatch.core.training.markup import Markup, join, short, tag

WIDTH, HEIGHT = 340.0, 210.0  # of a chart, in pixels at its natural size
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 14.0, 34.0
COLOURS = 6  # classes c0 to c5


@dataclass(frozen=True)
class Line:
    """A curve: its name and points (x, y)."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Mark:
    """A value worth a line across the chart, and what it means."""

    at: float
    text: str


def svg(label: str, width: float, height: float, *children: Markup) -> Markup:
    """A picture that fills its column up to its natural size; `label` is for those who cannot see it."""
    return tag(
        "svg",
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=label,
        style=f"max-width:{1.35 * width:.0f}px",
    )


def text(x: float, y: float, said: str, anchor: str = "middle", class_: str | None = None) -> Markup:
    """Words in a picture."""
    return tag("text", said, x=round(x, 1), y=round(y, 1), text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=round(x1, 1), y1=round(y1, 1), x2=round(x2, 1), y2=round(y2, 1), class_=class_)


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, a step of 1, 2 or 5 apart."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Axes:
    """The frame of a chart: from values to pixels.

    Arguments:
        x, y: lowest and highest value.
    """

    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, value: float) -> float:
        """Pixels from the left."""
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (value - self.x[0]) / ((self.x[1] - self.x[0]) or 1.0)

    def down(self, value: float) -> float:
        """Pixels from the top."""
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - self.y[0]) / ((self.y[1] - self.y[0]) or 1.0)

    def frame(self, x_label: str, y_ticks: Sequence[tuple[float, str]], x_ticks: Sequence[float]) -> Markup:
        """Grid lines, numbers and the name of the horizontal axis."""
        floor = HEIGHT - _BOTTOM
        parts = [line(_LEFT, self.down(v), WIDTH - _RIGHT, self.down(v), "grid") for v, _ in y_ticks]
        parts += [text(_LEFT - 6, self.down(v) + 4, said, "end") for v, said in y_ticks]
        parts += [line(self.across(v), floor, self.across(v), floor + 4, "axis") for v in x_ticks]
        parts += [text(self.across(v), floor + 16, short(v)) for v in x_ticks]
        parts += [line(_LEFT, floor, WIDTH - _RIGHT, floor, "axis")]
        return join(*parts, text(WIDTH - _RIGHT, HEIGHT - 3, x_label, "end", "quiet"))


def line_chart(
    label: str,
    lines: Sequence[Line],
    x_label: str,
    *,
    mark: Mark | None = None,
    y: tuple[float, float] | None = None,
) -> Markup:
    """Curves over one axis; not-a-number breaks nothing, its point is left out.

    Arguments:
        label: what is seen, in words.
        lines: at most `COLOURS` have colours of their own; later ones are dashed.
        x_label: name of the horizontal axis.
        mark: a horizontal line.
        y: lowest and highest value; from the data if not given.
    """
    kept = [Line(c.name, [p for p in c.points if math.isfinite(p[0]) and math.isfinite(p[1])]) for c in lines]
    xs = [p[0] for c in kept for p in c.points]
    ys = [p[1] for c in kept for p in c.points] + ([mark.at] if mark else [])
    if not xs:
        return tag("p", "Nothing to draw: no finite value.", class_="quiet")
    low, high = y or (min(ys), max(ys))
    room = 0.06 * ((high - low) or abs(high) or 1.0)
    axes = Axes((min(xs), max(xs)), (low - room * (low != 0), high + room))
    parts = [axes.frame(x_label, [(v, short(v)) for v in nice_ticks(*axes.y)], nice_ticks(*axes.x))]
    if mark:
        level = axes.down(mark.at)
        above = level > _TOP + 14
        parts.append(line(_LEFT, level, WIDTH - _RIGHT, level, "mark"))
        parts.append(text(WIDTH - _RIGHT, level + (-4 if above else 13), mark.text, "end", "marked"))
    for i, curve in enumerate(kept):
        colour = f"c{i % COLOURS}" + (" dashed" if i >= COLOURS else "")
        places = [(axes.across(a), axes.down(b)) for a, b in curve.points]
        way = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        parts.append(tag("polyline", points=way, class_=f"curve {colour}"))
        for (a, b), (step, value) in zip(places, curve.points, strict=True):
            said = tag("title", f"{curve.name}: {short(value)} at {short(step)}")
            parts.append(tag("circle", said, cx=round(a, 1), cy=round(b, 1), r=2.4, class_=f"dot {colour}"))
    return svg(label, WIDTH, HEIGHT, *parts)


def histogram(
    label: str, counts: Sequence[float], edges: Sequence[float], x_label: str, marks: Sequence[Mark] = ()
) -> Markup:
    """Bars on a logarithmic axis, so that the few high scores are seen beside the many low ones.

    Arguments:
        label: what is seen, in words.
        counts: shape (N,).
        edges: of the bars, shape (N + 1,).
        x_label: name of the horizontal axis.
        marks: vertical lines.
    """
    right = max([edges[-1], *(m.at * 1.02 for m in marks)])
    most = max([*counts, 1.0])
    axes = Axes((edges[0], right), (0.0, math.log10(1 + most) * 1.12))
    ticks = [10**k for k in range(6) if 10**k <= most]
    parts = [axes.frame(x_label, [(math.log10(1 + t), short(t, 6)) for t in ticks], nice_ticks(*axes.x))]
    parts.append(text(2, 10, "windows", "start", "quiet"))
    for i, count in enumerate(counts):
        if count:
            left, top = axes.across(edges[i]), axes.down(math.log10(1 + count))
            said = tag("title", f"{short(count, 6)} from {short(edges[i])} to {short(edges[i + 1])}")
            wide = max(axes.across(edges[i + 1]) - left - 0.8, 0.8)
            parts.append(
                tag("rect", said, x=round(left, 1), y=round(top, 1), width=round(wide, 1),
                    height=round(HEIGHT - _BOTTOM - top, 1), class_="bar")
            )  # fmt: skip
    for i, mark in enumerate(marks):
        x = axes.across(mark.at)
        parts.append(line(x, _TOP - 4, x, HEIGHT - _BOTTOM, "mark"))
        leftward = x > WIDTH - 110
        parts.append(
            text(x + (-4 if leftward else 4), _TOP + 6 + 14 * i, mark.text, "end" if leftward else "start", "marked")
        )
    return svg(label, WIDTH, HEIGHT, *parts)
