"""Counts of what was dropped or refused, by source and reason, and who was refused recently; from any thread."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from dyadwatch.stream.codes import Reason, counted_as

OTHERS = "_others"
Count = Callable[[Reason], None]  # called with a reason for everything that a station leaves out or finds irregular
_MOST_SAID = 300  # characters
_REFUSED = 64  # names remembered of those that were refused last


class Counters:
    """Thread-safe counts of (source, reason).

    Arguments:
        max_sources: sources counted by name; what further ones do is attributed to `_others`, so that made-up
            names cannot fill the memory. Too low, and real sources lose their own row in the status.
        clock: seconds that only go forward.
    """

    def __init__(self, max_sources: int = 1024, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused: dict[str, tuple[str, float, str]] = {}
        self._max_sources = max_sources
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}
        self._latest: dict[str, str] = {}  # of the sources that have counts

    def add(self, source: str, reason: StrEnum, n: int = 1, *, name: str = "") -> None:
        """Counts n more; `name` is that of the output or thread that the reason is about."""
        key = counted_as(reason, name)
        with self._lock:
            row = self._counts.get(source)
            if row is None:
                if len(self._counts) >= self._max_sources:
                    source = OTHERS
                row = self._counts.setdefault(source, Counter())
            row[key] += n
            self._latest[source] = key

    def refuse(self, claimed: str, reason: StrEnum, said: str = "") -> None:
        """Remembers that a message was refused, under the name that it claims, and what is said of it; counts none."""
        with self._lock:
            self._refused.pop(claimed, None)  # the order of the dict is that of the last refusals
            self._refused[claimed] = (str(reason), self._clock(), said[:_MOST_SAID])
            if len(self._refused) > _REFUSED:
                del self._refused[next(iter(self._refused))]

    def refused(self, within_s: float) -> dict[str, str]:
        """Claimed name -> reason of the last refusal, of those refused in the last `within_s`; by name."""
        with self._lock:
            since = self._clock() - within_s
            return {name: reason for name, (reason, at, _) in sorted(self._refused.items()) if at >= since}

    def said_of(self, claimed: str) -> str:
        """What was said of the message that was last refused under a name; empty where nothing was."""
        with self._lock:
            return self._refused.get(claimed, ("", 0.0, ""))[2]

    def latest(self, source: str) -> str | None:
        """The reason that was last counted for a source; None for a source that never was counted."""
        with self._lock:
            return self._latest.get(source)

    def of(self, source: str) -> dict[str, int]:
        """Counts of one source by reason; empty for a source that never was counted."""
        with self._lock:
            return dict(self._counts.get(source, {}))

    def snapshot(self) -> dict[str, dict[str, int]]:
        """All counts at one moment, source -> reason -> n; later additions do not change it."""
        with self._lock:
            return {source: dict(row) for source, row in self._counts.items()}


def bulk_count(count: Count, reason: Reason, n: int) -> None:
    """Counts n at once where `count` has a method `many` for it, and one by one where it has not.

    Counting thousands of pairs of a crowd one by one costs more than finding them.
    """
    many = getattr(count, "many", None)
    if many is not None:
        many(reason, n)
        return
    for _ in range(n):
        count(reason)
