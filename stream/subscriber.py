"""Listens to a running detector, or to its page: scores, events, incidents and status as typed messages."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, get_args

import msgspec

from dyadwatch.core.errors import ConfigError, WireError
from dyadwatch.stream.codes import Refusal, SenderReason
from dyadwatch.stream.http_listener import HttpListener
from dyadwatch.stream.messages import VERSION, Message, decode_json
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.publishers.publisher import check_address, check_source
from dyadwatch.stream.sockets.client_keys import ClientKeys, keys_of
from dyadwatch.stream.zmq_listener import ZmqListener

DEFAULT_ADDRESS = "tcp://127.0.0.1:5571"
_PAGE = "http://127.0.0.1:8090"
Kind = Literal["score", "event", "near_miss", "incident", "attention", "status"]


class _Version(msgspec.Struct):
    v: int


class Subscriber:
    """One end of the wire out, as a context manager and an iterator: connected inside `with`, closed after.

    A `for` loop ends when nothing has come for `timeout_s`; another loop goes on from there. A detector publishes a
    status every second or so, so that silence means that it is not there.

    Arguments:
        address: where the detector publishes, `sinks.bind` of its configuration; or its page, such as
            http://127.0.0.1:8090, of which the same is heard.
        keys: certificate of this listener, `NAME.key_secret` that `dyadwatch keys new` made, where the detector asks
            for keys.
        kinds: which messages to receive, of `score`, `event`, `near_miss`, `incident`, `attention` and `status`.
        sources: names of the sources to hear of; empty is all.
        timeout_s: seconds without a message after which a loop ends; None waits for ever.
        wait_s: how long entering waits for a detector; 0: does not wait, and one that starts later is heard from then
            on.
        most_waiting: messages that wait for this program to read them; beyond, the detector drops them. 0 is no limit.
        token: that a page knows, where the address is one's; `dyadwatch page add-token` prints it.
        certificate: PEM file to trust, where a page has a certificate that this machine does not.

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
        token: str = "",
        certificate: str | Path = "",
    ) -> None:
        if isinstance(kinds, str) or not kinds or not set(kinds) <= set(get_args(Kind)):
            raise ConfigError(f"kinds is {kinds!r:.80}; expected some of {', '.join(map(repr, get_args(Kind)))}")
        if isinstance(sources, str):
            raise ConfigError(f"sources is {sources!r:.80}; expected several names, such as ({sources!r:.80},)")
        for source in sources:
            if source != DETECTOR:
                check_source(source)
        if timeout_s is not None and not timeout_s >= 0:
            raise ConfigError(f"timeout_s is {timeout_s!r}; expected seconds, 0 or more, or None to wait for ever")
        if not wait_s >= 0:
            raise ConfigError(f"wait_s is {wait_s!r}; expected seconds, 0 or more")
        if most_waiting < 0:
            raise ConfigError(f"most_waiting is {most_waiting!r}; expected a number of messages, or 0 for no limit")
        self._address = address
        self._sources = frozenset(sources)
        self._timeout_s = timeout_s
        self._wait_s = wait_s
        self._listener = listener_to(address, keys, token, certificate, kinds, sources, most_waiting)

    def __enter__(self) -> Self:
        """Connects, and waits for a detector if that is wanted.

        Raises:
            ConfigError: when the address cannot be connected to.
            DyadwatchError: when no detector publishes, or no page answers that hears one, within `wait_s`; or none that
                takes this key or token.
        """
        self._listener.open(self._wait_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

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
            DyadwatchError: the detector refuses this key or the lack of one, or the page this token; or this was called
                outside of `with`.
            ServerLostError: a page, or the detector behind it, is not heard any more; it goes on trying, and so may who
                called this.
            WireError: what came is no message of this version; the next may well be.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while (body := self._listener.receive(until)) is not None:
            message = self._decoded(body)
            # A subscription is a prefix: `hall` brings `hall2`, too.
            if not self._sources or message.source in self._sources:
                return message
        return None

    def _decoded(self, body: bytes) -> Message:
        refused = f"{self._address} sent a message that is none of a detector's"
        try:
            version = msgspec.json.decode(body, type=_Version).v
            if version != VERSION:
                raise WireError(
                    Refusal.VERSION,
                    f"{self._address} sent a message of version {version}; this dyadwatch reads version {VERSION}: "
                    "install the same on both machines",
                )
            return decode_json(body)
        except msgspec.DecodeError as e:
            raise WireError(
                SenderReason.BAD_JSON, f"{refused}: {e!s:.300}; expected JSON as `dyadwatch schema` has it"
            ) from None


class MessageListener(Protocol):
    """What a Subscriber hears messages by."""

    def open(self, wait_s: float) -> None:
        """Begins to listen, and waits for somebody to be there for so long."""
        ...

    def receive(self, until: float | None) -> bytes | None:
        """The next message as JSON; None where none came up to `until` (monotonic seconds)."""
        ...

    def close(self) -> None:
        """Ends it."""
        ...


def listener_to(
    address: str,
    keys: str | Path | ClientKeys | None,
    token: str,
    certificate: str | Path,
    kinds: Collection[Kind],
    sources: Collection[str],
    most_waiting: int,
) -> MessageListener:
    """By ZeroMQ, or by HTTP where the address is that of a page; arguments as of a Subscriber.

    Raises:
        ConfigError: naming the argument, its value and what was expected.
    """
    if address.startswith(("http://", "https://")):
        if keys is not None:
            raise ConfigError("keys are given with the address of a page; expected token, which a page asks for")
        return HttpListener(address, token, kinds, Path(certificate) if certificate else None, most_waiting)
    check_address("address", address)
    if token or certificate:
        raise ConfigError(f"address is {address!r:.80} with a token or certificate; expected a page, such as {_PAGE}")
    topics = [f"{kind}.{source}" for kind in kinds for source in sources or ("",)]
    return ZmqListener(address, DEFAULT_ADDRESS, topics, keys_of(keys), most_waiting)
