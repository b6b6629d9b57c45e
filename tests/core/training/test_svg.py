"""Charts, to the pixel where it matters."""

from __future__ import annotations

import math
import re

import pytest

from dyadwatch.core.training.markup import Markup, short, tag
from dyadwatch.core.training.svg import HEIGHT, WIDTH, Line, Mark, histogram, line_chart, nice_ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.45, 1.03, [0.6, 0.8, 1.0]),
        (-3.0, 7.0, [-2.0, 0.0, 2.0, 4.0, 6.0]),
        (0.0, 2000.0, [0.0, 500.0, 1000.0, 1500.0, 2000.0]),
        (5.0, 5.0, [5.0]),
    ],
)
def test_ticks_are_round_numbers(low, high, ticks):
    assert nice_ticks(low, high) == ticks


def numbers(key: str, picture: str) -> list[float]:
    return [float(v) for v in re.findall(rf'{key}="(-?[\d.]+)"', picture)]


def test_a_curve_rises_to_the_right_and_skips_what_is_no_number() -> None:
    picture = line_chart("a curve", [Line("loss", [(0, 1.0), (1, math.nan), (2, 3.0)])], "step")
    points = re.search(r'points="([^"]*)"', picture)
    assert points is not None
    (x0, y0), (x1, y1) = (map(float, p.split(",")) for p in points[1].split())
    assert 0 < x0 < x1 < WIDTH
    assert 0 < y1 < y0 < HEIGHT
    assert 'aria-label="a curve"' in picture
    assert "<title>loss: 3 at 2</title>" in picture


def test_curves_of_nothing_say_so() -> None:
    assert "Nothing to draw" in line_chart("none", [Line("loss", [(0, math.inf)])], "step")


@pytest.mark.parametrize("points", [[(1, 0.0)], [(1, 2.0), (2, 2.0)], [(1, -1e9), (2, 1e9)]])
def test_flat_lonely_and_huge_values_stay_inside(points):
    picture = line_chart("c", [Line("x", points)], "step", mark=Mark(0.0, "guessing"))
    assert all(0 <= v <= WIDTH for v in numbers("cx", picture))
    assert all(0 <= v <= HEIGHT for v in numbers("cy", picture) + numbers("y1", picture))


def test_one_window_is_seen_beside_a_thousand() -> None:
    picture = histogram("h", [1000, 0, 1], [0, 1, 2, 3], "surprise", [Mark(2.5, "raised 2.5")])
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" class="bar"', picture)]
    assert len(heights) == 2
    assert 0.05 < heights[1] / heights[0] < 0.2
    assert "raised 2.5" in picture
    assert all(v <= WIDTH for v in numbers("x1", picture))


def test_a_threshold_beyond_the_last_bar_is_inside_the_chart() -> None:
    picture = histogram("h", [3], [0, 1], "surprise", [Mark(5.0, "raised 5")])
    assert max(numbers("x2", picture)) <= WIDTH


def test_markup_is_escaped_once() -> None:
    inner = tag("b", "<&>", class_='a"b')
    assert inner == '<b class="a&quot;b">&lt;&amp;&gt;</b>'
    assert tag("p", inner, "<") == f"<p>{inner}&lt;</p>"
    assert isinstance(inner, Markup)
    assert tag("i", x=None, stroke_width=1.25) == '<i stroke-width="1.25"></i>'


@pytest.mark.parametrize(
    ("value", "text"), [(0.12346, "0.1235"), (123456.0, "123456"), (math.nan, "-"), (2.5, "2.5"), (-0.0001, "-0.0001")]
)
def test_numbers_are_short(value, text):
    assert short(value) == text
