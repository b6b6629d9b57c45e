"""The SUB socket: messages from outside become frames; what cannot is counted and reported at a bounded rate.

The socket is emptied faster than messages are decoded: what waits, waits in an inbox of our own, where it is bounded in
bytes, its arrival is known, and every source has its turn. What libzmq itself holds is bounded by `ConnectionGuard`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

import zmq

from dyadwatch.core.errors import ConfigError, WireError
from dyadwatch.stream.codes import Fault
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.receiving.connections import ConnectionGuard, wire_size
from dyadwatch.stream.receiving.inbox import Inbox, Raw
from dyadwatch.stream.sockets.binding import bind
from dyadwatch.stream.sockets.security import Security
from dyadwatch.stream.texts import REASONS
from dyadwatch.stream.wire import TOPIC, topic_source

_log = logging.getLogger(__name__)
_MOST_PLACED = 1024  # sources whose connection is remembered
_MAX_STRANGERS = 64  # names of senders without a good message that have log lines of their own


class Sent(Protocol):
    """What is known of a good message: who sent it, and the moment it is about in ns of their clock."""

    @property
    def source(self) -> str:
        """Name of who sent it."""
        ...

    @property
    def stamp(self) -> int:
        """Ns of the sender's clock."""
        ...


T = TypeVar("T", bound=Sent)


class Tap(Protocol):
    """Shown a message as received, what it was decoded to or the reason it was refused for, and when it came."""

    def __call__(self, parts: list[bytes], frame: Sent | None, arrived: int, *, reason: StrEnum | None = None) -> None:
        """Records the message; must not wait."""
        ...


_MOST_PARTS = 16  # more parts can only be hostile: the connection is cut
_FILL = 128  # messages taken from the socket in one go
_FILL_BYTES = 2 << 20  # after so many they are looked at first
_FILL_EVERY_NS = 2_000_000  # between two such goes while messages wait to be decoded
_HELD_BACK = 64  # messages that may wait in the inbox where publishers are to be held up
_KERNEL_BYTES = 128 << 10  # that wait in the kernel for each connection
_CURVE_PART = 33  # bytes that CURVE adds to a part: command name, nonce, authentication, flags
_WAITING_IN_SOCKET = 32  # whole messages of one connection that libzmq holds; beyond, TCP holds up the publisher


class Receiver(Generic[T]):
    """Receives poses until asked to stop.

    Arguments:
        context: of pyzmq.
        options: the section `wire` of the configuration.
        counters: where refusals are counted.
        known: tells whether a source has sent good frames before; what nobody known sent is attributed to the detector,
            so that made-up names cannot fill the memory.
        decode: makes of a message what `receive` returns; WireError refuses it.
        tap: shown every message as received, what it was decoded to (None if refused) and the monotonic ns it came at.
        security: of the service; None asks nobody for keys.
        waits: whether publishers are held up when messages come faster than they are taken, instead of losing the
            oldest ones.

    Attributes:
        address: that it is bound to.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        options: WireOptions,
        counters: Counters,
        known: Callable[[str], bool],
        decode: Callable[[Sequence[bytes], WireOptions], T],
        tap: Tap | None = None,
        security: Security | None = None,
        *,
        waits: bool = False,
    ) -> None:
        self._options = options
        self._decode = decode
        self._tap = tap
        self._counters = counters
        self._known = known
        self._waits = waits
        self._refusals = LimitedLog(_log, max_texts=2)  # anybody may think of new ways to be wrong
        self._strangers: set[str] = set()
        self._inbox = Inbox(self._overflowed)
        self._came_by: dict[str, int] = {}
        self._filled = 0
        self._taken_bytes = 0  # in the present go
        self._socket = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, _HELD_BACK if waits else _WAITING_IN_SOCKET)
        # libzmq hangs up on senders of larger messages; a little above the limit they are refused by name instead.
        self._socket.setsockopt(zmq.MAXMSGSIZE, 4 * options.max_bytes)
        # The kernel holds up a flood after so much, so that the guard has time to look at it.
        self._socket.setsockopt(zmq.RCVBUF, _KERNEL_BYTES)
        self._socket.setsockopt(zmq.LINGER, 0)
        # Everything, not only 'pose.': a sender that gets the topic wrong should learn so.
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._peers = None if security is None else security.guard
        self._over_part = 0 if self._peers is None else _CURVE_PART
        self._guard: ConnectionGuard | None = None
        try:
            guarded = ConnectionGuard.supported(options.bind)
            if security is not None:
                security.secure_server(self._socket, "poses", monitored=guarded)
            if guarded:
                self._guard = ConnectionGuard(
                    self._socket,
                    self._connection_cut,
                    options.max_bytes,
                    handshake_failed=security and security.handshake_failed,
                )
            bind(self._socket, options.bind, "wire.bind")
        except ConfigError:
            self.close()
            raise
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)  # with the port that * stood for

    def receive(self, timeout_ms: int) -> tuple[T, int] | None:
        """The next frame and the monotonic ns at which it came; None after `timeout_ms` or for a refused message."""
        if not self._fill(timeout_ms):
            return None
        message = self._inbox.take()
        if message is None:
            return None
        parts, arrived = message.parts, message.arrived
        try:
            frame = self._decode(parts, self._options)
        except WireError as e:
            if self._tap is not None:
                self._tap(parts, None, arrived, reason=e.reason)
            self._refuse(parts[0], e)
            return None
        if self._tap is not None:
            self._tap(parts, frame, arrived)
        if frame.source not in self._came_by and len(self._came_by) > _MOST_PLACED:
            self._came_by.clear()
        self._came_by[frame.source] = message.connection
        return frame, arrived

    @property
    def held(self) -> int:
        """Messages that were taken from the socket and wait for their turn; from any thread."""
        return len(self._inbox)

    def came_by(self, source: str) -> Hashable:
        """The connection that a source's last good message came by; the source itself where none did."""
        return self._came_by.get(source, source)

    def waiting(self, timeout_ms: int = 0) -> bool:
        """Whether a message has arrived that was not yet received, or arrives in time."""
        return bool(self._inbox) or bool(self._socket.poll(timeout_ms))

    def close(self) -> None:
        """Frees the port."""
        if self._guard is not None:
            self._guard.close()
        self._socket.disable_monitor()
        self._socket.close()
        self._refusals.flush()

    def _fill(self, timeout_ms: int) -> bool:
        """Takes what waits in the socket into the inbox, and waits for it if there is nothing else to do."""
        waiting = len(self._inbox)
        if waiting:
            if (self._waits and waiting >= _HELD_BACK) or time.monotonic_ns() - self._filled < _FILL_EVERY_NS:
                return True
            timeout_ms = 0
        try:
            # The first message is waited for; RCVTIMEO and poll would both cost more than asking once too often.
            if not self._take_in() and (not timeout_ms or not self._socket.poll(timeout_ms) or not self._take_in()):
                return bool(waiting)
            self._taken_bytes = 0
            for _ in range((_HELD_BACK if self._waits else _FILL) - 1):
                if self._taken_bytes > _FILL_BYTES or not self._take_in():
                    break
        finally:
            self._filled = time.monotonic_ns()
        return True

    def _take_in(self) -> bool:
        """Takes one message from the socket into the inbox; False if there is none."""
        try:
            first = self._socket.recv(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            if self._guard is not None:
                self._guard.emptied()
            return False
        arrived = time.monotonic_ns()
        connection = int(first.get(zmq.SRCFD))  # pyright: ignore[reportArgumentType]
        parts = [first.bytes]
        more = first.more
        while more:
            parts.append(self._socket.recv(zmq.NOBLOCK))
            more = self._socket.getsockopt(zmq.RCVMORE)
            if len(parts) == _MOST_PARTS and more:
                self._skip_rest(connection)
                break
        if self._guard is not None:
            self._guard.delivered(connection, wire_size(parts, self._over_part))
        if self._peers is not None and not self._peers.admits(first):
            return True
        topic = parts[0][:80]
        source = topic[len(TOPIC) :].decode("ascii", "replace")
        raw = Raw(parts, arrived, sum(map(len, parts)), connection)
        self._taken_bytes += raw.size
        self._inbox.put(topic, connection, raw, known=self._known(source))
        return True

    def _skip_rest(self, connection: int) -> None:
        """Passes over the further parts of a message, and lets its sender send no more of them."""
        if self._guard is not None:
            self._guard.cut_peer(connection, Fault.PART_COUNT)
        while self._socket.getsockopt(zmq.RCVMORE):
            self._socket.recv(zmq.NOBLOCK)

    def _overflowed(self, message: Raw) -> None:
        """Counts a message that was dropped because too many wait; nobody has looked into it."""
        try:
            claimed = topic_source(message.parts[0])
        except WireError:
            claimed = DETECTOR
        blamed = claimed if self._known(claimed) else DETECTOR
        self._counters.add(blamed, Fault.INBOX_FULL)
        self._refusals.warning(blamed, Fault.INBOX_FULL, REASONS[Fault.INBOX_FULL])

    def _connection_cut(self, reason: Fault, address: str) -> None:
        """Counts a connection that was cut; called by the guard on its own thread."""
        self._counters.add(DETECTOR, reason)
        self._refusals.warning(DETECTOR, reason, f"{address}: {REASONS[reason]}")

    def _refuse(self, topic: bytes, error: WireError) -> None:
        """Counts a refusal, and tells of it under the name that the topic claims, whoever that may be."""
        try:
            claimed = topic_source(topic)
        except WireError:
            self._counters.add(DETECTOR, error.reason)
            self._refusals.warning(DETECTOR, error.reason, str(error))
            return
        known = self._known(claimed)
        self._counters.add(claimed if known else DETECTOR, error.reason)
        self._counters.refuse(claimed, error.reason, str(error))
        if known or claimed in self._strangers or len(self._strangers) < _MAX_STRANGERS:
            if not known:
                self._strangers.add(claimed)
            self._refusals.warning(claimed, error.reason, str(error))
        else:
            self._refusals.warning(DETECTOR, error.reason, f"from {claimed}: {error}")
