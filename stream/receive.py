"""The SUB socket: messages from outside become frames; what cannot is counted and told at a bounded rate."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import zmq

from dyadwatch.core.errors import ConfigError, WireError
from dyadwatch.stream.config import WireOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.pipeline import DETECTOR
from dyadwatch.stream.security import Security
from dyadwatch.stream.wire import topic_source

_log = logging.getLogger(__name__)
_MAX_STRANGERS = 64  # names of senders without a good message that have log lines of their own


class Sent(Protocol):
    """What is known of a good message: who sent it, and the moment it is about in ns of their clock."""

    @property
    def source(self) -> str: ...
    @property
    def stamp(self) -> int: ...


T = TypeVar("T", bound=Sent)
Tap = Callable[[list[bytes], Sent | None, int], None]


def bind(socket: zmq.Socket[bytes], address: str, key: str) -> None:
    """Binds a socket.

    Raises:
        ConfigError: naming the configuration key, the address and what to do.
    """
    try:
        socket.bind(address)
    except zmq.ZMQError as e:
        hint = "another program uses the port; stop it or choose another" if e.errno == zmq.EADDRINUSE else str(e)
        raise ConfigError(f"{key} is {address!r}; expected an address this machine can bind ({hint})") from None


class Receiver(Generic[T]):
    """Receives poses until it is told to stop.

    Arguments:
        context: of pyzmq.
        options: the section `wire` of the configuration.
        counters: where refusals are counted.
        known: tells whether a source has sent good frames before; what nobody known sent is put down to the detector,
            so that made-up names cannot fill the memory.
        decode: makes of a message what `receive` returns; WireError refuses it.
        tap: shown every message as received, what it was decoded to (None if refused) and the monotonic ns it came at.
        security: of the service; None asks nobody for keys.
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
    ) -> None:
        self._options = options
        self._decode = decode
        self._tap = tap
        self._counters = counters
        self._known = known
        self._refusals = LimitedLog(_log)
        self._strangers: set[str] = set()
        self._socket = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, 10_000)
        # libzmq hangs up on senders of larger messages; a little above the limit they are refused by name instead.
        self._socket.setsockopt(zmq.MAXMSGSIZE, 4 * options.max_bytes)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._timeout_ms = -1
        # Everything, not only 'pose.': whoever gets the topic wrong should be told so.
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._guard = None if security is None else security.guard
        try:
            if security is not None:
                security.secure_server(self._socket, "poses")
            bind(self._socket, options.bind, "wire.bind")
        except ConfigError:
            self._socket.close()
            raise

    def receive(self, timeout_ms: int) -> tuple[T, int] | None:
        """The next frame and the monotonic ns at which it came; None after `timeout_ms` or for a refused message."""
        if timeout_ms != self._timeout_ms:
            self._socket.setsockopt(zmq.RCVTIMEO, timeout_ms)
            self._timeout_ms = timeout_ms
        try:
            # Waits by itself: pyzmq's poll makes a poller anew for every message.
            if self._guard is None:
                parts = self._socket.recv_multipart()
            else:
                topic = self._socket.recv(copy=False)  # a frame knows whose it is
                rest = self._socket.recv_multipart() if self._socket.rcvmore else []
                if not self._guard.admits(topic):
                    return None
                parts = [topic.bytes, *rest]
        except zmq.Again:
            return None
        arrived = time.monotonic_ns()
        try:
            frame = self._decode(parts, self._options)
        except WireError as e:
            if self._tap is not None:
                self._tap(parts, None, arrived)
            self._refuse(parts[0], e)
            return None
        if self._tap is not None:
            self._tap(parts, frame, arrived)
        return frame, arrived

    def waiting(self, timeout_ms: int = 0) -> bool:
        """Whether a message has arrived that was not yet received, or arrives in time."""
        return bool(self._socket.poll(timeout_ms))

    def close(self) -> None:
        """Frees the port."""
        self._socket.close()
        self._refusals.flush()

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
        self._counters.refuse(claimed, error.reason)
        if known or claimed in self._strangers or len(self._strangers) < _MAX_STRANGERS:
            if not known:
                self._strangers.add(claimed)
            self._refusals.warning(claimed, error.reason, str(error))
        else:
            self._refusals.warning(DETECTOR, error.reason, f"from {claimed}: {error}")
