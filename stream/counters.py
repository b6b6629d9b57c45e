"""Counts of what was dropped or refused, by source and reason, from any thread."""

from __future__ import annotations

import threading
from collections import Counter

OTHERS = "_others"


class Counters:
    """Thread-safe counts of (source, reason).

    Arguments:
        max_sources: sources counted by name; what further ones do is put down to `_others`, so that made-up
            names cannot fill the memory. Too low, and real sources lose their own row in the status.
    """

    def __init__(self, max_sources: int = 1024) -> None:
        self._max_sources = max_sources
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}

    def add(self, source: str, reason: str, n: int = 1) -> None:
        """Counts n more."""
        with self._lock:
            row = self._counts.get(source)
            if row is None:
                if len(self._counts) >= self._max_sources:
                    source = OTHERS
                row = self._counts.setdefault(source, Counter())
            row[reason] += n

    def of(self, source: str) -> dict[str, int]:
        """Counts of one source by reason; empty for a source that never was counted."""
        with self._lock:
            return dict(self._counts.get(source, {}))

    def snapshot(self) -> dict[str, dict[str, int]]:
        """All counts at one moment, source -> reason -> n; later additions do not change it."""
        with self._lock:
            return {source: dict(row) for source, row in self._counts.items()}
