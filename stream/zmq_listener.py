"""The end of a ZeroMQ connection at which a detector's messages are heard, and that says who refuses it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import zmq
from zmq.utils.monitor import recv_monitor_message

from dyadwatch.core.errors import ConfigError, DyadwatchError, WireError
from dyadwatch.stream.codes import Refusal
from dyadwatch.stream.sockets.client_keys import ClientKeys

_LARGEST = 1 << 20  # bytes of a message; a detector's own stay far below
_FINAL = (zmq.Event.HANDSHAKE_FAILED_AUTH, zmq.Event.HANDSHAKE_FAILED_PROTOCOL)
# A connection that ends in its handshake may be a detector that stops now; one after the other is a detector
# whose keys are not ours.
_DOUBTFUL, _MOST_DOUBTFUL = zmq.Event.HANDSHAKE_FAILED_NO_DETAIL, 3
_WATCHED = zmq.Event.HANDSHAKE_SUCCEEDED | _DOUBTFUL | _FINAL[0] | _FINAL[1]
_TURN_MS = 100


class ZmqListener:
    """A SUB socket with a look at how its connection does.

    Arguments:
        address: where the detector publishes.
        example: an address, for errors.
        topics: prefixes of what is wanted.
        keys: of this listener; None for none.
        most_waiting: messages that wait to be received; 0 is no limit.
    """

    def __init__(
        self, address: str, example: str, topics: Sequence[str], keys: ClientKeys | None, most_waiting: int
    ) -> None:
        self._address, self._example = address, example
        self._topics = topics
        self._keys = keys
        self._most_waiting = most_waiting
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._connected = False
        self._doubtful = 0

    def open(self, wait_s: float) -> None:
        """Connects, and waits for a detector for so long.

        Raises:
            ConfigError: when the address cannot be connected to.
            DyadwatchError: when no detector publishes in time, or none that takes this key.
        """
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, self._most_waiting)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST)
        for topic in self._topics:
            self._socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        if self._keys is not None:
            self._keys.apply(self._socket)
        self._monitor = self._socket.get_monitor_socket(_WATCHED)
        self._connected, self._doubtful = False, 0
        try:
            self._connect(self._socket, wait_s)
        except BaseException:
            self.close()
            raise

    def receive(self, until: float | None) -> bytes | None:
        """The next message as JSON; None where none came up to `until` (monotonic seconds).

        Raises:
            DyadwatchError: the detector refuses this key, or the lack of one; or this is not open.
            WireError: what came has not the parts of a message.
        """
        if self._socket is None:
            raise DyadwatchError("a Subscriber listens only inside its 'with' block")
        while True:
            left_ms = _TURN_MS if until is None else min(max(0, round((until - time.monotonic()) * 1000)), _TURN_MS)
            if self._socket.poll(left_ms):
                parts = self._socket.recv_multipart()
                if len(parts) != 2:
                    raise WireError(
                        Refusal.PART_COUNT,
                        f"{self._address} sent a message that is none of a detector's: {len(parts)} parts; expected 2: "
                        "topic, JSON",
                    )
                return parts[1]
            self._look()
            if until is not None and time.monotonic() >= until:
                return None

    def close(self) -> None:
        """Ends the connection."""
        if self._socket is not None:
            self._socket.disable_monitor()
            self._socket.close(0)
            self._socket = None
        if self._monitor is not None:
            self._monitor.close(0)
            self._monitor = None
        if self._context is not None:
            self._context.term()
            self._context = None

    def _connect(self, socket: zmq.Socket[bytes], wait_s: float) -> None:
        try:
            socket.connect(self._address)
        except zmq.ZMQError as e:
            raise ConfigError(
                f"address is {self._address!r}; expected something like {self._example!r} ({e})"
            ) from None
        until = time.monotonic() + wait_s
        while not self._connected and (left := until - time.monotonic()) > 0:
            self._look(min(round(left * 1000), _TURN_MS))
        if wait_s > 0 and not self._connected:
            raise DyadwatchError(
                f"no detector publishes at {self._address} after {wait_s:g} s; start one with: dyadwatch run"
            )

    def _look(self, wait_ms: int = 0) -> None:
        """Takes in how the connection does: a detector never says in a message that it refuses somebody.

        Raises:
            DyadwatchError: it does.
        """
        assert self._monitor is not None
        while self._monitor.poll(wait_ms):
            wait_ms = 0
            event = recv_monitor_message(self._monitor)["event"]
            self._connected = event == zmq.Event.HANDSHAKE_SUCCEEDED
            self._doubtful = self._doubtful + 1 if event == _DOUBTFUL else 0
            if event in _FINAL or self._doubtful >= _MOST_DOUBTFUL:
                self._doubtful = 0
                key = "this key" if self._keys else "a listener without a key"
                raise DyadwatchError(
                    f"the detector at {self._address} refuses {key}; expected NAME.key_secret of a peer that its "
                    "`dyadwatch keys list` shows as one that listens, or none where it has no keys itself"
                )
