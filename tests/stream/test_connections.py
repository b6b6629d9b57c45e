"""What one connection may hold in memory, over real sockets and with a client that speaks ZMTP by hand."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypedDict, Unpack

import pytest
import zmq
from testing_waits import until

from dyadwatch.stream.receiving.connections import ConnectionGuard, wire_size

WAIT_S = 20
KIB = 1 << 10
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells what a connection brought on Linux")


class Limits(TypedDict, total=False):
    most: int
    most_in_all: int
    most_connections: int


class Guarded:
    """A SUB socket that takes what comes, as long as it is told to, and what its guard cut."""

    def __init__(self, **limits: Unpack[Limits]) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.SUBSCRIBE, b"")
        self.cut: list[str] = []
        self.came: list[bytes] = []
        self._publishers: list[zmq.Socket[bytes]] = []
        self._clients: list[socket.socket] = []
        self.serves = True
        self.guard = ConnectionGuard(self.socket, lambda reason, _: self.cut.append(reason), 32 * KIB, **limits)
        self.socket.bind("tcp://127.0.0.1:*")
        self.address = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def publisher(self) -> zmq.Socket[bytes]:
        out = self.context.socket(zmq.XPUB)
        self._publishers.append(out)
        out.setsockopt(zmq.SNDHWM, 0)
        out.connect(self.address)
        assert out.poll(WAIT_S * 1000), "nobody subscribes"
        out.recv()
        return out

    def client(self) -> socket.socket:
        """A connection that has shaken hands as a PUB."""
        host, _, port = self.address.removeprefix("tcp://").rpartition(":")
        made = socket.create_connection((host, int(port)))
        self._clients.append(made)
        made.settimeout(WAIT_S)
        made.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48))
        made.recv(64, socket.MSG_WAITALL)
        ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"
        made.sendall(bytes([4, len(ready)]) + ready)
        head = made.recv(2, socket.MSG_WAITALL)  # its own ready; what is sent before may end the connection
        if len(head) < 2:
            raise ConnectionError("hung up during the greeting")
        made.recv(head[1], socket.MSG_WAITALL)
        return made

    def close(self) -> None:
        self._done.set()
        self._thread.join(WAIT_S)
        self.guard.close()
        self.socket.disable_monitor()
        for client in self._clients:
            client.close()
        for one in (self.socket, *self._publishers):
            one.close(linger=0)
        self.context.destroy(linger=0)

    def _work(self) -> None:
        while not self._done.is_set():
            if not self.serves or not self.socket.poll(5):
                time.sleep(0.001)
                if self.serves:
                    self.guard.emptied()
                continue
            first = self.socket.recv(copy=False)
            parts = [first.bytes, *(self.socket.recv_multipart() if first.more else [])]
            self.guard.delivered(int(first.get(zmq.SRCFD)), wire_size(parts))  # pyright: ignore[reportArgumentType]
            self.came.append(parts[0])


@pytest.fixture
def guarded() -> Iterator[Callable[..., Guarded]]:
    made: list[Guarded] = []

    def make(**limits: Unpack[Limits]) -> Guarded:
        made.append(Guarded(**limits))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("part", [1, 64, 8 * KIB])
def test_a_message_that_is_never_finished_costs_its_sender_the_connection(
    guarded: Callable[..., Guarded], part: int
) -> None:
    one = guarded()
    good, bad = one.publisher(), one.client()
    head = bytes([1, part]) if part < 256 else b"\x03" + struct.pack(">Q", part)
    block = (head + bytes(part)) * (8 * KIB // part + 1)
    sent = 0
    try:
        while sent < 4096 * KIB:
            bad.sendall(block)
            sent += len(block)
            good.send(b"good")
            time.sleep(0.002)
    except OSError:
        pass
    bad.close()
    until(lambda: one.cut, "a cut")
    assert one.cut == ["unfinished_message"]
    assert sent < 4096 * KIB
    count = len(one.came)
    good.send(b"good")
    until(lambda: len(one.came) > count, "a message of the good one after it")
    assert set(one.came) == {b"good"}


def test_whole_messages_are_no_reason_to_cut_however_many_come(guarded: Callable[..., Guarded]) -> None:
    """Also where the bytes that frame them add up to more than any bound."""
    one = guarded(most=64 * KIB, most_in_all=128 * KIB)
    out = one.publisher()
    for n in range(60_000):
        out.send_multipart([b"a", b"", b"b"])
        if n % 500 == 0:
            until(lambda n=n: len(one.came) > n - 2000, "the messages before")
    until(lambda: len(one.came) == 60_000, "the last message")
    assert one.cut == []


def test_bytes_that_wait_beyond_the_bound_cost_the_connection_that_holds_most(guarded: Callable[..., Guarded]) -> None:
    one = guarded(most=1024 * KIB, most_in_all=2048 * KIB)
    good, bad = one.publisher(), one.publisher()
    one.serves = False
    good.send(b"good")
    for _ in range(100):
        bad.send(bytes(30 * KIB))
    until(lambda: one.cut, "a cut")
    assert set(one.cut) == {"backlog_bytes"}
    one.serves = True
    until(lambda: b"good" in one.came, "the message of the good one")


def test_what_cut_connections_left_in_the_socket_counts_until_it_is_taken(guarded: Callable[..., Guarded]) -> None:
    """Whoever is cut and comes again must not fill the memory in many small steps."""
    one = guarded(most=512 * KIB, most_in_all=1024 * KIB)
    good = one.publisher()
    one.serves = False
    good.send(b"good")
    message = b"\x02" + struct.pack(">Q", 30 * KIB) + bytes(30 * KIB)
    for _ in range(24):
        before = len(one.cut)
        with contextlib.suppress(OSError):  # the later ones may not even be greeted
            bad = one.client()
            while len(one.cut) == before:
                bad.sendall(message)
                time.sleep(0.002)  # the guard looks every few milliseconds
        until(lambda before=before: len(one.cut) > before, "a cut")
    one.serves = True
    until(lambda: b"good" in one.came, "the message of the good one")
    good.send(b"later")
    until(lambda: b"later" in one.came, "its next message")
    kept = sum(map(len, one.came))
    assert kept < 2 * 1024 * KIB
    assert set(one.cut) == {"backlog_bytes"}


def test_connections_beyond_the_bound_are_cut_at_once(guarded: Callable[..., Guarded]) -> None:
    one = guarded(most_connections=3)
    good = one.publisher()
    clients = [one.client() for _ in range(2)]
    host, _, port = one.address.removeprefix("tcp://").rpartition(":")
    with socket.create_connection((host, int(port))) as late:
        until(lambda: one.cut, "a cut")
        late.settimeout(WAIT_S)
        while late.recv(4096):
            pass
    assert one.cut == ["too_many_connections"]
    good.send(b"good")
    until(lambda: one.came, "a message of the good one")
    for client in clients:
        client.close()


def test_the_size_on_the_wire_is_that_of_zmtp() -> None:
    assert wire_size([b"", b"x" * 255, b"x" * 256]) == 2 + (2 + 255) + (9 + 256)
    assert wire_size([b"x" * 230], over_part=33) == 9 + 230 + 33
