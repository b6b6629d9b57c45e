"""What waits for one browser or program: bounded, so that one that never reads costs itself its updates alone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

MOST_WAITING = 500
MOST_OF_PROGRAM = 5000  # a program hears every score, too
SHOWN_KINDS = frozenset({"incident", "near_miss", "attention", "status"})  # of messages, on a page
_BEAT_S = 2.0  # of silence, after which a sign of life is sent


def event(name: str, data: bytes) -> bytes:
    """A server-sent event; the data are JSON on one line."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


class Client:
    """One browser that listens.

    What changes (incidents, states) waits in a queue; the oldest goes when it is full, and the browser is told to fetch
    the present state. Of what is merely looked at (poses) only the latest waits.

    Arguments:
        most: events that wait.
        kinds: of the detector's messages that it is told.
        looks: whether it is told besides what a page shows: who is where, strips, what people did.

    Attributes:
        lost: how many were dropped that the browser has not been told of.
    """

    def __init__(self, most: int = MOST_WAITING, kinds: frozenset[str] = SHOWN_KINDS, *, looks: bool = True) -> None:
        self._most = most
        self.kinds = kinds
        self.looks = looks
        self._waiting: deque[bytes] = deque()
        self._view: bytes | None = None
        self._wake = asyncio.Event()
        self._closed = False
        self.lost = 0

    def put(self, data: bytes) -> None:
        """Adds an event; returns at once."""
        if len(self._waiting) >= self._most:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(data)
        self._wake.set()

    def show(self, data: bytes) -> None:
        """Takes the place of what was to be looked at and has not been sent."""
        self._view = data
        self._wake.set()

    def close(self) -> None:
        """Ends the stream."""
        self._closed = True
        self._wake.set()

    async def stream(self) -> AsyncIterator[bytes]:
        """Events as the browser takes them."""
        while not self._closed:
            if self.lost:
                lost, self.lost = self.lost, 0
                yield event("lost", b"%d" % lost)
            while self._waiting:
                yield self._waiting.popleft()
            if self._view is not None:
                view, self._view = self._view, None
                yield view
            try:
                async with asyncio.timeout(_BEAT_S):
                    await self._wake.wait()
            except TimeoutError:
                yield event("beat", b"{}")
            if not self._waiting and self._view is None:
                self._wake.clear()
