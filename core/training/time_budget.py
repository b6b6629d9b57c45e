"""The time of a training run: what a budget leaves for each stage, and where the time went."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

Clock = Callable[[], float]


@dataclass(frozen=True)
class RateSchedule:
    """How a schedule of learning rates was gone through.

    Arguments:
        steps: positions of the schedule.
        taken: optimiser steps; fewer where time was short and positions were left out.
        last_rate: learning rate of the last step.
    """

    steps: int
    taken: int
    last_rate: float


class Budget:
    """Seconds of a whole run, from reading to export; counts them by stage, limited or not.

    Arguments:
        minutes: of the whole run; None is no limit.
        clock: seconds that pass.
        began: when the run began by that clock; now if not given.
    """

    def __init__(self, minutes: float | None = None, clock: Clock = time.monotonic, began: float | None = None) -> None:
        self.seconds = math.inf if minutes is None else 60 * minutes
        self.clock = clock
        self.began = self._charged = clock() if began is None else began
        self.before = 0.0  # seconds that a run which was stopped and is gone on from has used
        self.spent: dict[str, float] = {}
        self.schedules: dict[str, RateSchedule] = {}

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return math.isfinite(self.seconds)

    @property
    def used(self) -> float:
        """Seconds used so far, those before a stop included."""
        return self.before + self.clock() - self.began

    @property
    def left(self) -> float:
        """Seconds that are left, at least 0; infinite without a limit."""
        return max(0.0, self.seconds - self.used)

    def charge(self, stage: str) -> None:
        """The time since the last charge was that stage's."""
        now = self.clock()
        self.spent[stage] = self.spent.get(stage, 0.0) + now - self._charged
        self._charged = now

    def pace(self, steps: int, seconds: float, at: int = 0) -> StagePace:
        """A schedule that begins now, see `StagePace`."""
        return StagePace(steps, seconds, self.clock, at)

    def report(self) -> dict[str, Any]:
        """Where the time went, as plain values."""
        return {
            "budget_minutes": round(self.seconds / 60, 3) if self.limited else None,
            "used_before_s": round(self.before, 2),
            "seconds": {stage: round(seconds, 2) for stage, seconds in self.spent.items()},
            "schedules": {name: asdict(schedule) for name, schedule in self.schedules.items()},
        }


class StagePace:
    """Goes through a schedule one position a step, or in strides where it would not end in time.

    Whatever the strides, the step before the last is followed by one at the schedule's last position: a schedule that
    anneals is annealed at the end.

    Arguments:
        steps: positions of the schedule.
        seconds: in which it is to end; infinite is one position a step.
        clock: seconds that pass.
        at: positions that lie behind already.
    """

    def __init__(self, steps: int, seconds: float, clock: Clock, at: int = 0) -> None:
        self._steps, self._seconds, self._clock, self._at = steps, seconds, clock, at
        self._began = clock()

    def after(self, position: int) -> int:
        """Positions that lie behind after the step at `position`, counted from 0."""
        following = position + 1
        if not math.isfinite(self._seconds) or following >= self._steps:
            return following
        passed = (self._clock() - self._began) / self._seconds if self._seconds > 0 else 1.0
        due = self._at + int((self._steps - self._at) * min(passed, 1.0))
        return min(max(following, due), self._steps - 1)
