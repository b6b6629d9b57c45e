"""Waiting for what comes about in other threads and processes."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], object], what: str = "what was waited for", within_s: float = 90.0) -> None:
    """Looks every 10 ms; fails after a while that only a broken machine takes."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about in {within_s:g} s"
        time.sleep(0.01)
