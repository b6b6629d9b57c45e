"""Places on the floor: polygons of x and z, metres."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dyadwatch.core.site.unfit import UnfitError

Point = tuple[float, float]

MOST_CORNERS = 64


class Polygon:
    """A piece of the floor within a border of straight lines.

    Arguments:
        corners: (x, z) in metres, in the order of the border, either way around; 3 to 64 of them.

    Raises:
        UnfitError: the border encloses nothing or crosses itself; says what was expected.
    """

    def __init__(self, corners: Sequence[Point]) -> None:
        if not 3 <= len(corners) <= MOST_CORNERS:
            raise UnfitError(f"{len(corners)} corners", f"3 to {MOST_CORNERS}, each [x, z] in metres")
        if not all(math.isfinite(v) for corner in corners for v in corner):
            raise UnfitError("a border without an end", "finite numbers, [x, z] in metres")
        self._edges = tuple(zip(corners, (*corners[1:], corners[0]), strict=True))
        crossing = self._crossing()
        if crossing is not None:
            raise UnfitError(
                f"a border that crosses itself, after corners {crossing[0] + 1} and {crossing[1] + 1}",
                "the corners in their order around the place",
            )
        if not self.area > 0:
            raise UnfitError("a line", "a border that encloses some floor")

    @property
    def area(self) -> float:
        """Square metres, whichever way around the corners go."""
        return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in self._edges)) / 2

    def holds(self, x: float, z: float) -> bool:
        """Whether a point lies within; one on the border may count either way."""
        inside = False
        for (ax, az), (bx, bz) in self._edges:
            if (az > z) != (bz > z) and x < ax + (z - az) * (bx - ax) / (bz - az):
                inside = not inside
        return inside

    def _crossing(self) -> tuple[int, int] | None:
        """Numbers of two edges that cross, which are not neighbours; None where there are none."""
        count = len(self._edges)
        for i in range(count):
            for k in range(i + 2, count):
                if (k + 1) % count != i and _cross(*self._edges[i], *self._edges[k]):
                    return i, k
        return None


def _side(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether two lines from corner to corner have a point in common that is no end of either."""
    return _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0
