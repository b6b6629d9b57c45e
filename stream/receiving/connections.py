"""Bounds what each connection of a socket may hold in memory.

libzmq bounds the length of one part of a message and the number of whole messages that wait, but neither the parts of a
message that is never finished nor the bytes that wait. The kernel knows how many bytes a connection has brought, and
every message taken from the socket says which connection it came by: what lies between the two is what the library
holds. A connection beyond its bound is shut down; a publisher connects again by itself a moment later.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable

import zmq
from zmq.utils.monitor import recv_monitor_message

from dyadwatch.stream.codes import Fault
from dyadwatch.stream.receiving.heap import give_back
from dyadwatch.stream.sockets.monitor import HANDSHAKES_FAILED, open_monitor

_BYTES_RECEIVED = 128  # offset of tcpi_bytes_received in struct tcp_info, Linux 4.1 and later
_INFO_SIZE = 136
_LOOK_MS = 5
_IDLE_MS = 20  # a connection on the same machine brings tens of megabytes in this time
_GIVE_BACK_S = 10.0
_STUCK_S = 0.1  # a connection that delivers nothing for so long, while others are served, holds an unfinished message
_LEFT_S = 1.0  # what an ended connection left behind and was not taken in this time was no whole message
_SMALL_SHARE = 16  # whoever holds less than such a part of all that may be held is not the cause of too much
_PART_HEAD, _LONG_PART_HEAD, _SHORT_PART = 2, 9, 255  # ZMTP: bytes before a part, by its length
_HANDSHAKE = 1024  # bytes that come before the first message, with room


def wire_size(parts: list[bytes], over_part: int = 0) -> int:
    """Bytes that the parts of a message took on the connection, as ZMTP 3 frames them.

    Arguments:
        parts: of the message.
        over_part: bytes that encryption adds to every part.
    """
    heads = sum(_PART_HEAD if len(p) + over_part <= _SHORT_PART else _LONG_PART_HEAD for p in parts)
    return sum(map(len, parts)) + heads + over_part * len(parts)


class _Connection:
    """What one connection has brought and given."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.received = 0  # bytes, by the kernel
        self.delivered = 0  # bytes of messages taken from the socket
        self.delivered_at = time.monotonic()
        # A descriptor of our own: libzmq may close its own at any time, and the number may be given to another.
        self.socket = socket.socket(fileno=os.dup(number))

    @property
    def held(self) -> int:
        """Bytes that the library holds of it: unfinished, or waiting to be taken."""
        return max(self.received - _HANDSHAKE - self.delivered, 0)

    def look(self) -> int:
        """Asks the kernel what it brought; returns how many bytes that is more than before."""
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
        (received,) = struct.unpack_from("<Q" if sys.byteorder == "little" else ">Q", info, _BYTES_RECEIVED)
        unread = struct.unpack("i", fcntl.ioctl(self.socket, termios.FIONREAD, b"\0\0\0\0"))[0]
        before, self.received = self.received, received - unread
        return self.received - before

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.socket.close()


class ConnectionGuard:
    """Watches the connections of a socket on a thread of its own, and cuts those that hold too much.

    Only TCP on Linux is watched: elsewhere the kernel does not say what a connection brought, and `ipc` addresses are
    for programs of this machine that could take its memory in simpler ways.

    Arguments:
        watched: the socket, before it is bound.
        cut: called with a reason and the peer's address for every connection that is cut; on the guard's thread.
        largest: bytes of the largest message that is taken; twice as much and no message, and it is cut.
        most: bytes that one connection may hold.
        most_in_all: bytes that all may hold together; then the one that holds most is cut.
        most_connections: further ones are cut at once.
        handshake_failed: called with an event of HANDSHAKES_FAILED and its value, on the guard's thread; for a socket
            has but one monitor.
    """

    def __init__(
        self,
        watched: zmq.Socket[bytes],
        cut: Callable[[Fault, str], None],
        largest: int,
        most: int = 8 << 20,
        most_in_all: int = 16 << 20,
        most_connections: int = 512,
        handshake_failed: Callable[[int, int], None] | None = None,
    ) -> None:
        self._watched = watched
        self._cut = cut
        self._unfinished = max(2 * largest, 1 << 16)
        self._most, self._most_in_all, self._most_connections = most, most_in_all, most_connections
        self._connections: dict[int, _Connection] = {}
        # number -> bytes that an ended connection may have left in the socket, and since when
        self._left_behind: dict[int, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._served_at = 0.0
        self._stop = threading.Event()
        self._handshake_failed = handshake_failed
        self._monitor = open_monitor(watched, zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | HANDSHAKES_FAILED)
        self._thread = threading.Thread(target=self._watch, name="connections", daemon=True)
        self._thread.start()

    @staticmethod
    def supported(address: str) -> bool:
        """Whether connections to an address can be watched on this system."""
        return sys.platform == "linux" and address.startswith("tcp:")

    def delivered(self, number: int, size: int) -> None:
        """Records a message taken from the socket.

        Arguments:
            number: of the connection, ZMQ_SRCFD of the message.
            size: bytes that it took on the wire, see `wire_size`.
        """
        now = time.monotonic()
        with self._lock:
            self._served_at = now
            if number in self._left_behind:  # the number may be that of another connection by now; old ones come first
                left, since = self._left_behind.pop(number)
                if left > size:
                    self._left_behind[number] = left - size, since
                    return
                size -= left
            connection = self._connections.get(number)
            if connection is not None:
                connection.delivered += size
                connection.delivered_at = now

    def emptied(self) -> None:
        """Takes note that no whole message waits in the socket."""
        self._served_at = time.monotonic()
        if self._left_behind:
            with self._lock:
                self._left_behind.clear()

    def cut_peer(self, number: int, reason: Fault) -> None:
        """Cuts a connection for what it sent."""
        with self._lock:
            connection = self._connections.get(number)
            if connection is not None:
                self._end(connection, reason)

    def close(self) -> None:
        """Ends the thread; to be called before the socket is closed, on the thread that uses it."""
        self._watched.disable_monitor()  # first: libzmq's own thread would wait for somebody to take its events
        self._stop.set()
        self._thread.join()
        for connection in self._connections.values():
            connection.close()

    def _watch(self) -> None:
        wait_ms, given_back = _IDLE_MS, time.monotonic()
        with contextlib.suppress(zmq.ZMQError):  # the context was destroyed: there is nothing left to watch
            while not self._stop.is_set():
                if self._monitor.poll(wait_ms):
                    self._event()
                with self._lock:
                    busy = self._look()
                if not busy and time.monotonic() - given_back > _GIVE_BACK_S:
                    give_back()
                    given_back = time.monotonic()
                wait_ms = _LOOK_MS if busy else _IDLE_MS
        self._monitor.close(linger=0)

    def _event(self) -> None:
        event = recv_monitor_message(self._monitor)
        number = int(event["value"])
        if event["event"] & HANDSHAKES_FAILED:
            if self._handshake_failed is not None:
                self._handshake_failed(event["event"], number)
            return
        with self._lock:
            old = self._connections.pop(number, None)
            if old is not None:
                self._leave(old)
            if event["event"] != zmq.EVENT_ACCEPTED:
                return
            with contextlib.suppress(OSError):  # it may have left already
                connection = self._connections[number] = _Connection(number)
                if len(self._connections) > self._most_connections:
                    self._end(connection, Fault.TOO_MANY_CONNECTIONS)
                elif self._left() > self._most_in_all:  # whoever is cut and comes again would bring a little each time
                    self._end(connection, Fault.BACKLOG_BYTES)

    def _look(self) -> bool:
        """Cuts who holds too much; returns whether anybody brings much."""
        brought = 0
        now = time.monotonic()
        for connection in list(self._connections.values()):
            try:
                brought = max(brought, connection.look())
            except OSError:
                continue
            served_since = self._served_at - connection.delivered_at
            if connection.held > self._unfinished and served_since > _STUCK_S and now - self._served_at < 1:
                self._end(connection, Fault.UNFINISHED_MESSAGE)
            elif connection.held > self._most:
                self._end(connection, Fault.BACKLOG_BYTES)
        for number, (left, since) in list(self._left_behind.items()):
            if now - self._served_at > _STUCK_S:  # nothing is taken of anybody
                self._left_behind[number] = left, now
            elif now - since > _LEFT_S:
                del self._left_behind[number]
        most = max(self._connections.values(), key=lambda c: c.held, default=None)
        held = sum(c.held for c in self._connections.values()) + self._left()
        if most is not None and held > self._most_in_all and most.held > self._most_in_all // _SMALL_SHARE:
            self._end(most, Fault.BACKLOG_BYTES)
        return brought > self._unfinished // 8

    def _left(self) -> int:
        return sum(left for left, _ in self._left_behind.values())

    def _end(self, connection: _Connection, reason: Fault) -> None:
        try:
            host, port = connection.socket.getpeername()[:2]
            address = f"{host}:{port}"
        except OSError:
            address = "a peer that has left"
        connection.cut()
        self._connections.pop(connection.number, None)
        self._leave(connection)
        self._cut(reason, address)

    def _leave(self, connection: _Connection) -> None:
        """A connection has ended: its whole messages stay in the socket until they are taken."""
        left, _ = self._left_behind.pop(connection.number, (0, 0.0))
        if left + connection.held:
            self._left_behind[connection.number] = left + connection.held, time.monotonic()
        connection.close()
