"""Places on the floor."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dyadwatch.core.site.floor import Point, Polygon
from dyadwatch.core.site.unfit import UnfitError

metres = st.floats(-20, 20, allow_subnormal=False)
L_SHAPE = [(0.0, 0.0), (4.0, 0.0), (4.0, 1.0), (1.0, 1.0), (1.0, 3.0), (0.0, 3.0)]


@given(metres, metres, st.floats(0.1, 9), st.floats(0.1, 9), metres, metres, st.integers(0, 3), st.booleans())
def test_a_rectangle_holds_what_lies_between_its_sides(
    x0: float, z0: float, wide: float, deep: float, x: float, z: float, first: int, back: bool
) -> None:
    corners = [(x0, z0), (x0 + wide, z0), (x0 + wide, z0 + deep), (x0, z0 + deep)]
    corners = corners[first:] + corners[:first]
    place = Polygon(corners[::-1] if back else corners)
    assume(min(abs(x - x0), abs(x - x0 - wide), abs(z - z0), abs(z - z0 - deep)) > 1e-9)
    assert place.holds(x, z) == (x0 < x < x0 + wide and z0 < z < z0 + deep)
    assert place.area == pytest.approx(wide * deep)


@st.composite
def stars(draw: st.DrawFn) -> list[Point]:
    """Corners around a point, each at a distance of its own: a border that does not cross itself."""
    radii = draw(st.lists(st.floats(0.5, 5), min_size=3, max_size=12))
    turn = draw(st.floats(0, 1))
    angles = [2 * math.pi * (i + turn) / len(radii) for i in range(len(radii))]
    return [(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]


@given(stars(), st.floats(0.01, 2), st.floats(0, 1))
def test_of_a_star_what_is_nearer_than_its_border_lies_within(corners: list[Point], share: float, at: float) -> None:
    assume(abs(share - 1) > 1e-6)
    k = int(at * len(corners)) % len(corners)
    (ax, az), (bx, bz) = corners[k], corners[(k + 1) % len(corners)]
    x, z = (ax + bx) / 2 * share, (az + bz) / 2 * share  # on the way from the middle to the border, or beyond it
    if len(corners) == 3:
        assume(share < 1)  # its middle may lie outside of it
        assume(Polygon(corners).holds(0, 0))
    assert Polygon(corners).holds(x, z) == (share < 1)


@given(metres, metres, metres, metres)
def test_where_a_place_lies_makes_no_difference(x: float, z: float, dx: float, dz: float) -> None:
    near = min(min(abs(x - a), abs(z - b)) for a, b in L_SHAPE)
    assume(near > 1e-6)
    moved = Polygon([(a + dx, b + dz) for a, b in L_SHAPE])
    assert moved.holds(x + dx, z + dz) == Polygon(L_SHAPE).holds(x, z)


def test_a_corner_that_points_inwards() -> None:
    place = Polygon(L_SHAPE)
    assert place.holds(0.5, 2.5)
    assert place.holds(3.5, 0.5)
    assert not place.holds(2.0, 2.0)
    assert place.area == 6.0


@pytest.mark.parametrize(
    ("corners", "text"),
    [
        ([(0, 0), (1, 0)], "2 corners; expected 3 to 64, each [x, z] in metres"),
        ([(0, 0)] * 65, "65 corners; expected 3 to 64, each [x, z] in metres"),
        ([(0, 0), (1, 0), (1, math.nan)], "a border without an end; expected finite numbers, [x, z] in metres"),
        ([(0, 0), (1, 1), (2, 2)], "a line; expected a border that encloses some floor"),
        (
            [(0, 0), (1, 1), (1, 0), (0, 1)],
            "a border that crosses itself, after corners 1 and 3; expected the corners in their order around the place",
        ),
    ],
)
def test_what_is_no_place(corners: list[Point], text: str) -> None:
    with pytest.raises(UnfitError) as raised:
        Polygon(corners)
    assert str(raised.value) == text
