"""Sliding windows of two people, cut from one ring buffer a person."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


class TrackRing:
    """The last rows of one person on the time grid.

    Every row is written twice, one capacity apart, so that any window is one contiguous view: nothing that lies in
    the ring is ever moved.

    Arguments:
        joints: J.
        frames: T, rows of a window.
        slack: rows kept beyond T, for a partner whose rows come late.
    """

    def __init__(self, joints: int, frames: int, slack: int) -> None:
        self._frames = frames
        self._capacity = frames + slack
        self._rows = np.empty((2 * self._capacity, joints, 3), np.float32)
        self.first = 0  # first k of the present unbroken run
        self.last = -1  # last k written

    def extend(self, k: int, rows: NDArray[np.float32]) -> None:
        """Writes rows (n, J, 3) for the points k .. k+n-1; a break in k starts a new run."""
        if not len(rows):
            return
        if k != self.last + 1:
            self.first = k
        for row in rows:
            slot = k % self._capacity
            self._rows[slot] = row
            self._rows[slot + self._capacity] = row
            k += 1
        self.last = k - 1

    def mend(self, joint: int, k: int, values: NDArray[np.float32]) -> None:
        """Puts what is now known of a joint into the rows k .. k+n-1, as far as they are still there; values (n, 3)."""
        oldest = max(self.first, self.last - self._capacity + 1)
        for value in values:
            if oldest <= k <= self.last:
                slot = k % self._capacity
                self._rows[slot, joint] = value
                self._rows[slot + self._capacity, joint] = value
            k += 1

    @property
    def oldest_end(self) -> int:
        """The earliest point up to which the T rows of a window have not been written over."""
        return self.last - self._capacity + self._frames

    def window(self, end: int) -> NDArray[np.float32]:
        """View (T, J, 3) of the rows up to point `end`; valid until rows are written.

        Rows before `first` hold nothing of use.
        """
        start = (end - self._frames + 1) % self._capacity
        return self._rows[start : start + self._frames]


def fill_hidden(window: NDArray[np.float32]) -> bool:
    """Fills joints that were out of sight for part of a window, in place.

    Between two sightings a joint moves linearly; before the first and after the last it stays where it was seen. Short
    gaps that have ended are no longer there: `stream.tracking.time_grid` bridges them.

    Arguments:
        window: metres, shape (2, T, J, 3), NaN where unseen.

    Returns:
        False when a joint was never seen: the window must not be scored.
    """
    if not math.isnan(np.vdot(window, window)):  # as nearly always: that is NaN as soon as anything is
        return True
    hidden = np.isnan(window[..., 0])
    if not hidden.any():
        return True
    frames: int = window.shape[1]
    totals = hidden.sum(axis=1)
    if totals.max() == frames:
        return False
    t = np.arange(frames)
    for person, joint in np.argwhere(totals):
        gone = hidden[person, :, joint]
        for axis in range(3):
            values = window[person, :, joint, axis]
            values[gone] = np.interp(t[gone], t[~gone], values[~gone])
    return True
