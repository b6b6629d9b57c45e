"""Ways into a detector for those who mean it ill: many ZeroMQ connections, and bare ones that keep no rule."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import zmq

_COUNT_EVERY = 64
_GREETING = b"\xff" + b"\0" * 8 + b"\x7f" + b"\x03\x00" + b"NULL" + b"\0" * 16 + b"\0" + b"\0" * 31
_READY = b"\x05READY\x0bSocket-Type\0\0\0\x03PUB"
_MORE_LONG = b"\x03"


class Outlet:
    """Sends messages until a time or number is reached, and counts them where another process sees it.

    Nothing is left out on this side: a full queue makes `send` wait, and what still does not go is not counted.

    Arguments:
        address: of the detector.
        connections: sockets that take turns.
        until: wall seconds at which it ends.
        count: messages after which it ends.
        sent: shared values, messages and bytes that went out.
    """

    def __init__(
        self, address: str, until: float, count: int, sent: Any, sent_bytes: Any, connections: int = 1
    ) -> None:
        self.address = address
        self.until, self.count = until, count
        self.number = 0
        self._sent, self._sent_bytes = sent, sent_bytes
        self._context = zmq.Context()
        self._sockets = [self._connect() for _ in range(connections)]

    def close(self) -> None:
        """Drops what did not leave; a flood ends when it ends."""
        for s in self._sockets:
            s.close(0)
        self._context.term()

    @property
    def done(self) -> bool:
        """Whether its time is over or all is sent."""
        return self.number >= self.count or time.time() >= self.until

    def send(self, parts: Sequence[bytes]) -> bool:
        """Sends the next message; tells whether it went within a fifth of a second."""
        try:
            self._sockets[self.number % len(self._sockets)].send_multipart(parts or [b""])
        except zmq.Again:
            return False
        self.counted(1, sum(map(len, parts)))
        return True

    def counted(self, messages: int, size: int) -> None:
        """Notes what was sent."""
        self.number += messages
        self._sent.value += messages
        self._sent_bytes.value += size

    def again(self) -> None:
        """A new connection in place of the oldest."""
        self._sockets.pop(0).close(0)
        self._sockets.append(self._connect())

    def _connect(self) -> zmq.Socket[bytes]:
        s = self._context.socket(zmq.XPUB)
        s.setsockopt(zmq.XPUB_NODROP, 1)
        s.setsockopt(zmq.SNDTIMEO, 200)
        s.setsockopt(zmq.SNDHWM, 100)
        s.connect(self.address)
        s.poll(5000)
        return s


class Bare:
    """A TCP connection that speaks just enough of ZMTP 3 to be let in, and then sends what bytes it likes."""

    def __init__(self, address: str) -> None:
        url = urlsplit(address)
        self._socket = socket.create_connection((url.hostname, url.port), timeout=5)
        self._socket.sendall(_GREETING)
        self._take(64)
        self._socket.sendall(b"\x04" + bytes([len(_READY)]) + _READY)
        kind, size = self._take(2)
        if kind == 0x06:  # a long command
            size = struct.unpack(">Q", bytes([size]) + self._take(7))[0]
        self._take(size)

    def part(self, size: int) -> int:
        """Sends one more part of a message that has no end; bytes that went, 0 where the other side hung up or waits.

        Raises:
            OSError: when the connection is gone.
        """
        data = _MORE_LONG + struct.pack(">Q", size) + b"\0" * size
        self._socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            self._socket.sendall(data)
            return size
        return 0

    def raw(self, data: bytes) -> None:
        """Sends bytes as they are."""
        with contextlib.suppress(OSError):
            self._socket.sendall(data)

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the detector hung up during the greeting")
            data += more
        return data
