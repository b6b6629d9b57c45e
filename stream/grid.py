"""The model's absolute time grid, and one person's samples brought onto it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_NS = 1_000_000_000


class TimeGrid:
    """Points in event time `floor(k / fps)`, in integer nanoseconds, the same for every source and run.

    Arguments:
        fps: points a second; fractions such as 29.97 are taken as the nearest one with denominator <= 1001.
    """

    def __init__(self, fps: float) -> None:
        ratio = Fraction(fps).limit_denominator(1001)
        self._num, self._den = ratio.numerator, ratio.denominator

    def stamp(self, k: int) -> int:
        """Time of point k, integer ns."""
        return k * _NS * self._den // self._num

    def at_or_after(self, stamp: int) -> int:
        """The first k whose time is not before `stamp`."""
        k = stamp * self._num // (_NS * self._den)
        while self.stamp(k) < stamp:
            k += 1
        return k


class Resampler:
    """One person's poses, linearly interpolated onto the grid.

    Arguments:
        grid: the points wanted.
        max_gap: ns; across a longer silence nothing is interpolated and the row after it starts afresh.
    """

    def __init__(self, grid: TimeGrid, max_gap: int) -> None:
        self._grid = grid
        self._max_gap = max_gap
        self._stamp: int | None = None
        self._joints: NDArray[np.float32] | None = None
        self._next = 0
        self._next_stamp = 0

    def push(self, stamp: int, joints: NDArray[np.float32]) -> tuple[int, NDArray[np.float32]]:
        """Takes a sample.

        Arguments:
            stamp: ns, later than the one before.
            joints: metres, shape (J, 3); NaN where unseen.

        Returns:
            (k, rows): rows of shape (n, J, 3) for the points k .. k+n-1 after the sample before and up to this one.
        """
        before, last = self._joints, self._stamp
        self._joints, self._stamp = joints, stamp
        if last is None or before is None or stamp - last > self._max_gap:
            self._next = self._grid.at_or_after(stamp)
            self._next_stamp = self._grid.stamp(self._next)
            if self._next_stamp > stamp:
                return self._next, joints[:0, None]
            first = self._next
            self._advance()
            return first, joints[None]
        first = self._next
        rows: list[NDArray[np.float32]] = []
        while self._next_stamp <= stamp:
            w = (self._next_stamp - last) / (stamp - last)
            rows.append(joints if w == 1 else (before + w * (joints - before)).astype(np.float32, copy=False))
            self._advance()
        if len(rows) == 1:
            return first, rows[0][None]
        return first, np.stack(rows) if rows else joints[:0, None]

    def _advance(self) -> None:
        self._next += 1
        self._next_stamp = self._grid.stamp(self._next)
