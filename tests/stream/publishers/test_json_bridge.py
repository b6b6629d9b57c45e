"""JSON lines on real sockets, through a real publisher, to the detector's end."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

import numpy as np
import pytest

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.configuration.config import Config, WireOptions
from dyadwatch.stream.messages import EventMessage
from dyadwatch.stream.pipeline import Pipeline, events_of
from dyadwatch.stream.publishers.json_bridge import JsonBridge
from dyadwatch.stream.publishers.json_declaration import Declaration
from dyadwatch.stream.publishers.live import Refusals
from dyadwatch.stream.scoring.scorer import Scorer

PERSON = {"id": "ann", "joints": {"head": [0, 1.6, 0], "neck": [0, 1.4, 0]}}


def text(seq: int, **keys: Any) -> bytes:
    return json.dumps({"stamp": seq * NS // 30, "persons": [PERSON], **keys}).encode() + b"\n"


def connect(address: str) -> socket.socket:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=5)


def say(address: str, *lines: bytes) -> None:
    with connect(address) as client:
        client.sendall(b"".join(lines))


def dropped(refusals: Refusals, source: str, reason: str, n: int = 1) -> bool:
    """Waits until so many were refused."""
    deadline = time.monotonic() + 5
    while refusals.counts().get(source, {}).get(reason, 0) < n and time.monotonic() < deadline:
        time.sleep(0.01)
    return refusals.counts()[source][reason] == n


class Bridges:
    """Opens bridges and passes on what they hear."""

    def __init__(self, stack: ExitStack, detector: Any) -> None:
        self._stack = stack
        self._detector = detector
        self.refusals = Refusals(logging.getLogger("dyadwatch.test"))

    def __call__(self, *listen: str, declared: Declaration | None = None, **options: Any) -> list[str]:
        bridge = JsonBridge(listen, declared or Declaration(), self.refusals, **options)
        self._stack.enter_context(bridge)
        self._detector.hear(bridge.frames)
        return bridge.addresses


@pytest.fixture
def bridges(detector: Any) -> Iterator[Bridges]:
    with ExitStack() as stack:
        yield Bridges(stack, detector)
        detector.close()  # before the sockets, for its thread looks at them


TCP = "tcp://127.0.0.1:0"


def test_lines_over_tcp_are_heard_whatever_the_pieces(bridges: Bridges, detector: Any) -> None:
    (address,) = bridges(TCP, declared=Declaration(source="lab", clock="lab"))
    with connect(address) as client:
        stream = b"".join(text(k) for k in range(20))
        for piece in (stream[:13], stream[13:50], stream[50:]):
            client.sendall(piece)
            time.sleep(0.02)
        frames = detector.take(20)
    assert [(f.seq, f.stamp) for f in frames] == [(k, k * NS // 30) for k in range(20)]
    assert {(f.source, f.clock, f.ids, f.epoch) for f in frames} == {("lab", "lab", ("ann",), 1)}
    assert np.allclose(frames[7].joints[0], [[0, 1.6, 0], [0, 1.4, 0]])


def test_a_bad_line_is_counted_told_and_costs_nothing_else(
    bridges: Bridges, detector: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (address,) = bridges(TCP, limits=WireOptions(max_bytes=1000))
    say(address, text(0), b"{oops\n", text(1), b"x" * 200_000 + b"\n", text(2), b"{again\n\n", text(3)[:-1])
    assert [f.seq for f in detector.take(4)] == [0, 1, 2, 3]
    assert bridges.refusals.counts() == {"jsonl": {"bad_json": 2, "line_too_long": 1}}
    told = [r.message for r in caplog.records]
    assert len(told) == 2, "the second bad line of a kind is left out of the log"
    assert told[0].startswith("jsonl: bad_json: 127.0.0.1:")
    assert "sent a line of more than 1000 bytes; it is left out" in told[1]


def test_many_clients_are_many_sources(bridges: Bridges, detector: Any) -> None:
    (address,) = bridges(TCP)
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(address)) for _ in range(20)]
        for k, client in enumerate(clients):
            client.sendall(b'{"source": "cam%d", "layout": "upper11"}\n' % k)
        for seq in range(5):
            for client in clients:
                client.sendall(text(seq))
        frames = detector.take(100)
    for k in range(20):
        assert [f.seq for f in frames if f.source == f"cam{k}"] == [0, 1, 2, 3, 4]
    assert {f.layout.name for f in frames} == {"upper11"}


def test_a_name_that_is_taken_gets_a_number_and_is_free_again_after(bridges: Bridges, detector: Any) -> None:
    (address,) = bridges(TCP)
    with connect(address) as first:
        first.sendall(text(0))
        assert detector.take(1)[0].source == "jsonl"
        say(address, text(0))
        assert detector.take(2)[1].source == "jsonl-2"
        first.sendall(text(1))
        assert (detector.take(3)[2].source, detector.take(3)[2].seq) == ("jsonl", 1)
    time.sleep(0.1)
    say(address, text(9))
    assert (detector.take(4)[3].source, detector.take(4)[3].seq) == ("jsonl", 2), "numbers go on"
    assert bridges.refusals.counts() == {"jsonl": {"source_taken": 1}}


@pytest.fixture
def udp(bridges: Bridges) -> Iterator[Callable[[], socket.socket]]:
    """Opens sockets that send to a bridge."""
    (address,) = bridges("udp://127.0.0.1:0")
    with ExitStack() as stack:

        def opened() -> socket.socket:
            client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            client.connect(("127.0.0.1", int(address.rpartition(":")[2])))
            return client

        yield opened


def test_two_programs_of_one_host_are_two_sources(
    udp: Callable[[], socket.socket], bridges: Bridges, detector: Any
) -> None:
    one, other = udp(), udp()
    one.send(b'{"source": "room1", "units": "cm"}')
    other.send(b'{"source": "room2"}')
    for k in range(5):
        one.send(text(k))
        other.send(text(k))
    frames = detector.take(10)
    for name, head in (("room1", 0.016), ("room2", 1.6)):
        mine = [f for f in frames if f.source == name]
        assert [f.seq for f in mine] == list(range(5))
        assert np.allclose([f.joints[0, 0, 1] for f in mine], head)
    assert bridges.refusals.counts() == {}


def test_a_socket_that_declares_nothing_is_not_taken_for_one_that_did(
    udp: Callable[[], socket.socket], bridges: Bridges, detector: Any
) -> None:
    before, one, other = udp(), udp(), udp()
    before.send(text(0))
    detector.take(1)
    one.send(b'{"source": "room1", "units": "cm"}')
    one.send(text(0))
    detector.take(2)
    other.send(text(0))
    assert dropped(bridges.refusals, "jsonl-2", "undeclared")
    other.send(b'{"source": "room2"}' + text(1))
    before.send(text(1))
    assert [f.source for f in detector.take(4)] == ["jsonl", "room1", "room2", "jsonl"]


def test_a_sender_of_datagrams_that_was_started_again_has_its_name_back(
    udp: Callable[[], socket.socket], detector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dyadwatch.stream.publishers.json_bridge._GONE_S", 0.05)
    udp().send(b'{"source": "room1"}' + text(0))
    detector.take(1)
    time.sleep(0.1)
    udp().send(b'{"source": "room1"}' + text(1))
    assert [(f.source, f.seq) for f in detector.take(2)] == [("room1", 0), ("room1", 1)]


@pytest.mark.parametrize("between", [b"", b" ", b"\n", b"\r\n", b"\x1e", b"\n\x1e"])
def test_objects_that_were_sent_together_are_all_read(
    udp: Callable[[], socket.socket], detector: Any, between: bytes
) -> None:
    udp().send(between.join(text(k).strip() for k in range(4)))
    assert [f.stamp for f in detector.take(4)] == [k * NS // 30 for k in range(4)]


def test_datagrams_of_a_socket_are_one_sender(
    udp: Callable[[], socket.socket], bridges: Bridges, detector: Any
) -> None:
    client = udp()
    for datagram in (b'{"units": "cm"}', text(0), text(1) + text(2), b"\xff", text(3)[:-1]):
        client.send(datagram)
    frames = detector.take(4)
    assert [(f.source, f.seq) for f in frames] == [("jsonl", k) for k in range(4)]
    assert np.allclose(frames[3].joints[0, 0], [0, 0.016, 0])
    assert dropped(bridges.refusals, "jsonl", "bad_json")


def test_standard_input_ends_and_so_do_the_frames() -> None:
    out, into = os.pipe()
    os.write(into, text(0) + text(1)[:-1])
    os.close(into)
    with JsonBridge(["-"], Declaration(), Refusals(logging.getLogger()), stdin=out) as bridge:
        assert [f.frame.seq for f in bridge.frames(lambda: False)] == [0, 1]
    os.close(out)


def test_a_file_as_standard_input(tmp_path: Any) -> None:
    file = tmp_path / "lines.json"
    file.write_bytes(b"".join(text(k) for k in range(3000)))
    with file.open() as opened:
        bridge = JsonBridge(["-"], Declaration(fps=30), Refusals(logging.getLogger()), stdin=opened.fileno())
        with bridge:
            frames = list(bridge.frames(lambda: False))
    assert [f.frame.seq for f in frames] == list(range(3000))
    assert frames[0].fps == 30


def test_who_finds_no_place_is_turned_away_and_told(bridges: Bridges, detector: Any) -> None:
    (address,) = bridges(TCP, max_clients=2)
    with connect(address) as first, connect(address) as second:
        first.sendall(text(0))
        second.sendall(text(0))
        detector.take(2)
        with connect(address) as third:
            assert third.recv(10) == b"", "hung up"
        assert dropped(bridges.refusals, "jsonl", "too_many_clients")
        first.sendall(text(1))
        assert len(detector.take(3)) == 3
    time.sleep(0.1)
    say(address, text(2))
    assert len(detector.take(4)) == 4


def test_no_stamp_is_said_once(bridges: Bridges, detector: Any) -> None:
    (address,) = bridges(TCP)
    before = time.time_ns()
    say(address, *[b'{"persons": [%s]}\n' % json.dumps(PERSON).encode()] * 3)
    stamps = [f.stamp for f in detector.take(3)]
    assert before < stamps[0] < stamps[1] < stamps[2] <= time.time_ns() + 3000
    assert bridges.refusals.counts() == {"jsonl": {"no_stamp": 1}}


def test_the_port_is_free_afterwards(bridges: Bridges) -> None:
    with JsonBridge([TCP, "udp://[::1]:0"], Declaration(), bridges.refusals) as bridge:
        address = bridge.addresses[0]
        assert bridge.addresses[1].startswith("udp://[::1]:")
        connect(address).close()
        assert list(islice(bridge.frames(iter([False, True]).__next__), 1)) == []
    with JsonBridge([address], Declaration(), bridges.refusals):
        pass


@pytest.mark.parametrize(
    "where", ["127.0.0.1:7000", "http://x:1", "tcp://x", "tcp://:70", "udp://a:99999", "tcp://[", ""]
)
def test_where_to_listen_must_be_clear(where: str) -> None:
    with pytest.raises(ConfigError) as e:
        JsonBridge([where], Declaration(), Refusals(logging.getLogger()))
    assert str(e.value) == f"listen is {where!r}; expected tcp://host:port, udp://host:port or - for standard input"


def test_what_cannot_be_bound_and_bad_flags_are_named(bridges: Bridges) -> None:
    (address,) = bridges(TCP)
    with (
        pytest.raises(ConfigError, match=rf"listen is '{address}'; expected an address .* \(Address already in use\)"),
        JsonBridge([address], Declaration(), bridges.refusals),
    ):
        pass
    with pytest.raises(ConfigError, match="source is 'my cam'; expected 1-64 characters of A-Z a-z 0-9 _ -"):
        JsonBridge([TCP], Declaration(source="my cam"), bridges.refusals)
    with pytest.raises(ConfigError, match="layout 'x' is not known; expected one of"):
        JsonBridge([TCP], Declaration(layout="x"), bridges.refusals)


def events(frames: Sequence[PoseFrame], scorer: Scorer) -> list[EventMessage]:
    pipeline = Pipeline(scorer, Thresholds(6.0, 4.0), Config())
    return events_of(pipeline.run(frames))


def test_events_are_those_of_the_frames_themselves(
    bridges: Bridges, detector: Any, encounter: Callable[..., list[PoseFrame]], scorer: Scorer
) -> None:
    frames = encounter("jsonl")
    (address,) = bridges(TCP, declared=Declaration(layout="upper11", units="mm", axes="z-up"))
    lines = []
    for f in frames:
        people = (f.joints[..., [0, 2, 1]] * [1000, -1000, 1000]).round(3)  # z up: (x, -z, y)
        persons = [{"id": i, "joints": p.tolist()} for i, p in zip(f.ids or (), people, strict=True)]
        lines.append(json.dumps({"stamp": f.stamp, "persons": persons}).encode() + b"\n")
    say(address, *lines)
    expected, got = events(frames, scorer), events(detector.take(len(frames)), scorer)
    assert [e.type for e in expected].count("open") == 2
    assert [(e.type, e.pair, e.start, e.end, e.stamp) for e in got] == [
        (e.type, e.pair, e.start, e.end, e.stamp) for e in expected
    ]
