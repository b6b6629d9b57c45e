"""Signals while the detector runs: the end of a terminal is not the end of a watch."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

_log = logging.getLogger(__name__)
_STOP = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signals(stop: Callable[[], None], reload: Callable[[], None] | None = None) -> Generator[None]:
    """While it lasts, SIGINT and SIGTERM call `stop` instead of killing the program, and SIGHUP calls `reload`.

    SIGHUP never ends it: whoever closed the terminal still wants to be warned.

    Arguments:
        stop, reload: must return at once; without `reload` SIGHUP does nothing.
    """

    def handler(number: int, frame: FrameType | None) -> None:
        stop()

    def stay(number: int, frame: FrameType | None) -> None:
        if reload is None:
            _log.warning("the terminal was closed (SIGHUP); the detector goes on, stop it with SIGTERM")
        else:
            reload()

    before = {s: signal.signal(s, handler) for s in _STOP}
    if hasattr(signal, "SIGHUP"):
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, stay)
    try:
        yield
    finally:
        for s, h in before.items():
            signal.signal(s, h)
