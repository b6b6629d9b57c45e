"""What waits to be written, bounded in number and bytes."""

from __future__ import annotations

import threading
from collections import deque
from enum import StrEnum
from typing import NamedTuple

from dyadwatch.stream.messages import Message
from dyadwatch.stream.recordings.channels import Ended, RefusedMessage


class ReceivedMessage(NamedTuple):
    """A message as it came.

    Arguments:
        parts: of the multipart message; of one that was refused only the topic, unless an earlier version kept it.
        source: who sent it; None if it was refused.
        stamp: of the frame; 0 if it was refused.
        log_time: unix ns at which it was received.
        sequence: its number among all that were received.
        refused: what is kept of it if it was refused; None for others, and where it is kept whole.
    """

    parts: list[bytes]
    source: str | None
    stamp: int
    log_time: int
    sequence: int
    refused: RefusedMessage | None = None

    @property
    def counts(self) -> int:
        """How many messages it stands for."""
        return 1 if self.refused is None else self.refused.count

    @property
    def numbered(self) -> bool:
        """Whether it has a number among what was received; those that were only counted have none."""
        return self.refused is None or bool(self.refused.sha256)


class Refused(NamedTuple):
    """A message that was refused, whole, on its way to being cut down to what is kept of it.

    Arguments:
        parts: of the multipart message.
        reason: why it was refused; None where whoever refused it does not say.
        log_time: unix ns at which it was received.
        sequence: its number among all that were received.
    """

    parts: list[bytes]
    reason: StrEnum | None
    log_time: int
    sequence: int


class Published(NamedTuple):
    """A message of the detector, or the end of a source, and when."""

    what: Message | Ended
    log_time: int


Item = ReceivedMessage | Refused | Published


class WriteQueue:
    """Hands over in one piece what came since the last time. `put` never waits.

    Arguments:
        most: messages that may wait.
        most_bytes: bytes of received messages that may wait.
        most_refused_bytes: bytes of refused ones among them, so that they leave room for the others.
    """

    def __init__(self, most: int = 20_000, most_bytes: int = 64 << 20, most_refused_bytes: int = 16 << 20) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._most_refused_bytes = most_refused_bytes
        self._lock = threading.Lock()
        self._items: deque[Item] = deque()
        self._bytes = self._refused_bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> bool:
        """Adds an item; False if there was no room for it. Ends of sources are few and always find room."""
        size = 0 if isinstance(item, Published) else sum(map(len, item.parts))
        refused = size if isinstance(item, Refused) else 0
        must = isinstance(item, Published) and isinstance(item.what, Ended)
        with self._lock:
            if not must and (
                len(self._items) >= self._most
                or self._bytes + size > self._most_bytes
                or self._refused_bytes + refused > self._most_refused_bytes
            ):
                return False
            self._items.append(item)
            self._bytes += size
            self._refused_bytes += refused
        return True

    def take_all(self) -> deque[Item]:
        """All that waits, in order."""
        with self._lock:
            items, self._items, self._bytes, self._refused_bytes = self._items, deque(), 0, 0
        return items
