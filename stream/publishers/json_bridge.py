"""JSON lines over TCP, UDP or standard input: the sockets, the senders, and their names."""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from dyadwatch.core.errors import ConfigError, LayoutError, WireError
from dyadwatch.stream.codes import SenderReason
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.publishers.json_declaration import Declaration
from dyadwatch.stream.publishers.json_lines import JsonSender
from dyadwatch.stream.publishers.line_splitter import LineSplitter, objects_in
from dyadwatch.stream.publishers.live import LiveFrame, Refusals
from dyadwatch.stream.publishers.publisher import check_source

DEFAULT_SOURCE = "jsonl"
_PIECE = 1 << 16
_LOOK_S = 0.1  # how often a stop is looked for
_IDLE_S = 60.0  # a sender silent for longer gives up its place when it is needed
_GONE_S = 2.0  # a UDP socket silent for longer gives up its name: nobody hangs up there


class _Peer:
    """One sender: a TCP connection, a socket that sends datagrams, or standard input.

    Arguments:
        name: for messages.
        sender: reads its lines.
        splitter: makes lines of its bytes.
        close: ends it.
        udp: host that it sends datagrams from; None for other kinds.
    """

    def __init__(
        self,
        name: str,
        sender: JsonSender,
        splitter: LineSplitter,
        close: Callable[[], None],
        udp: str | None = None,
    ) -> None:
        self.name = name
        self.udp = udp
        self.must_declare = False
        self.sender = sender
        self.splitter = splitter
        self.close = close
        self.heard = time.monotonic()
        self.wanted: str | None = None
        self.source: str | None = None


class JsonBridge:
    """Listens for JSON lines, as a context manager: sockets are bound inside, and free after.

    Arguments:
        listen: `tcp://host:port`, `udp://host:port`, or `-` for standard input; any number of them.
        declared: what frames mean unless their sender declares otherwise.
        refusals: counts every line that cannot be used.
        limits: the largest counts, and `max_bytes` of a line.
        max_clients: senders at a time. Too low, and some find no place; too high, and a port scan costs memory.
        stdin: the descriptor that `-` means.
    """

    def __init__(
        self,
        listen: Sequence[str],
        declared: Declaration,
        refusals: Refusals,
        *,
        limits: WireOptions | None = None,
        max_clients: int = 64,
        stdin: int | None = None,
    ) -> None:
        self._listen = [(where, _endpoint(where)) for where in listen]
        try:
            declared.skeleton()
        except LayoutError as e:
            raise ConfigError(str(e)) from None
        self._default = declared.source or DEFAULT_SOURCE
        check_source(self._default)
        self._declared = declared
        self._refusals = refusals
        self._limits = limits or WireOptions()
        self._max_clients = max_clients
        self._stdin = stdin
        self._selector = selectors.PollSelector()  # epoll refuses files, which standard input may be
        self._sockets: list[socket.socket] = []
        self._peers: dict[object, _Peer] = {}
        self._seq: dict[str, int] = {}
        self._unstamped: set[str] = set()
        self.addresses: list[str] = []

    def __enter__(self) -> Self:
        """Binds.

        Raises:
            ConfigError: for an address that cannot be bound.
        """
        try:
            for where, endpoint in self._listen:
                self._open(where, endpoint)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def frames(self, stopped: Callable[[], bool]) -> Iterator[LiveFrame]:
        """Frames as they come, until asked to stop or, where standard input is the only sender, until it ends."""
        while not stopped() and self._selector.get_map():
            for key, _ in self._selector.select(_LOOK_S):
                yield from key.data()

    def _open(self, where: str, endpoint: tuple[str, str, int] | None) -> None:
        if endpoint is None:
            fd = sys.stdin.fileno() if self._stdin is None else self._stdin
            peer = self._peer(fd, "standard input", lambda: None, one_source=False)
            self._selector.register(fd, selectors.EVENT_READ, partial(self._from_stdin, fd, peer))
            return
        scheme, host, port = endpoint
        kind = socket.SOCK_STREAM if scheme == "tcp" else socket.SOCK_DGRAM
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
        self._sockets.append(made)
        made.setblocking(False)
        try:
            if scheme == "tcp":
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((host, port))
            if scheme == "tcp":
                made.listen()
        except OSError as e:
            raise ConfigError(
                f"listen is {where!r}; expected an address this machine can bind ({e.strerror or e})"
            ) from None
        take = self._accept if scheme == "tcp" else self._from_udp
        self._selector.register(made, selectors.EVENT_READ, partial(take, made))
        shown = f"[{host}]" if ":" in host else host
        self.addresses.append(f"{scheme}://{shown}:{made.getsockname()[1]}")

    def _peer(
        self,
        key: object,
        name: str,
        close: Callable[[], None],
        *,
        udp: str | None = None,
        one_source: bool = True,
    ) -> _Peer:
        longest = self._limits.max_bytes
        too_long = f"{name} sent a line of more than {longest} bytes; it is left out"
        splitter = LineSplitter(
            longest, lambda: self._refusals.add(peer.source or self._default, SenderReason.LINE_TOO_LONG, too_long)
        )
        sender = JsonSender(self._declared, self._limits, one_source=one_source)
        peer = _Peer(name, sender, splitter, close, udp)
        # One socket of a host declared itself; another, that does not, may well be the same sender.
        others = (p for p in self._peers.values() if udp is not None and p.udp == udp)
        peer.must_declare = any(p.sender.has_declared for p in others)
        self._peers[key] = peer
        return peer

    def _accept(self, listening: socket.socket) -> Iterator[LiveFrame]:
        try:
            client, address = listening.accept()
        except OSError:  # gone again before we looked
            return
        if not self._has_room(address[0]):
            client.close()
            return
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._sockets.append(client)
        peer = self._peer(client, f"{address[0]}:{address[1]}", partial(self._hang_up, client))
        self._selector.register(client, selectors.EVENT_READ, partial(self._from_tcp, client, peer))
        yield from ()

    def _hang_up(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        self._sockets.remove(client)
        client.close()

    def _from_tcp(self, client: socket.socket, peer: _Peer) -> Iterator[LiveFrame]:
        try:
            piece = client.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:  # reset by the other side: the end, without its last words
            piece = b""
        yield from self._take(peer, piece)
        if not piece:
            self._forget(client)

    def _from_stdin(self, fd: int, peer: _Peer) -> Iterator[LiveFrame]:
        piece = os.read(fd, _PIECE)
        yield from self._take(peer, piece)
        if not piece:
            self._selector.unregister(fd)
            self._forget(fd)

    def _from_udp(self, bound: socket.socket) -> Iterator[LiveFrame]:
        """A datagram is one or more whole lines; all datagrams of one socket, a host and a port, are one sender."""
        try:
            piece, address = bound.recvfrom(_PIECE)
        except OSError:
            return
        key = (bound, address[:2])
        peer = self._peers.get(key)
        if peer is None:
            if not self._has_room(f"{address[0]} (UDP, where every socket is a sender: keep one open)"):
                return
            peer = self._peer(key, f"{address[0]}:{address[1]} (UDP)", lambda: None, udp=address[0])
        yield from self._take(peer, piece + b"\n")

    def _take(self, peer: _Peer, piece: bytes) -> Iterator[LiveFrame]:
        peer.heard = time.monotonic()
        arrived = time.time_ns()
        for line in peer.splitter.feed(piece) if piece else peer.splitter.finish():
            for text in objects_in(line):
                frame = self._read(peer, text, arrived)
                if frame is not None:
                    yield frame

    def _read(self, peer: _Peer, line: bytes, arrived: int) -> LiveFrame | None:
        wanted = peer.sender.declared.source or self._default
        if wanted != peer.wanted and b'"persons"' in line:  # a first line may yet say the name
            self._name(peer, wanted)
        source = peer.source or wanted
        seq = self._seq.get(source, 0)
        unstamped = peer.sender.unstamped
        try:
            frame = peer.sender.read(line, arrived, source, seq)
        except WireError as e:
            self._refusals.add(source, e.reason, f"{peer.name}: {e}")
            return None
        if frame is None or not self._is_declared(peer, source):
            return None
        if peer.sender.unstamped > unstamped == 0:
            self._refusals.add(
                source,
                SenderReason.NO_STAMP,
                f"{peer.name} sends frames without 'stamp': they get their time of arrival",
            )
        if frame.zeros:
            text = f"{peer.name} sends joints at exactly 0 0 0: taken as unseen; send null for them"
            self._refusals.add(source, SenderReason.ZEROS_UNSEEN, text)
        self._seq[source] = seq + 1
        return LiveFrame(frame, peer.sender.declared.fps)

    def _is_declared(self, peer: _Peer, source: str) -> bool:
        """Whether a sender declared itself, where it must."""
        if peer.sender.has_declared or not peer.must_declare:
            return True
        text = (
            f"{peer.name} sends frames without a declaration, which another socket of its host sent; expected one from "
            "each socket: keep one open and declare on it"
        )
        self._refusals.add(source, SenderReason.UNDECLARED, text)
        return False

    def _name(self, peer: _Peer, wanted: str) -> None:
        """Gives a sender the name it wants, or that with a number where another sender has it."""
        late = time.monotonic() - _GONE_S
        gone = [k for k, p in self._peers.items() if p.source == wanted and p.udp is not None and p.heard < late]
        for key in gone:
            if self._peers[key] is not peer:
                self._forget(key)
        taken = {p.source for p in self._peers.values() if p is not peer}
        source, k = wanted, 1
        while source in taken:
            k += 1
            source = f"{wanted[: 63 - len(str(k))]}-{k}"
        if source != wanted:
            text = f"{peer.name} sends as {wanted!r}, which another sender does already; it becomes {source!r}"
            self._refusals.add(wanted, SenderReason.SOURCE_TAKEN, text)
        peer.wanted, peer.source = wanted, source
        # Numbers go on where a sender comes back, so that no frame of its second connection counts as old.
        if source not in self._seq and len(self._seq) >= self._limits.max_sources:
            for free in [s for s in self._seq if s not in taken][:1]:
                del self._seq[free]

    def _has_room(self, host: str) -> bool:
        if len(self._peers) < self._max_clients:
            return True
        idle = [(p.heard, key) for key, p in self._peers.items() if not isinstance(key, int)]  # standard input stays
        heard, key = min(idle, key=lambda item: item[0], default=(time.monotonic(), None))
        if time.monotonic() - heard > _IDLE_S:
            self._forget(key)
            return True
        text = f"connection from {host} refused: {self._max_clients} clients are connected already"
        self._refusals.add(self._default, SenderReason.TOO_MANY_CLIENTS, text)
        return False

    def _forget(self, key: object) -> None:
        self._peers.pop(key).close()

    def _close(self) -> None:
        for peer_key in list(self._peers):
            self._forget(peer_key)
        for made in self._sockets:
            made.close()
        self._selector.close()


def _endpoint(where: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for standard input.

    Raises:
        ConfigError: for anything else.
    """
    if where == "-":
        return None
    try:
        parts = urlsplit(where)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = parts = None
    if parts is None or parts.scheme not in ("tcp", "udp") or not host or port is None or parts.path not in ("", "/"):
        raise ConfigError(f"listen is {where!r:.80}; expected tcp://host:port, udp://host:port or - for standard input")
    return parts.scheme, host, port
