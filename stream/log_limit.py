"""Warnings told at once the first time, and then at a bounded rate with how many were left out."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable

from dyadwatch.stream.counters import OTHERS

_NUMBER = re.compile(r"-?\d[\d.]*(?:e[+-]?\d+)?")


class LimitedLog:
    """Warnings of (source, reason), each kind at most once in `every_s`; a text that is new to its kind at once.

    Texts that differ in numbers only are one: a body of 1700 m and one of 1701 m are the same mistake.

    Arguments:
        logger: where they go.
        every_s: seconds between two lines of a kind. Lower: closer to what happens, but a broken publisher fills
            the log; higher: the reverse. Never changes what is counted.
        max_kinds: kinds remembered; further ones share one line per reason, so that made-up names cannot fill
            memory or log.
        max_texts: texts of a kind that are reported at once; further ones wait for the kind's turn.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        logger: logging.Logger,
        every_s: float = 30.0,
        max_kinds: int = 1024,
        max_texts: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._every_s = every_s
        self._max_kinds = max_kinds
        self._max_texts = max_texts
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
            fresh = kind.is_fresh(text, self._max_texts)
            if now < kind.due and not fresh:
                kind.left_out += 1
                return
            left_out = 0
            if now >= kind.due:
                left_out, kind.left_out, kind.due = kind.left_out, 0, now + self._every_s
        if left_out:
            text = f"{text} ({left_out} more like it since the last line)"
        self._logger.warning("%s: %s: %s", source, reason, text)

    def flush(self) -> None:
        """Reports what was left out and not yet reported; for the end of a run."""
        with self._lock:
            rest = [(key, kind.left_out) for key, kind in self._kinds.items() if kind.left_out]
            for key, _ in rest:
                self._kinds[key].left_out = 0
        for (source, reason), left_out in rest:
            self._logger.warning("%s: %s: %d more since the last line", source, reason, left_out)


class _Kind:
    """When the next line of a kind may be reported, how many were left out since, which texts were reported."""

    __slots__ = ("_told", "due", "left_out")

    def __init__(self, due: float) -> None:
        self.due = due
        self.left_out = 0
        self._told: set[int] = set()

    def is_fresh(self, text: str, most: int) -> bool:
        """Whether a text is one of the first `most` of its kind and was not told before; from now on it was."""
        if len(self._told) >= most:
            return False
        mark = hash(_NUMBER.sub("#", text))
        fresh = mark not in self._told
        self._told.add(mark)
        return fresh
