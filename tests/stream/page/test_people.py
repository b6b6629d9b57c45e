"""Who is where leaves the detector by a socket of its own, only while somebody listens, and never holds it up."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.finding import Finding
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import MergeState
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.ingest import Ingest
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.people_socket import PeopleSocket, decode_people, people_of
from dyadwatch.stream.tracking.scene_tracker import SceneTracker

Encounter = Callable[..., list[PoseFrame]]


def scene_after(frames: list[PoseFrame]) -> SceneTracker:
    scene = SceneTracker("hall", Config(), 15.0, lambda reason: None)
    for frame in frames:
        scene.push(frame)
    return scene


@pytest.fixture
def address(tmp_path: Path) -> Path:
    return tmp_path / "private" / "people"


@pytest.fixture
def listener(address: Path) -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(f"ipc://{address}")
        yield socket


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not what() and time.monotonic() < until:
        time.sleep(0.01)
    assert what()


def test_it_is_who_is_seen_with_joints_as_the_source_has_them(encounter: Encounter) -> None:
    frames = encounter(seconds=3.0)
    frames[-1].confidence[0, 3] = 0.1
    people = people_of(scene_after(frames))
    assert people is not None
    assert (people.source, people.ids, people.stamp) == ("hall", ("ann", "bob"), frames[-1].stamp)
    assert people.pairs == (("ann", "bob"),)
    assert people.joints == frames[-1].layout.joints
    places = np.frombuffer(people.places, "<f4").reshape(2, 11, 3)
    assert np.isnan(places[0, 3]).all(), "hardly seen"
    np.testing.assert_array_equal(places[1], frames[-1].joints[1])


def test_nobody_is_told_before_the_first_frame() -> None:
    assert people_of(SceneTracker("hall", Config(), 15.0, lambda reason: None)) is None


def test_it_is_wanted_while_somebody_listens_and_told_twenty_times_a_second(
    encounter: Encounter, address: Path, listener: zmq.Socket[bytes]
) -> None:
    scene = scene_after(encounter(seconds=3.0))
    people = PeopleSocket(str(address))
    try:
        assert stat.S_IMODE(address.stat().st_mode) == 0o600
        assert not people.queue.wanted
        listener.setsockopt(zmq.SUBSCRIBE, b"")
        wait_for(lambda: people.queue.wanted)
        began, heard = time.monotonic(), 0
        while time.monotonic() - began < 1.0:
            people.queue.offer(scene)
            while listener.poll(0):
                assert decode_people(listener.recv()).ids == ("ann", "bob")
                heard += 1
            time.sleep(0.001)
        assert 3 <= heard <= 22
        listener.setsockopt(zmq.UNSUBSCRIBE, b"")
        wait_for(lambda: not people.queue.wanted)
    finally:
        people.close()
    assert not address.exists()


def test_offering_costs_microseconds(encounter: Encounter, address: Path) -> None:
    scene = scene_after(encounter(seconds=3.0))
    people = PeopleSocket(str(address))
    try:
        best = min(_seconds(lambda: people.queue.offer(scene)) for _ in range(200))
    finally:
        people.close()
    assert best < 100e-6


def _seconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def test_people_of_a_merged_source_are_in_the_scene_of_its_group() -> None:
    config = set_option(Config(), "merge.groups={hall: [left, right]}")
    intake = Ingest(WindowShape(UPPER11, 10, 15.0), config, DropLog(Counters()))
    group = intake.groups["hall"]
    assert intake.scene("left") is group.scene
    assert intake.scene("yard") is None
    group.members["left"].apart = Finding(MergeState.OTHER_CLOCK)
    assert intake.scene("left") is group.members["left"].scene


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^sinks.people is '/x+'; expected a path of at most 100 bytes$"):
        PeopleSocket("/" + "x" * 100)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^sinks.people is '.*'; expected a file that can be made \(.*\)$"):
        PeopleSocket(str(tmp_path / "file" / "people"))
