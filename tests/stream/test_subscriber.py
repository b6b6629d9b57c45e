"""A listener hears the real detector as typed messages, waits no longer than it is told, and says who refuses it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from dyadwatch.core.errors import ConfigError, DyadwatchError, WireError
from dyadwatch.live_detector import free_address, running_detector
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.messages import VERSION, ScoreMessage, StatusMessage, encode_json
from dyadwatch.stream.publishers.clip_player import clip_frames
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.publishers.simulator.samples import anomaly_clips
from dyadwatch.stream.sockets.client_keys import read_client_keys
from dyadwatch.stream.sockets.key_folder import KeyFolder
from dyadwatch.stream.subscriber import Subscriber

WAIT_S = 30.0


class Detector:
    """A PUB socket that says what a test wants a detector to say."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._socket = socket
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind("tcp://127.0.0.1:*")
        self.address = socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def say(self, *parts: bytes) -> None:
        self._socket.send_multipart(parts)

    def heard(self) -> None:
        """Returns when a subscription has come."""
        assert self._socket.poll(round(WAIT_S * 1000))
        self._socket.recv()


@pytest.fixture
def detector() -> Iterator[Detector]:
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        yield Detector(socket)


def score(source: str, end: int = 0) -> ScoreMessage:
    return ScoreMessage(
        source=source, pair=(1, 2), start=0, end=end, score=1.0, relation=0.5, unusual=0.5, model="m 1", latency_ms=1.0
    )


def said(message: ScoreMessage) -> tuple[bytes, bytes]:
    return message.topic.encode(), encode_json(message)


def test_a_loop_ends_after_the_timeout_and_another_goes_on(detector: Detector) -> None:
    with Subscriber(detector.address, kinds=("score",), timeout_s=0.3, wait_s=WAIT_S) as subscriber:
        detector.heard()
        for end in (1, 2):
            detector.say(*said(score("lab", end)))
        began = time.monotonic()
        assert [m.end for m in subscriber if isinstance(m, ScoreMessage)] == [1, 2]
        assert 0.3 <= time.monotonic() - began < 5
        assert subscriber.receive(0) is None
        detector.say(*said(score("lab", 3)))
        assert next(iter(subscriber)) == score("lab", 3)


def test_only_the_wanted_kinds_and_sources_are_heard(detector: Detector) -> None:
    with Subscriber(detector.address, kinds=("score",), sources=("hall",), timeout_s=0.5, wait_s=WAIT_S) as subscriber:
        detector.heard()
        detector.say(*said(score("hall2")))  # begins like the wanted one
        detector.say(b"event.hall", b"{}")
        detector.say(*said(score("hall")))
        assert [m.source for m in subscriber] == ["hall"]


@pytest.mark.parametrize(
    ("parts", "reason", "text"),
    [
        ((b"score.lab",), "part_count", "1 parts; expected 2: topic, JSON"),
        ((b"score.lab", b"hello"), "bad_json", "JSON is malformed: .*; expected JSON as `dyadwatch schema` has it"),
        ((b"score.lab", b'{"kind":"score"}'), "bad_json", "missing required field `v`"),
        ((b"score.lab", json.dumps({"v": VERSION, "kind": "score"}).encode()), "bad_json", "missing required field"),
        ((b"score.lab", b'{"v":99}'), "version", f"of version 99; this dyadwatch reads version {VERSION}: install the"),
    ],
)
def test_what_is_no_message_is_refused_and_the_next_is_heard(
    detector: Detector, parts: tuple[bytes, ...], reason: str, text: str
) -> None:
    with Subscriber(detector.address, timeout_s=WAIT_S, wait_s=WAIT_S) as subscriber:
        for _ in range(3):
            detector.heard()
        detector.say(*parts)
        with pytest.raises(WireError, match=text) as refused:
            next(subscriber)
        assert refused.value.reason == reason
        assert str(refused.value).startswith(detector.address)
        detector.say(*said(score("lab")))
        assert next(subscriber) == score("lab")


def test_a_detector_that_starts_later_is_heard() -> None:
    address = free_address()
    with Subscriber(address, timeout_s=WAIT_S) as subscriber:
        assert subscriber.receive(0.05) is None
        with zmq.Context() as context, context.socket(zmq.PUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.bind(address)
            ended = threading.Event()

            def say() -> None:
                while not ended.wait(0.02):
                    socket.send_multipart(said(score("lab")))

            saying = threading.Thread(target=say)
            saying.start()
            try:
                assert next(subscriber) == score("lab")
            finally:
                ended.set()
                saying.join()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"address": "here"}, "address is 'here'; expected an address such as tcp://"),
        ({"keys": "none.key_secret"}, r"keys is 'none.key_secret', which cannot be read \(No such file or directory\)"),
        (
            {"kinds": "event"},
            "kinds is 'event'; expected some of 'score', 'event', 'near_miss', 'inc",
        ),
        (
            {"kinds": ("alarm",)},
            r"kinds is \('alarm',\); expected some of 'score', 'event', 'near_miss', 'incident'",
        ),
        ({"kinds": ()}, r"kinds is \(\); expected some of"),
        ({"sources": "hall"}, r"sources is 'hall'; expected several names, such as \('hall',\)"),
        ({"sources": ("a b",)}, "source is 'a b'; expected 1-64 characters"),
        ({"timeout_s": -1}, "timeout_s is -1; expected seconds, 0 or more, or None to wait for ever"),
        ({"timeout_s": float("nan")}, "timeout_s is nan; expected seconds"),
        ({"wait_s": -1}, "wait_s is -1; expected seconds, 0 or more"),
        ({"most_waiting": -1}, "most_waiting is -1; expected a number of messages, or 0 for no limit"),
    ],
)
def test_arguments_are_looked_at_first(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{text}"):
        Subscriber(**arguments)


def test_it_listens_only_inside_its_with_block_and_says_who_is_not_there() -> None:
    address = free_address()
    subscriber = Subscriber(address, wait_s=0.1)
    with pytest.raises(DyadwatchError, match=r"^a Subscriber listens only inside its 'with' block$"):
        subscriber.receive(0)
    text = f"^no detector publishes at {address} after 0.1 s; start one with: dyadwatch run$"
    with pytest.raises(DyadwatchError, match=text), subscriber:
        pytest.fail("nobody is there")


def test_the_running_detector_is_heard() -> None:
    clips = list(anomaly_clips(seed=3, n_per_kind=1))[:1]
    with (
        running_detector(shipped_model(), ("sinks.status_s=0.2",)) as (into, out),
        Subscriber(out, timeout_s=WAIT_S, wait_s=WAIT_S) as subscriber,
        PosePublisher(into) as publisher,
    ):
        for frame in clip_frames(clips, "lab"):
            publisher.send(frame)
        scored = [next(m for m in subscriber if isinstance(m, ScoreMessage)) for _ in range(5)]
        told = (m for m in subscriber if isinstance(m, StatusMessage) and m.source == "lab")
        status = next(m for m in told if m.frames >= len(clips[0]))  # the first may come before the last frame is in
    assert {m.source for m in scored} == {"lab"}
    assert [m.end for m in scored] == sorted({m.end for m in scored})
    assert status.frames == len(clips[0])


@pytest.mark.slow
def test_a_detector_with_keys_is_heard_with_the_right_one_only(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "keys")
    wall, cam = folder.add("wall", listen=True), folder.add("cam", ("cam",))
    refused = "^the detector at {} refuses {}; expected NAME.key_secret of a peer that its `dyadwatch keys list` shows"
    options = (f"security.keys={tmp_path / 'keys'}", "sinks.status_s=0.2")
    with running_detector(shipped_model(), options, read_client_keys(wall)) as (_, out):
        with Subscriber(out, wall, wait_s=WAIT_S) as subscriber:
            assert isinstance(subscriber.receive(WAIT_S), StatusMessage)
        for key, called in ((None, "a listener without a key"), (cam, "this key")):
            text = refused.format(out, called)
            with pytest.raises(DyadwatchError, match=text), Subscriber(out, key, wait_s=WAIT_S):
                pytest.fail("connected")
            with Subscriber(out, key) as subscriber, pytest.raises(DyadwatchError, match=text):
                subscriber.receive(WAIT_S)
    with running_detector(shipped_model(), ("sinks.status_s=0.2",)) as (_, out), Subscriber(out, wall) as subscriber:
        text = refused.format(out, "this key")
        with pytest.raises(DyadwatchError, match=text):
            subscriber.receive(WAIT_S)
