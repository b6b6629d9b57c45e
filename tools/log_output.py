"""Log lines on standard error, and how the detector writes them without ever waiting for who reads them."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque

_MOST_LINES = 1000  # that wait; further ones are left out and counted
_FLUSH_S = 0.5


class StderrHandler(logging.Handler):
    """Writes to standard error as it is at that moment: a live table puts its own there, above which lines stay."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line."""
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except (OSError, ValueError):  # full, or closed
            self.handleError(record)


class BackgroundHandler(logging.Handler):
    """Hands records to another handler on a thread of its own.

    A pipe that nobody reads, or a stopped terminal, holds up that thread and no other.

    Arguments:
        target: what writes.
        most: records that may wait.
    """

    def __init__(self, target: logging.Handler, most: int = _MOST_LINES) -> None:
        super().__init__()
        self._target = target
        self._most = most
        self._records: deque[logging.LogRecord] = deque()
        self._left_out = 0
        self._busy = False
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a record; returns at once."""
        with self._changed:
            if len(self._records) < self._most:
                self._records.append(record)
            else:
                self._left_out += 1
            self._changed.notify_all()

    def flush(self) -> None:
        """Waits for what was taken to be written, but not for long."""
        self.written()

    def written(self, within_s: float = _FLUSH_S) -> bool:
        """Whether all that was taken is written, or is so in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._records and not self._busy, within_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._records))
                record = self._records.popleft()
                left_out, self._left_out = self._left_out, 0
                self._busy = True
            self._target.handle(record)
            if left_out:
                text = f"{left_out} log lines were left out: nobody read them"
                self._target.handle(logging.LogRecord(record.name, logging.WARNING, "", 0, text, (), None))


def log_in_background() -> BackgroundHandler:
    """From now on all handlers of the root logger write on a thread of their own."""
    root = logging.getLogger()
    (target,) = root.handlers[:1] or [StderrHandler()]
    handler = BackgroundHandler(target)
    root.handlers = [handler]
    return handler
