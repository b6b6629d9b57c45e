"""What was received and not yet decoded: bounded in messages and bytes, and taken in turns once somebody waits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

# As long as nobody waits for longer, messages are taken as they came; then connections take turns. Within a connection
# the order stays for longer: a replay sends many sources by one, whose order means something where they are merged.
_IN_ORDER_NS = 300_000_000
_IN_ORDER_WITHIN_NS = 2_000_000_000
_MOST_PASSED_OVER = 1000  # messages that have left and are still kept for the order of those that wait
_MOST_LINES = 512  # of one connection, one a topic; what further topics bring shares a line


class Raw(NamedTuple):
    """A message as it left the socket.

    Arguments:
        parts: of the multipart message; no more than are needed to refuse it.
        arrived: monotonic ns.
        size: bytes of all parts.
        connection: number of the connection it came by.
    """

    parts: list[bytes]
    arrived: int
    size: int
    connection: int = 0


class _Connection:
    """What waits of one connection: a line a topic, in the order of their turns.

    Every step costs the same, however many lines there are.
    """

    def __init__(self) -> None:
        self.lines: dict[bytes, deque[Raw]] = {}
        self.count = 0
        self.size = 0
        # Messages in the order in which they came; those that have left since are passed over when their time comes.
        self._order: deque[tuple[bytes, Raw]] = deque()
        self._longest = b""  # a line that was the longest when something was last added to it

    @property
    def oldest(self) -> tuple[bytes, Raw]:
        """The message that waits for longest, and its line."""
        while True:
            topic, message = self._order[0]
            line = self.lines.get(topic)
            if line and line[0] is message:
                return topic, message
            self._order.popleft()

    def put(self, topic: bytes, message: Raw) -> None:
        if topic not in self.lines and len(self.lines) >= _MOST_LINES:
            topic = b""
        line = self.lines.setdefault(topic, deque())
        line.append(message)
        self._order.append((topic, message))
        if len(line) >= len(self.lines.get(self._longest, ())):
            self._longest = topic
        self.count += 1
        self.size += message.size
        if len(self._order) > 2 * self.count + _MOST_PASSED_OVER:
            waiting = [(topic, message) for topic, line in self.lines.items() for message in line]
            self._order = deque(sorted(waiting, key=lambda entry: entry[1].arrived))

    def take(self, now: int) -> Raw:
        topic, message = self.oldest
        return self._out(topic if now - message.arrived < _IN_ORDER_WITHIN_NS else next(iter(self.lines)))

    def drop(self) -> Raw:
        """The oldest message of the longest line, or of all where no line stands out."""
        return self._out(self._longest if self._longest in self.lines else self.oldest[0])

    def _out(self, topic: bytes) -> Raw:
        line = self.lines.pop(topic)
        message = line.popleft()
        if line:
            self.lines[topic] = line  # its next turn is after all others
        self.count -= 1
        self.size -= message.size
        return message


class Inbox:
    """Messages by connection and topic, so that nobody fills the line of somebody else by using their name.

    Connections with a source that is watched take turns, and so do those of strangers; the two kinds alternate, so that
    no number of strangers takes more than half of the time from who is being watched. What exceeds a bound costs the
    connection with most waiting the oldest message of its longest line.

    Arguments:
        dropped: called with a message that had to go.
        most: messages that may wait.
        most_bytes: bytes that may wait.
    """

    def __init__(self, dropped: Callable[[Raw], None], most: int = 10_000, most_bytes: int = 16 << 20) -> None:
        self._dropped = dropped
        self._most = most
        self._most_bytes = most_bytes
        self._known: dict[int, _Connection] = {}  # in the order in which their turn comes
        self._strange: dict[int, _Connection] = {}
        self._turn_of_known = True
        self._count = 0
        self._size = 0

    def __len__(self) -> int:
        return self._count

    def put(self, topic: bytes, connection: int, message: Raw, *, known: bool) -> None:
        """Adds a message.

        Arguments:
            topic: its first part, or as much of it as may tell sources apart.
            connection: number of the connection it came by.
            message: as it came.
            known: whether its source is watched.
        """
        if known and connection in self._strange:
            self._known[connection] = self._strange.pop(connection)
        ring = self._known if known or connection in self._known else self._strange
        ring.setdefault(connection, _Connection()).put(topic, message)
        self._count += 1
        self._size += message.size
        while self._count > self._most or self._size > self._most_bytes:
            self._drop()

    def take(self) -> Raw | None:
        """The message whose turn it is; None when nothing waits."""
        if not self._count:
            return None
        now = time.monotonic_ns()
        ring, number = self._next(now)
        connection = ring.pop(number)
        message = connection.take(now)
        if connection.count:
            ring[number] = connection  # its next turn is after all others
        self._count -= 1
        self._size -= message.size
        return message

    def _next(self, now: int) -> tuple[dict[int, _Connection], int]:
        known, strange = self._known, self._strange
        arrived, number = min((c.oldest[1].arrived, n) for ring in (known, strange) for n, c in ring.items())
        if now - arrived < _IN_ORDER_NS:
            return (known if number in known else strange), number
        ring = known if known and (self._turn_of_known or not strange) else strange
        self._turn_of_known = ring is strange
        return ring, next(iter(ring))

    def _drop(self) -> None:
        both = {**self._known, **self._strange}
        by_size = self._size > self._most_bytes
        number = max(both, key=lambda n: both[n].size if by_size else both[n].count)
        message = both[number].drop()
        if not both[number].count:
            (self._known if number in self._known else self._strange).pop(number)
        self._count -= 1
        self._size -= message.size
        self._dropped(message)
