"""A page that is served for real, on a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from testing_waits import until


@contextmanager
def serving(server: uvicorn.Server, start_s: float = 20.0, stop_s: float = 10.0) -> Iterator[uvicorn.Server]:
    """Until the block ends; fails where it takes longer than so many seconds to start or to stop."""
    thread = threading.Thread(target=server.run, name="page")
    thread.start()
    try:
        until(lambda: server.started, "the page", start_s)
        yield server
    finally:
        server.should_exit = True
        thread.join(stop_s)
        assert not thread.is_alive()
