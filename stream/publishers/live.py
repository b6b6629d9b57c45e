"""What the live sources share: frames with their rate, an account of what could not be used, and word of clocks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.health.clock_offset import ClockOffset
from dyadwatch.stream.log_limit import LimitedLog


class LiveFrame(NamedTuple):
    """A frame that is ready to leave, and the nominal rate of its source where it has one."""

    frame: PoseFrame
    fps: float | None


class Refusals:
    """Counts what is refused or noteworthy, and logs each kind at most twice a minute.

    Arguments:
        logger: where it is reported.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._counters = Counters()
        self._log = LimitedLog(logger)

    def add(self, source: str, reason: StrEnum, text: str) -> None:
        """Counts one more and tells of it."""
        self._counters.add(source, reason)
        self._log.warning(source, reason, text)

    def counts(self) -> dict[str, dict[str, int]]:
        """Source -> reason -> how many."""
        return self._counters.snapshot()

    def flush(self) -> None:
        """Reports what was left out and not yet reported; for the end of a run."""
        self._log.flush()


class ClockReport:
    """Logs how far senders' clocks lie from this machine's.

    It does so as soon as that is known well enough, again when a clock was set, and now and then.

    Arguments:
        logger: where it is reported.
        every_s: seconds from one line about a clock to the next.
        clock: seconds that only go forward.
    """

    def __init__(
        self, logger: logging.Logger, every_s: float = 600.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._every_s = every_s
        self._clock = clock
        self._told: dict[str, tuple[float, int]] = {}  # name -> when its next line is due, steps at the last one

    def look(self, clocks: Mapping[str, ClockOffset]) -> None:
        """Reports what is due of clocks by the names of their senders."""
        now = self._clock()
        for name, clock in clocks.items():
            offset = clock.offset
            due, steps = self._told.get(name, (now, clock.steps))
            if offset is None or not clock.settled or (now < due and steps == clock.steps):
                continue
            self._told[name] = now + self._every_s, clock.steps
            side = "behind" if offset >= 0 else "ahead of"
            text = f"{abs(offset) / 1e9:.4f} s {side} this machine's, skew {clock.skew_ppm:.1f} ppm"
            self._logger.info("%s: its clock is %s", name, text)
