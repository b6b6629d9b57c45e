"""A picture of a calibration: how many false events an hour, a day or a week at which levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, zip_longest

from dyadwatch.core.decision.event_budget import per_hour
from dyadwatch.core.decision.site_calibration import Choice
from dyadwatch.core.decision.thresholds import events_bound
from dyadwatch.core.training.markup import Markup, short, tag
from dyadwatch.core.training.svg import line, nice_ticks, text

_WIDTH, _HEIGHT = 760.0, 440.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 70.0, 24.0, 78.0, 58.0
_STYLE = """\
svg { font: 13px system-ui, "DejaVu Sans", sans-serif; background: #fff; }
text { fill: #1f2933; } .title { font-size: 17px; font-weight: 600; } .quiet { fill: #52606d; }
.grid { stroke: #e4e7eb; } .axis { stroke: #7b8794; } .curve { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.seen { stroke: #2f6fab; } .bound { stroke: #d9822b; } .tail { stroke: #8a4fa3; stroke-dasharray: 6 4; }
.budget { stroke: #b3261e; stroke-width: 1.6; stroke-dasharray: 8 4; } .chosen { stroke: #1b7f4b; stroke-width: 1.8; }
.budgetword { fill: #b3261e; } .chosenword { fill: #1b7f4b; } .dot { fill: #1b7f4b; }
"""


def calibration_plot(choice: Choice, budget: str, title: str) -> str:
    """An SVG picture: events against the scale of the levels, their bound, the budget and what was chosen.

    Arguments:
        choice: from `calibrate`.
        budget: as it was asked for; its unit of time is that of the picture.
        title: above it.

    Raises:
        CalibrationError: the budget cannot be understood.
    """
    unit = budget.strip().lower().rpartition("/")[2].strip()
    allowed = float(budget.partition("/")[0])
    hours = allowed / per_hour(budget)  # of one unit
    seen = [(s, n / choice.hours * hours) for s, n in choice.curve if n]
    bound = [(s, events_bound(n, choice.hours) * hours) for s, n in choice.curve]
    tail = _tail(choice, hours)
    xs = [s for s, _ in choice.curve] + [choice.scale]
    ys = [y for _, y in [*seen, *bound, *tail]] + [allowed]
    plot = _Plot((min(xs), max(xs) * 1.02), (min(ys) / 1.6, max(ys) * 1.6))
    parts = [tag("style", Markup(_STYLE)), tag("rect", width=_WIDTH, height=_HEIGHT, fill="#fff")]
    parts += [text(_LEFT, 26, title, "start", "title"), text(_LEFT, 48, _told(choice), "start", "quiet")]
    parts += plot.frame("scale of the levels", f"events {'an' if unit == 'hour' else 'a'} {unit}")
    parts += plot.legend([("seen", "counted"), ("bound", "95 % bound"), *([("tail", "fitted tail")] if tail else [])])
    parts += [plot.curve(_steps(seen), "seen"), plot.curve(_steps(bound), "bound"), plot.curve(tail, "tail")]
    level, across = plot.down(allowed), plot.across(choice.scale)
    parts += [line(_LEFT, level, _WIDTH - _RIGHT, level, "budget")]
    parts += [text(_LEFT + 6, level - 6, f"budget {budget}", "start", "budgetword")]
    parts += [line(across, _TOP, across, _HEIGHT - _BOTTOM, "chosen")]
    right = across > _WIDTH - 160
    parts += [
        text(across + (-6 if right else 6), _TOP + 14, f"chosen: {choice.scale:.2f}", "end" if right else "start",
             "chosenword"),
    ]  # fmt: skip
    return str(
        tag("svg", *parts, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
            width=f"{_WIDTH:g}", height=f"{_HEIGHT:g}", role="img", aria_label=f"{title}: {_told(choice)}")
    )  # fmt: skip


def _told(choice: Choice) -> str:
    events = f"{choice.events} event{'' if choice.events == 1 else 's'} in {choice.hours:.1f} h"
    if choice.tail is not None:
        return f"{events}; extrapolated by the tail of {choice.tail.peaks} peaks, not certified"
    return f"{events}; {'certified' if choice.certified else 'not certified: too few hours'}"


def _steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Counts stay as they are from one scale to the next."""
    corners = [(b[0], a[1]) for a, b in pairwise(points)]
    return [p for pair in zip_longest(points, corners) for p in pair if p is not None]


def _tail(choice: Choice, hours: float) -> list[tuple[float, float]]:
    tail = choice.tail
    if tail is None:
        return []
    rates = [tail.rate * (choice.budget_per_h / 2 / tail.rate) ** (k / 40) for k in range(41)]
    return [(tail.level(rate), rate * hours) for rate in rates]


class _Plot:
    """A linear axis across, a logarithmic one up."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self._x, self._y = x, (math.log10(y[0]), math.log10(y[1]))

    def across(self, value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (value - self._x[0]) / (self._x[1] - self._x[0])

    def down(self, value: float) -> float:
        part = (math.log10(value) - self._y[0]) / (self._y[1] - self._y[0])
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * part

    def frame(self, x_label: str, y_label: str) -> list[Markup]:
        floor = _HEIGHT - _BOTTOM
        powers = range(math.ceil(self._y[0]), math.floor(self._y[1]) + 1)
        steps = (1, 2, 5) if len(powers) < 3 else (1,)
        ticks = [f * 10.0**k for k in range(math.floor(self._y[0]), powers.stop) for f in steps]
        ticks = [t for t in ticks if self._y[0] <= math.log10(t) <= self._y[1]]
        parts = [line(_LEFT, self.down(t), _WIDTH - _RIGHT, self.down(t), "grid") for t in ticks]
        parts += [text(_LEFT - 8, self.down(t) + 4, short(t), "end") for t in ticks]
        places = nice_ticks(*self._x, most=8)
        parts += [line(self.across(v), floor, self.across(v), floor + 5, "axis") for v in places]
        parts += [text(self.across(v), floor + 20, short(v)) for v in places]
        parts += [line(_LEFT, floor, _WIDTH - _RIGHT, floor, "axis")]
        return [
            *parts,
            text(_WIDTH - _RIGHT, _HEIGHT - 14, x_label, "end", "quiet"),
            text(10, _TOP - 8, y_label, "start", "quiet"),
        ]

    def legend(self, names: Sequence[tuple[str, str]]) -> list[Markup]:
        parts: list[Markup] = []
        x = _WIDTH - _RIGHT - 118 * len(names)
        for class_, name in names:
            parts += [line(x, _TOP - 12, x + 22, _TOP - 12, f"curve {class_}")]
            parts += [text(x + 28, _TOP - 8, name, "start", "quiet")]
            x += 118
        return parts

    def curve(self, points: Sequence[tuple[float, float]], class_: str) -> Markup:
        kept = [(self.across(x), self.down(y)) for x, y in points if self._x[0] <= x <= self._x[1]]
        way = " ".join(f"{a:.1f},{b:.1f}" for a, b in kept)
        return tag("polyline", points=way, class_=f"curve {class_}")
