"""Whether the threads of the detector do their work; from any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from dyadwatch.core.finding import Finding
from dyadwatch.stream.codes import Blindness, Station

_RECENT_S = 5.0  # a failure this recent makes the detector blind
_STUCK_S = 5.0  # a piece of work that takes so long does not come back


class StationHealth:
    """Failures of stations, and work that was begun and not ended.

    Arguments:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: dict[Station, tuple[str, float]] = {}
        self._began: dict[Station, float] = {}

    def begins(self, station: Station) -> None:
        """The station begins a piece of work."""
        with self._lock:
            self._began[station] = self._clock()

    def ends(self, station: Station) -> None:
        """The station has done its piece of work, and can be relied on again."""
        with self._lock:
            self._began.pop(station, None)
            self._failures.pop(station, None)

    def failed(self, station: Station, error: Exception) -> None:
        """The station could not do its piece of work."""
        with self._lock:
            self._began.pop(station, None)
            self._failures[station] = (f"{type(error).__name__}: {error}"[:200], self._clock())

    def trouble(self) -> Finding[Blindness] | None:
        """What is wrong now; None where all work."""
        with self._lock:
            now = self._clock()
            for station, (why, at) in self._failures.items():
                if now - at < _RECENT_S:
                    return Finding(Blindness.STATION_FAILED, station=station.value, error=why)
            for station, at in self._began.items():
                if now - at > _STUCK_S:
                    return Finding(Blindness.STATION_STUCK, station=station.value, seconds=round(now - at, 1))
            return None
