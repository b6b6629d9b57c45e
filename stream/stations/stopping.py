"""When a detector is to end, and how long what is under way may go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# After a stop, in seconds from it: what has arrived is taken in, windows that wait are scored, the engine is told to
# give up, sinks are flushed. All ends within five seconds, whatever the sinks, the model or the disk do.
DRAIN_S = 0.5
FLUSH_S = 2.0
SCORED_S = 2.8
SINKS_S = 1.0
RECORDED_S = 4.5  # and by then the recording is closed, which has so much of it at most:
RECORDER_S = 2.0
# Where overload waits, much may have arrived that is to be kept: for as long as scores keep coming.
LONG_DRAIN_S = _LONG_FLUSH_S = 30.0
_PROGRESS_S = 3.0


class Stopping:
    """The stop that all threads look at.

    Arguments:
        waits: nothing that arrived may be lost, so that all of it is scored as long as that gets on.
        clock: seconds that only go forward.
    """

    def __init__(self, *, waits: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._waits = waits
        self._clock = clock
        self._asked = threading.Event()
        self._at = self._scored_at = 0.0

    def ask(self) -> None:
        """Asks for the end; asked twice, nothing is waited for. From any thread or a signal handler."""
        self._at = -1.0 if self._asked.is_set() else self._clock()
        self._asked.set()

    def end(self) -> None:
        """Ends what has not been asked to."""
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether it is to end."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> bool:
        """Waits for the stop, no longer than so many seconds; whether it came."""
        return self._asked.wait(seconds)

    def scored(self) -> None:
        """Scoring got on."""
        self._scored_at = self._clock()

    def left_s(self, until_s: float, most: float) -> float:
        """Seconds that work may still take that is to be done so long after the stop; a fifth at least, `most` at most.

        Where nothing may be lost it has all of them.
        """
        if self._waits or self._at == 0:
            return most
        spent = self._clock() - self._at if self._at > 0 else until_s
        return min(max(until_s - spent, 0.2), most)

    def may_go_on(self, until_s: float) -> bool:
        """Whether work may still go on so long after the stop; where nothing may be lost, as long as it gets on."""
        now = self._clock()
        if self._at < 0:
            return False
        if self._waits:
            return now - self._at < _LONG_FLUSH_S and now - max(self._scored_at, self._at) < _PROGRESS_S
        return now - self._at < until_s
