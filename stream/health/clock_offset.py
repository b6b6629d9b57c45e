"""How far the receiver's clock lies ahead of a source's, from nothing but stamps and arrivals."""

from __future__ import annotations

import numpy as np

from dyadwatch.core.units import NS
from dyadwatch.stream.health.running_minimum import RunningMinimum

_STEP_NS = NS  # a stamp that comes so much earlier or later than it should is not the network's doing
_AGREE = 5


class ClockOffset:
    """The running minimum of (receive - stamp) over the last minute: it holds the shortest way a message ever took.

    A stamp that is a second or more off is not believed; five in a row that agree are a clock step, and the estimate
    starts anew.
    """

    def __init__(self) -> None:
        self._least = RunningMinimum()
        self._odd: list[int] = []
        self.steps = 0

    @property
    def offset(self) -> int | None:
        """Nanoseconds to add to a stamp; None before the first."""
        return self._least.value

    @property
    def settled(self) -> bool:
        """Whether the estimate holds at least five seconds."""
        return len(self._least.parts) > 2

    @property
    def skew_ppm(self) -> float:
        """How much faster the receiver's clock runs, in parts per million; 0 until there are fifteen seconds of it."""
        parts = self._least.parts
        if len(parts) < 4:
            return 0.0
        at, values = np.array([part[1:] for part in parts], np.float64).T
        at -= at.mean()
        return float((at * (values - values.mean())).sum() / (at**2).sum() * 1e6)

    def add(self, stamp: int, arrived: int) -> bool:
        """Records a stamp and when it came, both in nanoseconds; returns whether it is to be believed."""
        value, offset = arrived - stamp, self.offset
        if offset is not None and abs(value - offset) >= _STEP_NS:
            if self._odd and abs(value - self._odd[-1]) >= _STEP_NS // 2:
                self._odd.clear()
            self._odd.append(value)
            if len(self._odd) < _AGREE:
                return False
            self.steps += 1
            self._least.clear()
        self._odd.clear()
        self._least.add(arrived, value)
        return True
