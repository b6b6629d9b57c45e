"""The model's absolute time grid, and one person's samples brought onto it."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.units import NS


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
        return k * NS * self._den // self._num

    def at_or_after(self, stamp: int) -> int:
        """The first k whose time is not before `stamp`."""
        k = stamp * self._num // (NS * self._den)
        while self.stamp(k) < stamp:
            k += 1
        return k


class Mended(NamedTuple):
    """Rows given out before with a joint unseen, which the next sighting fills: joint, first point, values (n, C)."""

    joint: int
    k: int
    values: NDArray[np.float32]


class Resampler:
    """One person's poses, linearly interpolated onto the grid, each joint between its own sightings.

    Arguments:
        grid: the points wanted.
        max_gap: ns; across a longer silence, of the person or of a joint, nothing is interpolated. After one of the
            person the row after it starts anew.
        bridges: whether joints are; else one that is unseen in a sample is so in the rows on either side of it.

    Attributes:
        mended: what the newest sample tells of rows given out earlier.
        unseen: which joints (J,) the newest sample does not show; None for none.
    """

    def __init__(self, grid: TimeGrid, max_gap: int, *, bridges: bool = True) -> None:
        self._bridges = bridges
        self._grid = grid
        self._max_gap = max_gap
        self._stamp: int | None = None
        self._joints: NDArray[np.float32] | None = None
        self._next = 0
        self._next_stamp = 0
        self._last_seen: dict[int, tuple[int, NDArray[np.float32]]] = {}  # of joints that are unseen now
        self.mended: list[Mended] = []
        self.unseen: NDArray[np.bool_] | None = None

    def push(self, stamp: int, joints: NDArray[np.float32], whole: bool = False) -> tuple[int, NDArray[np.float32]]:
        """Takes a sample.

        Arguments:
            stamp: ns, later than the one before.
            joints: metres, shape (J, 3); NaN where unseen.
            whole: known to have no NaN, which saves looking.

        Returns:
            (k, rows): rows of shape (n, J, 3) for the points k .. k+n-1 after the sample before and up to this one.
        """
        before, last, unseen_before = self._joints, self._stamp, self.unseen
        self._joints, self._stamp = joints, stamp
        self.unseen = None if whole or not self._bridges else _unseen(joints)
        if self.mended:
            self.mended = []
        if last is None or before is None or stamp - last > self._max_gap:
            self._last_seen.clear()
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
        if unseen_before is not None or self.unseen is not None:
            self._bridge(first, rows, last, before, unseen_before)
        if len(rows) == 1:
            return first, rows[0][None]
        return first, np.stack(rows) if rows else joints[:0, None]

    def _bridge(
        self,
        first: int,
        rows: list[NDArray[np.float32]],
        last: int,
        before: NDArray[np.float32],
        unseen_before: NDArray[np.bool_] | None,
    ) -> None:
        """Fills joints that are seen again, in the rows (from point `first` on) and in those given out before."""
        joints, stamp, now = self._joints, self._stamp, self.unseen
        assert joints is not None
        assert stamp is not None
        none = np.zeros(len(joints), np.bool_)
        gone_before, gone = (none if mask is None else mask for mask in (unseen_before, now))
        for joint in np.flatnonzero(gone_before & ~gone).tolist():
            since, place = self._last_seen.pop(joint, (0, None))
            if place is None or stamp - since > self._max_gap:
                continue
            k = self._grid.at_or_after(since + 1)
            points = np.array([self._grid.stamp(n) - since for n in range(k, first + len(rows))])
            part = (points / (stamp - since))[:, None]
            values = (place + part * (joints[joint] - place)).astype(np.float32)
            for n in range(max(k, first), first + len(rows)):
                if self._grid.stamp(n) != stamp:  # there it is the sample itself
                    rows[n - first][joint] = values[n - k]
            if k < first:
                self.mended.append(Mended(joint, k, values[: first - k]))
        for joint in np.flatnonzero(gone & ~gone_before).tolist():
            self._last_seen[joint] = last, before[joint]

    def _advance(self) -> None:
        self._next += 1
        self._next_stamp = self._grid.stamp(self._next)


def _unseen(joints: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Which joints (J, C) have no place; None where all have one."""
    unseen = np.isnan(joints[:, 0])
    return unseen if unseen.any() else None


def mend_rows(rows: dict[int, NDArray[np.float32]], mended: Mended) -> None:
    """Puts what is now known of a joint into rows (J, C) by point of the grid, those of them that are there."""
    joint, k, values = mended
    for n, value in enumerate(values, k):
        if n in rows:
            row = rows[n] = rows[n].copy()  # it may be a frame's own
            row[joint] = value
