"""Listens to a running detector: its scores, events, incidents and status as typed messages."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, get_args

import msgspec
import zmq
from zmq.utils.monitor import recv_monitor_message

from dyadwatch.core.errors import ConfigError, DyadwatchError, WireError
from dyadwatch.stream.codes import Refusal, SenderReason
from dyadwatch.stream.messages import VERSION, Message, decode_json
from dyadwatch.stream.publishers.publisher import check_address, check_source
from dyadwatch.stream.sockets.client_keys import ClientKeys, keys_of

DEFAULT_ADDRESS = "tcp://127.0.0.1:5571"
Kind = Literal["score", "event", "near_miss", "incident", "attention", "status"]
_LARGEST = 1 << 20  # bytes of a message; a detector's own stay far below
_FINAL = (zmq.Event.HANDSHAKE_FAILED_AUTH, zmq.Event.HANDSHAKE_FAILED_PROTOCOL)
# A connection that ends in its handshake may be a detector that stops now; one after the other is a detector
# whose keys are not ours.
_DOUBTFUL, _MOST_DOUBTFUL = zmq.Event.HANDSHAKE_FAILED_NO_DETAIL, 3
_WATCHED = zmq.Event.HANDSHAKE_SUCCEEDED | _DOUBTFUL | _FINAL[0] | _FINAL[1]
_TURN_MS = 100


class _Version(msgspec.Struct):
    v: int


class Subscriber:
    """One SUB end of the wire out, as a context manager and an iterator: connected inside `with`, closed after.

    A `for` loop ends when nothing has come for `timeout_s`; another loop goes on from there. A detector publishes a
    status every second or so, so that silence means that it is not there.

    Arguments:
        address: where the detector publishes, `sinks.bind` of its configuration.
        keys: certificate of this listener, `NAME.key_secret` that `dyadwatch keys new` made, where the detector asks
            for keys.
        kinds: which messages to receive, of `score`, `event`, `near_miss`, `incident`, `attention` and `status`.
        sources: names of the sources to hear of; empty is all.
        timeout_s: seconds without a message after which a loop ends; None waits for ever.
        wait_s: how long entering waits for a detector; 0: does not wait, and one that starts later is heard from then
            on.
        most_waiting: messages that wait for this program to read them; beyond, the detector drops them. 0 is no limit.

    Raises:
        ConfigError: naming the argument, its value and what was expected.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        keys: str | Path | ClientKeys | None = None,
        *,
        kinds: Collection[Kind] = get_args(Kind),
        sources: Collection[str] = (),
        timeout_s: float | None = None,
        wait_s: float = 0.0,
        most_waiting: int = 10_000,
    ) -> None:
        check_address("address", address)
        if isinstance(kinds, str) or not kinds or not set(kinds) <= set(get_args(Kind)):
            raise ConfigError(f"kinds is {kinds!r:.80}; expected some of {', '.join(map(repr, get_args(Kind)))}")
        if isinstance(sources, str):
            raise ConfigError(f"sources is {sources!r:.80}; expected several names, such as ({sources!r:.80},)")
        for source in sources:
            if source != "@detector":
                check_source(source)
        if timeout_s is not None and not timeout_s >= 0:
            raise ConfigError(f"timeout_s is {timeout_s!r}; expected seconds, 0 or more, or None to wait for ever")
        if not wait_s >= 0:
            raise ConfigError(f"wait_s is {wait_s!r}; expected seconds, 0 or more")
        if most_waiting < 0:
            raise ConfigError(f"most_waiting is {most_waiting!r}; expected a number of messages, or 0 for no limit")
        self._address = address
        self._keys = keys_of(keys)
        self._topics = [f"{kind}.{source}" for kind in kinds for source in sources or ("",)]
        self._sources = frozenset(sources)
        self._timeout_s = timeout_s
        self._wait_s = wait_s
        self._most_waiting = most_waiting
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._connected = False
        self._doubtful = 0

    def __enter__(self) -> Self:
        """Connects, and waits for a detector if that is wanted.

        Raises:
            ConfigError: when the address cannot be connected to.
            DyadwatchError: when no detector publishes within `wait_s`, or none that takes this key.
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
            self._connect(self._socket)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        message = self.receive(self._timeout_s)
        if message is None:
            raise StopIteration
        return message

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next message; None where there is none within `timeout_s` seconds, or for None waits for it.

        Raises:
            DyadwatchError: the detector refuses this key, or the lack of one; or this was called outside of `with`.
            WireError: what came is no message of this version; the next may well be.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while (parts := self._parts(until)) is not None:
            message = self._decoded(parts)
            # A subscription is a prefix: `hall` brings `hall2`, too.
            if not self._sources or message.source in self._sources:
                return message
        return None

    def _connect(self, socket: zmq.Socket[bytes]) -> None:
        try:
            socket.connect(self._address)
        except zmq.ZMQError as e:
            raise ConfigError(
                f"address is {self._address!r}; expected something like {DEFAULT_ADDRESS!r} ({e})"
            ) from None
        until = time.monotonic() + self._wait_s
        while not self._connected and (left := until - time.monotonic()) > 0:
            self._look(min(round(left * 1000), _TURN_MS))
        if self._wait_s > 0 and not self._connected:
            raise DyadwatchError(
                f"no detector publishes at {self._address} after {self._wait_s:g} s; start one with: dyadwatch run"
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

    def _parts(self, until: float | None) -> list[bytes] | None:
        if self._socket is None:
            raise DyadwatchError("a Subscriber listens only inside its 'with' block")
        while True:
            left_ms = _TURN_MS if until is None else min(max(0, round((until - time.monotonic()) * 1000)), _TURN_MS)
            if self._socket.poll(left_ms):
                return self._socket.recv_multipart()
            self._look()
            if until is not None and time.monotonic() >= until:
                return None

    def _decoded(self, parts: list[bytes]) -> Message:
        refused = f"{self._address} sent a message that is none of a detector's"
        if len(parts) != 2:
            raise WireError(Refusal.PART_COUNT, f"{refused}: {len(parts)} parts; expected 2: topic, JSON")
        try:
            version = msgspec.json.decode(parts[1], type=_Version).v
            if version != VERSION:
                raise WireError(
                    Refusal.VERSION,
                    f"{self._address} sent a message of version {version}; this dyadwatch reads version {VERSION}: "
                    "install the same on both machines",
                )
            return decode_json(parts[1])
        except msgspec.DecodeError as e:
            raise WireError(
                SenderReason.BAD_JSON, f"{refused}: {e!s:.300}; expected JSON as `dyadwatch schema` has it"
            ) from None

    def _close(self) -> None:
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
