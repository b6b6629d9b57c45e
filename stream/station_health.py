"""Whether the threads of the detector do their work; from any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

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
        self._failures: dict[str, tuple[str, float]] = {}
        self._began: dict[str, float] = {}

    def begins(self, station: str) -> None:
        """The station begins a piece of work."""
        with self._lock:
            self._began[station] = self._clock()

    def ends(self, station: str) -> None:
        """The station has done its piece of work, and can be relied on again."""
        with self._lock:
            self._began.pop(station, None)
            self._failures.pop(station, None)

    def failed(self, station: str, error: Exception) -> None:
        """The station could not do its piece of work."""
        with self._lock:
            self._began.pop(station, None)
            self._failures[station] = (f"{type(error).__name__}: {error}"[:200], self._clock())

    def trouble(self) -> str | None:
        """What is wrong just now, in words; None where all work."""
        with self._lock:
            now = self._clock()
            for station, (why, at) in self._failures.items():
                if now - at < _RECENT_S:
                    return f"{station} fails: {why}"
            for station, at in self._began.items():
                if now - at > _STUCK_S:
                    return f"{station} has not come back for {now - at:.0f} s"
            return None
