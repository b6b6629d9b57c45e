"""What waits to be written, bounded in number and bytes."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

from dyadwatch.stream.messages import Message
from dyadwatch.stream.recordings.channels import Ended


class Received(NamedTuple):
    """A message as it came.

    Arguments:
        parts: of the multipart message.
        source: who sent it; None if it was refused.
        stamp: of the frame; 0 if it was refused.
        log_time: unix ns at which it was received.
        sequence: its number among all that were received.
    """

    parts: list[bytes]
    source: str | None
    stamp: int
    log_time: int
    sequence: int


class Said(NamedTuple):
    """A message of the detector, or the end of a source, and when."""

    what: Message | Ended
    log_time: int


class WriteQueue:
    """Hands over in one piece what came since the last time. `put` never waits.

    Arguments:
        most: messages that may wait.
        most_bytes: bytes of received messages that may wait.
    """

    def __init__(self, most: int = 20_000, most_bytes: int = 64 << 20) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._items: deque[Received | Said] = deque()
        self._bytes = 0

    def put(self, item: Received | Said) -> bool:
        """Adds an item; False if there was no room for it. Ends of sources are few and always find room."""
        size = sum(map(len, item.parts)) if isinstance(item, Received) else 0
        must = isinstance(item, Said) and isinstance(item.what, Ended)
        with self._lock:
            if not must and (len(self._items) >= self._most or self._bytes + size > self._most_bytes):
                return False
            self._items.append(item)
            self._bytes += size
        return True

    def take_all(self) -> deque[Received | Said]:
        """All that waits, in order."""
        with self._lock:
            items, self._items, self._bytes = self._items, deque(), 0
        return items
