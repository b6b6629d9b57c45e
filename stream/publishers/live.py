"""What the live sources share: frames with their rate, and an account of what could not be used."""

from __future__ import annotations

import logging
from typing import NamedTuple

from dyadwatch.core.pose import PoseFrame
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.log_limit import LimitedLog


class LiveFrame(NamedTuple):
    """A frame that is ready to leave, and the nominal rate of its source where it has one."""

    frame: PoseFrame
    fps: float | None


class Refusals:
    """Counts what is refused or noteworthy, and logs each kind at most twice a minute.

    Arguments:
        logger: where it is told.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._counters = Counters()
        self._log = LimitedLog(logger)

    def add(self, source: str, reason: str, text: str) -> None:
        """Counts one more and tells of it."""
        self._counters.add(source, reason)
        self._log.warning(source, reason, text)

    def counts(self) -> dict[str, dict[str, int]]:
        """Source -> reason -> how many."""
        return self._counters.snapshot()

    def flush(self) -> None:
        """Tells what was left out and not yet told; for the end of a run."""
        self._log.flush()
