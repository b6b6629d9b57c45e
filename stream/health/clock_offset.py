"""How far the receiver's clock lies ahead of a source's, from nothing but stamps and arrivals."""

from __future__ import annotations

import numpy as np

from dyadwatch.core.units import NS

_PART_NS = 5 * NS
_PARTS = 12
_STEP_NS = NS  # a stamp that comes so much earlier or later than it should is not the network's doing
_AGREE = 5


class ClockOffset:
    """The running minimum of (receive - stamp) over the last minute: it holds the shortest way a message ever took.

    A stamp that is a second or more off is not believed; five in a row that agree are a clock step, and the estimate
    starts afresh.
    """

    def __init__(self) -> None:
        # (number, arrival and value of its minimum) each; replaced whole, so that any thread may read while one adds
        self._parts: tuple[tuple[int, int, int], ...] = ()
        self._odd: list[int] = []
        self.steps = 0

    @property
    def offset(self) -> int | None:
        """Nanoseconds to add to a stamp; None before the first."""
        return min((value for _, _, value in self._parts), default=None)

    @property
    def settled(self) -> bool:
        """Whether the estimate holds at least five seconds."""
        return len(self._parts) > 2

    @property
    def skew_ppm(self) -> float:
        """How much faster the receiver's clock runs, in parts per million; 0 until there are fifteen seconds of it."""
        parts = self._parts
        if len(parts) < 4:
            return 0.0
        at, values = np.array([part[1:] for part in parts], np.float64).T
        at -= at.mean()
        return float((at * (values - values.mean())).sum() / (at**2).sum() * 1e6)

    def add(self, stamp: int, arrived: int) -> bool:
        """Takes note of a stamp and when it came, both in nanoseconds; returns whether it is to be believed."""
        value, offset = arrived - stamp, self.offset
        if offset is not None and abs(value - offset) >= _STEP_NS:
            if self._odd and abs(value - self._odd[-1]) >= _STEP_NS // 2:
                self._odd.clear()
            self._odd.append(value)
            if len(self._odd) < _AGREE:
                return False
            self.steps += 1
            self._parts = ()
        self._odd.clear()
        part = arrived // _PART_NS
        if not self._parts or part > self._parts[-1][0]:
            self._parts = (*self._parts, (part, arrived, value))[-_PARTS:]
        elif value < self._parts[-1][2]:
            self._parts = (*self._parts[:-1], (self._parts[-1][0], arrived, value))
        return True
