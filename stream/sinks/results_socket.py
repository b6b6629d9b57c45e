"""The PUB socket for results, from which a listener can be sent away: ZeroMQ asks for keys only when one connects."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence

import zmq

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.sockets.binding import bind
from dyadwatch.stream.sockets.security import Security

_log = logging.getLogger(__name__)
_HOLD_S = 0.5  # after everybody was sent away, those who may come back get so long before anything is sent
_TRIES, _TRY_S = 20, 0.005
_MOST_HELD = 10_000
_LARGEST_IN = 4096  # bytes; nothing but subscriptions and handshakes is sent to it


class ResultsSocket:
    """Publishes messages and never waits for a subscriber.

    When somebody may listen no longer, all connections are ended before the next message; whoever may still listen
    connects again by itself within a fraction of a second, for which messages are held back.

    Arguments:
        context: of pyzmq.
        address: to bind.
        security: of the service; None asks nobody for keys.
        key: of the configuration, for errors.

    Attributes:
        lost: messages that were held back and for which there was no room.

    Raises:
        ConfigError: the address cannot be bound.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], address: str, security: Security | None, key: str = "sinks.bind"
    ) -> None:
        self._security = security
        self._revoked = self._now_revoked()
        self._held: deque[Sequence[bytes]] = deque()
        self._hold_until = 0.0
        self._bound = True
        self.lost = 0
        self._socket = context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, 10_000)  # a subscriber; some ten megabytes for one that stopped reading
        self._socket.setsockopt(zmq.LINGER, 1000)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST_IN)
        try:
            if security is not None:
                security.secure_server(self._socket, "results")
            bind(self._socket, address, key)
        except ConfigError:
            self._socket.close()
            raise
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)  # with the port that * stood for

    def send(self, messages: Iterable[Sequence[bytes]]) -> None:
        """Publishes, or holds back for a moment after a listener was sent away."""
        now = time.monotonic()
        if self._now_revoked() != self._revoked:
            self._send_away(now)
        if not self._hold_until:
            self._publish(messages)
            return
        for message in messages:
            if len(self._held) >= _MOST_HELD:
                self._held.popleft()
                self.lost += 1
            self._held.append(message)
        if not self._bound:
            self._bind_again(now)
        self._socket.getsockopt(zmq.EVENTS)  # takes in who came back
        if self._bound and now >= self._hold_until:
            self._hold_until = 0.0
            self._release()

    def close(self) -> None:
        """Frees the port; what was sent has a second to leave."""
        if self._bound and self._now_revoked() == self._revoked:
            self._release()
        self._socket.close()

    def _publish(self, messages: Iterable[Sequence[bytes]]) -> None:
        for message in messages:
            self._socket.send_multipart(message, zmq.NOBLOCK)

    def _release(self) -> None:
        held, self._held = self._held, deque()
        self._publish(held)

    def _now_revoked(self) -> int:
        return 0 if self._security is None else self._security.listeners_revoked

    def _send_away(self, now: float) -> None:
        self._revoked = self._now_revoked()
        if self._bound:
            self._socket.unbind(self.address)
            self._bound = False
        self._bind_again(now)

    def _bind_again(self, now: float) -> None:
        """The old connections end, and the port is free, only once the socket has worked through what that takes."""
        self._hold_until = now + _HOLD_S
        for _ in range(_TRIES):
            self._socket.getsockopt(zmq.EVENTS)
            time.sleep(_TRY_S)
            if not self._bound:
                self._bound = self._bind()
        if self._bound:
            _log.info("a listener was revoked; all listeners have to show their keys again")
        else:
            _log.error("%s is not free after a listener was revoked; it is bound later", self.address)

    def _bind(self) -> bool:
        try:
            self._socket.bind(self.address)
        except zmq.ZMQError:
            return False
        return True
