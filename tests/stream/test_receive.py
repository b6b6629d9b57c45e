"""What is told of messages that are refused, over real sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import msgpack
import pytest
import zmq
from numpy.typing import NDArray

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.receiving.receiver import Receiver
from dyadwatch.stream.wire import decode_pose, encode_pose

Message = Sequence[bytes]


class Wire:
    """A receiver to whom only `hall` is known, and a publisher that sends to it."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: str) -> None:
        self.counters = Counters()
        options = WireOptions(bind=address)
        self.receiver = Receiver(context, options, self.counters, {"hall"}.__contains__, decode_pose)
        self.publisher = context.socket(zmq.XPUB)
        self.publisher.setsockopt(zmq.SNDHWM, 0)
        self.publisher.connect(address)
        # A socket takes in a new peer only while it is asked for something.
        assert any(self.receiver.waiting(10) or self.publisher.poll(10) for _ in range(500)), "nobody subscribes"
        self.publisher.recv()

    def refuse(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.publisher.send_multipart(message)
        for _ in messages:
            assert self.receiver.waiting(10_000), "a message did not come"
            assert self.receiver.receive(0) is None


@pytest.fixture
def wire() -> Iterator[Wire]:
    with zmq.Context() as before, before.socket(zmq.REP) as free:
        free.setsockopt(zmq.LINGER, 0)
        free.bind("tcp://127.0.0.1:0")
        address = free.getsockopt_string(zmq.LAST_ENDPOINT)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    one = Wire(context, address)
    yield one
    one.receiver.close()
    context.destroy(linger=0)


@pytest.fixture(autouse=True)
def warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


@pytest.fixture
def giants(frame: Callable[..., PoseFrame], person: Callable[..., NDArray]) -> Callable[..., Message]:
    """A message of people in millimetres sent as metres."""
    return lambda source, scale=1000: encode_pose(replace(frame(0, [person(0) * scale]), source=source))


def test_each_source_that_is_refused_is_named_and_counted_for_the_detector(
    wire: Wire, giants: Callable[..., Message], caplog: pytest.LogCaptureFixture
) -> None:
    old = giants("old")
    header = bytes(msgpack.packb({**msgpack.unpackb(old[1]), "v": 2}) or b"")
    wire.refuse([giants("mm"), giants("hall"), giants("cm", 100), giants("mm", 1001), [old[0], header, old[2]]])
    told = [m.split(" m with")[0] for m in caplog.messages]
    assert sorted(told[:2]) + told[2:] == [  # who is known has a turn of its own
        "hall: absurd_body: a person spans 750",
        "mm: absurd_body: a person spans 750",
        "cm: absurd_body: a person spans 75",
        "old: version: header key 'v' is 2; expected 1",
    ]
    assert wire.counters.snapshot() == {DETECTOR: {"absurd_body": 3, "version": 1}, "hall": {"absurd_body": 1}}
    assert wire.counters.refused(60.0) == {
        "cm": "absurd_body",
        "hall": "absurd_body",
        "mm": "absurd_body",
        "old": "version",
    }


def test_a_topic_that_names_no_source_is_told_for_the_detector(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    wire.refuse([[b"pose.a b", b"", b""], [b"poses.mm", b"", b""]])
    assert caplog.messages == [
        f"{DETECTOR}: bad_topic: topic is {topic!r}; expected 'pose.<source>' with 1-64 characters of A-Z a-z 0-9 _ -"
        for topic in ("pose.a b", "poses.mm")
    ]
    assert wire.counters.refused(60.0) == {}


def test_a_flood_of_made_up_names_fills_neither_memory_nor_log(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    names = [f"made-up-{i // 26}{chr(97 + i % 26)}" for i in range(600)]
    wire.refuse([[f"pose.{name}".encode()] for name in names])
    text = "part_count: message has 1 parts; expected 3: topic, header, payload"
    assert caplog.messages[:64] == [f"{name}: {text}" for name in names[:64]]
    rest = caplog.messages[64:]
    assert (
        rest[0] == f"{DETECTOR}: part_count: from {names[64]}: message has 1 parts; expected 3: topic, header, payload"
    )
    assert len(rest) == 2
    assert len(wire.receiver._strangers) == 64
    wire.refuse([[b"pose.hall"]])
    assert caplog.messages[-1] == f"hall: {text}"
