"""What was received and not yet decoded: bounded in messages and bytes, a line for every source, served in turn."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class Raw(NamedTuple):
    """A message as it left the socket.

    Arguments:
        parts: of the multipart message; no more than are needed to refuse it.
        arrived: monotonic ns.
        size: bytes of all parts.
        peer: who sent it, as the key check knows them; empty without keys.
    """

    parts: list[bytes]
    arrived: int
    size: int
    peer: str = ""


Key = tuple[bytes, int]  # the topic and the connection: nobody fills the line of somebody else by using their name
_IN_ORDER_NS = 800_000_000  # as long as nobody waits for longer, messages are taken as they came
_MOST_STRANGERS = 512  # lines of strangers; what further ones send shares a line a connection


class Inbox:
    """Lines of messages, one a topic and connection. Sources that are watched take turns, and so do strangers; the two
    kinds alternate, so that no number of strangers takes more than half of the time from who is being watched.

    What exceeds a bound costs the longest line its oldest messages.

    Arguments:
        dropped: called with a message that had to go.
        most: messages that may wait.
        most_bytes: bytes that may wait.
    """

    def __init__(self, dropped: Callable[[Raw], None], most: int = 10_000, most_bytes: int = 32 << 20) -> None:
        self._dropped = dropped
        self._most = most
        self._most_bytes = most_bytes
        self._known: dict[Key, deque[Raw]] = {}  # in the order in which their turn comes
        self._strange: dict[Key, deque[Raw]] = {}
        self._turn_of_known = True
        self._bytes: dict[Key, int] = {}
        self._count = 0
        self._size = 0

    def __len__(self) -> int:
        return self._count

    def put(self, key: Key, message: Raw, *, known: bool) -> None:
        """Adds a message to the line of its sender."""
        lines = self._known
        if not known and key not in lines:  # who has a line keeps it until it is empty: order is kept
            lines = self._strange
            if key not in lines and len(lines) >= _MOST_STRANGERS:
                key = (b"", key[1])
        elif key in self._strange:
            lines[key] = self._strange.pop(key)
        line = lines.get(key)
        if line is None:
            line = lines[key] = deque()
        line.append(message)
        self._bytes[key] = self._bytes.get(key, 0) + message.size
        self._count += 1
        self._size += message.size
        while self._count > self._most or self._size > self._most_bytes:
            self._drop()

    def take(self) -> Raw | None:
        """The message whose turn it is; None when nothing waits."""
        if not self._count:
            return None
        lines, key = self._next()
        line = lines.pop(key)
        message = line.popleft()
        if line:
            lines[key] = line  # its next turn is after all others
        self._left(key, message, line)
        return message

    def _next(self) -> tuple[dict[Key, deque[Raw]], Key]:
        """Whose turn it is: who came first, as long as nobody waits for long; from then on all in turn."""
        arrived, key = min(
            (line[0].arrived, key) for lines in (self._known, self._strange) for key, line in lines.items()
        )
        if time.monotonic_ns() - arrived < _IN_ORDER_NS:
            return (self._known if key in self._known else self._strange), key
        lines = self._known if self._known and (self._turn_of_known or not self._strange) else self._strange
        self._turn_of_known = lines is self._strange
        return lines, next(iter(lines))

    def _drop(self) -> None:
        """The oldest message of who has most waiting, by what there is too much of."""
        if self._size > self._most_bytes:
            key = max(self._bytes, key=self._bytes.__getitem__)
        else:
            key = max((len(line), key) for lines in (self._known, self._strange) for key, line in lines.items())[1]
        lines = self._known if key in self._known else self._strange
        line = lines[key]
        message = line.popleft()
        if not line:
            del lines[key]
        self._left(key, message, line)
        self._dropped(message)

    def _left(self, key: Key, message: Raw, line: deque[Raw]) -> None:
        self._count -= 1
        self._size -= message.size
        if line:
            self._bytes[key] -= message.size
        else:
            del self._bytes[key]
