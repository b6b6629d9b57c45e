"""Warnings told at once the first time, and then at a bounded rate with how many were left out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from dyadwatch.stream.counters import OTHERS


class LimitedLog:
    """Warnings of (source, reason), each kind at most once in `every_s`.

    Arguments:
        logger: where they go.
        every_s: seconds between two lines of a kind. Lower: closer to what happens, but a broken publisher fills
            the log; higher: the reverse. Never changes what is counted.
        max_kinds: kinds remembered; further ones share one line per reason, so that made-up names cannot fill
            memory or log.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        logger: logging.Logger,
        every_s: float = 30.0,
        max_kinds: int = 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._every_s = every_s
        self._max_kinds = max_kinds
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def warning(self, source: str, reason: str, text: str) -> None:
        """Logs a line, or notes that it was left out."""
        now = self._clock()
        with self._lock:
            key = (source, reason)
            kind = self._kinds.get(key)
            if kind is None:
                if len(self._kinds) >= self._max_kinds:
                    key = (OTHERS, reason)
                kind = self._kinds.setdefault(key, _Kind(due=now))
            if now < kind.due:
                kind.left_out += 1
                return
            left_out, kind.left_out, kind.due = kind.left_out, 0, now + self._every_s
        if left_out:
            text = f"{text} ({left_out} more like it since the last line)"
        self._logger.warning("%s: %s: %s", source, reason, text)

    def flush(self) -> None:
        """Tells what was left out and not yet told; for the end of a run."""
        with self._lock:
            rest = [(key, kind.left_out) for key, kind in self._kinds.items() if kind.left_out]
            for key, _ in rest:
                self._kinds[key].left_out = 0
        for (source, reason), left_out in rest:
            self._logger.warning("%s: %s: %d more since the last line", source, reason, left_out)


class _Kind:
    """When the next line of a kind may be told, and how many were left out since the last one."""

    __slots__ = ("due", "left_out")

    def __init__(self, due: float) -> None:
        self.due = due
        self.left_out = 0
