"""What fails on a thread of the detector, which must cost a message or a batch, and never the thread."""

from __future__ import annotations

import logging
import time

from dyadwatch.core.finding import Finding
from dyadwatch.stream.codes import Blindness, OwnFault, Station
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.health.station_health import StationHealth
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.names import DETECTOR

_log = logging.getLogger(__name__)
_FAULTS = {
    Station.RECEIVING: OwnFault.RECEIVING_FAILED,
    Station.SCORING: OwnFault.SCORING_FAILED,
    Station.STATUS: OwnFault.STATUS_FAILED,
}
_BACKOFF_S = 0.05  # a station that fails at once, again and again, must not take the processor


class Failures:
    """Counts and logs failures of stations, and says which of them does not work now; for any thread.

    Arguments:
        counters: where they are counted.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._health = StationHealth()
        self._limited = LimitedLog(_log)
        self._reported: set[Station] = set()
        self.begins = self._health.begins
        self.ends = self._health.ends

    def trouble(self) -> Finding[Blindness] | None:
        """Which station has failed or stands still now; None for none."""
        return self._health.trouble()

    def report(self, station: Station, error: Exception) -> None:
        """Counts and logs a failure, the first of each station with where it came about; pauses for a moment."""
        self._health.failed(station, error)
        self._counters.add(DETECTOR, _FAULTS[station])
        first = station not in self._reported
        self._reported.add(station)
        self._limited.warning(DETECTOR, _FAULTS[station], f"{type(error).__name__}: {error}")
        if first:
            _log.error("this is where %s failed first:", station, exc_info=error)
        time.sleep(_BACKOFF_S)
