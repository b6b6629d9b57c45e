"""The live server for Foxglove, over real WebSockets as its viewer opens them."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from websockets.sync.client import ClientConnection, connect

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError, MissingExtraError
from dyadwatch.core.extras import install_command
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.live_detector import free_address
from dyadwatch.stream.configuration.config import Config, FoxgloveOptions, SinkOptions, WireOptions
from dyadwatch.stream.delivery.foxglove_sink import FoxgloveSink
from dyadwatch.stream.delivery.start import open_foxglove
from dyadwatch.stream.messages import ScoreMessage
from dyadwatch.stream.people_socket import PeopleNow, PeopleQueue
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.service import Service


class Viewer:
    """Somebody who looks: what is advertised, and what comes of what was subscribed to."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.channels: dict[int, dict[str, Any]] = {}
        self._passed: list[bytes] = []

    def until(self, topic: str) -> None:
        """Reads until a channel is there, and subscribes to it under its own number; what comes meanwhile is next."""
        while not any(c["topic"] == topic for c in self.channels.values()):
            told = self.socket.recv(timeout=20)
            self._note(told)
            if isinstance(told, bytes):
                self._passed.append(told)
        number = next(n for n, c in self.channels.items() if c["topic"] == topic)
        wanted = [{"id": number, "channelId": number}]
        self.socket.send(json.dumps({"op": "subscribe", "subscriptions": wanted}))

    def next(self) -> tuple[str, int, Any]:
        """Topic, time and content of the next message."""
        while isinstance(told := self._passed.pop(0) if self._passed else self.socket.recv(timeout=20), str):
            self._note(told)
        opcode, number, at = struct.unpack("<BIQ", told[:13])
        assert opcode == 1
        return self.channels[number]["topic"], at, json.loads(told[13:])

    def _note(self, told: str | bytes) -> None:
        if isinstance(told, str):
            message = json.loads(told)
            if message["op"] == "advertise":
                self.channels |= {c["id"]: c for c in message["channels"]}
            elif message["op"] == "unadvertise":
                self.channels = {n: c for n, c in self.channels.items() if n not in message["channelIds"]}


@contextmanager
def viewing(port: int) -> Iterator[Viewer]:
    with connect(f"ws://127.0.0.1:{port}", subprotocols=["foxglove.sdk.v1"], compression=None) as socket:  # pyright: ignore[reportArgumentType]
        yield Viewer(socket)


@pytest.fixture
def people() -> PeopleQueue:
    return PeopleQueue()


@pytest.fixture
def sink(people: PeopleQueue) -> Iterator[FoxgloveSink]:
    one = FoxgloveSink(FoxgloveOptions(bind="127.0.0.1:0"), people)
    yield one
    one.close()


def two(source: str = "hall") -> PeopleNow:
    """Two of three joints each, one joint unseen."""
    places = np.array([[[0, 1, 0], [0, 2, 0], [np.nan] * 3], [[1, 1, 0], [1, 2, 0], [1, 0, 0]]], "<f4")
    return PeopleNow(
        source=source, stamp=1, joints=("pelvis", "head", "foot"), bones=((0, 1), (0, 2)), ids=(7, "ann"),
        pairs=((7, "ann"),), places=places.tobytes(),
    )  # fmt: skip


def make_score(evidence: float = 0.0) -> ScoreMessage:
    return ScoreMessage(
        source="hall", pair=(7, "ann"), start=0, end=1, score=1.0, relation=1.0, unusual=1.0, model="m",
        latency_ms=40.0, evidence=evidence,
    )  # fmt: skip


def scene_after(sink: FoxgloveSink, viewer: Viewer, people: PeopleQueue) -> tuple[int, dict[str, Any]]:
    deadline = time.monotonic() + 10
    while not people.wanted:  # what the detector asks before it hands over poses
        sink.idle()
        time.sleep(0.02)
        assert time.monotonic() < deadline
    people._waiting.append(two())
    sink.idle()
    topic, at, scene = viewer.next()
    assert topic == "scene.hall"
    return at, {entity["id"]: entity for entity in scene["entities"]}


def await_sinks(sink: FoxgloveSink, *topics: str) -> None:
    """Waits until the server knows who subscribed."""
    deadline = time.monotonic() + 10
    while not all(sink._channels[topic].has_sinks() for topic in topics):
        time.sleep(0.02)
        assert time.monotonic() < deadline


def test_people_are_drawn_with_the_evidence_of_their_pairs(
    sink: FoxgloveSink, people: PeopleQueue, updates: Any
) -> None:
    sink.emit([updates.status(), make_score(0.0)])
    with viewing(sink.port) as viewer:
        viewer.until("scene.hall")
        at, scene = scene_after(sink, viewer, people)
        assert abs(at - time.time_ns()) < 20e9
        assert set(scene) == {"hall/7", "hall/ann", "hall/pairs"}
        assert [len(scene[who]["spheres"]) for who in ("hall/7", "hall/ann")] == [2, 3]
        assert scene["hall/7"]["lines"][0]["points"] == [{"x": 0, "y": 1, "z": 0}, {"x": 0, "y": 2, "z": 0}]
        assert scene["hall/7"]["lines"][0]["color"] != scene["hall/ann"]["lines"][0]["color"]
        (line,) = scene["hall/pairs"]["lines"]
        assert line["points"] == [{"x": 0, "y": 1.5, "z": 0}, {"x": 1, "y": 1, "z": 0}]
        calm = line["color"]
        sink.emit([make_score(1.2)])
        _, scene = scene_after(sink, viewer, people)
        red = scene["hall/pairs"]["lines"][0]["color"]
        assert red["r"] > calm["r"]
        assert red["g"] < calm["g"]


def test_nothing_leads_to_who_is_not_seen(sink: FoxgloveSink) -> None:
    seen = two()
    places = np.frombuffer(seen.places, "<f4").reshape(2, -1, 3).copy()
    places[1] = np.nan
    for people in (
        structs.replace(seen, places=places.astype("<f4").tobytes()),
        structs.replace(seen, ids=seen.ids[:1], places=places[:1].astype("<f4").tobytes()),
    ):
        entities = {entity["id"]: entity for entity in sink._scene(people)["entities"]}
        assert entities["hall/pairs"]["lines"] == []


def test_messages_come_as_they_are_to_who_subscribed(sink: FoxgloveSink, updates: Any) -> None:
    sink.emit([updates.status(), make_score(), updates.incident(), updates.status("@detector")])
    with viewing(sink.port) as viewer:
        viewer.until("incident.hall")
        viewer.until("status.@detector")
        kinds = {c["topic"]: (c["schemaName"], c["encoding"]) for c in viewer.channels.values()}
        assert kinds["scene.hall"] == ("foxglove.SceneUpdate", "json")
        assert {"score.hall", "status.hall"} <= kinds.keys()
        assert "scene.@detector" not in kinds
        await_sinks(sink, "incident.hall", "status.@detector")
        sink.emit([make_score(), updates.incident(kind="update"), updates.status("@detector", frames=12)])
        topic, _, told = viewer.next()
        assert (topic, told["kind"], told["type"], told["id"]) == ("incident.hall", "incident", "update", "1405dc")
        assert viewer.next()[2]["frames"] == 12


def test_nobody_who_looks_means_no_poses(people: PeopleQueue, updates: Any) -> None:
    sink = FoxgloveSink(FoxgloveOptions(bind="127.0.0.1:0"), people, look_s=0.0)
    with closing(sink):
        sink.emit([updates.status("yard")])
        sink.idle()
        assert not people.wanted
        with viewing(sink.port) as viewer:
            viewer.until("scene.yard")
            scene_wanted = time.monotonic() + 10
            while not people.wanted:
                sink.idle()
                assert time.monotonic() < scene_wanted
        while people.wanted:  # the viewer has left
            sink.idle()
            assert time.monotonic() < scene_wanted


def test_what_is_gone_is_forgotten(people: PeopleQueue, updates: Any) -> None:
    sink = FoxgloveSink(FoxgloveOptions(bind="127.0.0.1:0"), people, look_s=0.0, gone_s=0.5)
    with closing(sink):
        sink.emit([updates.status("hall"), updates.status("yard")])
        deadline = time.monotonic() + 20
        while "status.hall" in sink._channels:
            sink.idle()
            sink.emit([updates.status("yard")])
            time.sleep(0.02)
            assert time.monotonic() < deadline
        with viewing(sink.port) as viewer:
            viewer.until("scene.yard")
            assert {c["topic"].partition(".")[2] for c in viewer.channels.values()} == {"yard"}


def test_a_viewer_that_never_reads_holds_up_nobody(sink: FoxgloveSink, people: PeopleQueue, updates: Any) -> None:
    sink.emit([updates.status()])
    with viewing(sink.port) as viewer:
        viewer.until("status.hall")
        await_sinks(sink, "status.hall")
        big = updates.status(model="m" * 20_000)
        began = time.monotonic()
        for _ in range(3000):  # 60 MB
            sink.emit([big])
        assert time.monotonic() - began < 10.0


def test_a_detector_shows_what_it_sees(
    scorer: Scorer, encounter: Callable[..., list[PoseFrame]], free_port: Callable[[], int]
) -> None:
    address, port = free_address(), free_port()
    config = Config(
        wire=WireOptions(bind=address),
        sinks=SinkOptions(bind="", status_s=0.1),
        foxglove=FoxgloveOptions(bind=f"127.0.0.1:{port}"),
    )
    service = Service(scorer, Thresholds(raise_at=1.4, clear_at=1.0), config)
    thread = threading.Thread(target=service.run)
    thread.start()
    seen: dict[str, Any] = {}
    try:
        with PosePublisher(address, wait_s=30) as publisher, viewing(port) as viewer:
            frames = iter(encounter(seconds=12.0))
            publisher.send(next(frames))
            viewer.until("scene.hall")
            viewer.until("status.hall")
            for _ in range(3):  # a moment for the detector to see that somebody looks
                viewer.next()
            for number, frame in enumerate(frames):
                publisher.send(frame)
                time.sleep(0.02 if number < 150 else 0)
            viewer.until("incident.hall")
            deadline = time.monotonic() + 20
            while not {"scene.hall", "status.hall"} <= seen.keys() and time.monotonic() < deadline:
                topic, _, told = viewer.next()
                if topic != "scene.hall" or len(told["entities"]) == 3:
                    seen[topic] = told
    finally:
        service.stop()
        thread.join(30)
    assert not thread.is_alive()
    assert {entity["id"] for entity in seen["scene.hall"]["entities"]} == {"hall/ann", "hall/bob", "hall/pairs"}
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what was connected may still be in TIME_WAIT
        s.bind(("127.0.0.1", port))  # nobody listens there any more


def test_addresses_that_cannot_be() -> None:
    with pytest.raises(ConfigError) as caught:
        open_foxglove(FoxgloveOptions(bind="0.0.0.0:8765"), PeopleQueue())
    assert str(caught.value) == (
        "foxglove.bind is '0.0.0.0:8765', which other machines can reach; expected a loopback address such as "
        "127.0.0.1:8765, or foxglove.insecure: true to let others see skeletons"
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"^foxglove.bind is {bind}, which cannot be bound .*expected a free"):
            open_foxglove(FoxgloveOptions(bind=bind), PeopleQueue())


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "foxglove", None)
    monkeypatch.delitem(sys.modules, "dyadwatch.stream.delivery.foxglove_sink", raising=False)
    with pytest.raises(MissingExtraError) as caught:
        open_foxglove(FoxgloveOptions(bind="127.0.0.1:0"), PeopleQueue())
    assert str(caught.value) == f"foxglove is not installed; install it with: {install_command('foxglove')}"
