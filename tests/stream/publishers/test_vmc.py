"""VMC from the real OSC library, over real sockets, through a real publisher, to the detector's end."""

from __future__ import annotations

import logging
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import build_msg
from pythonosc.udp_client import UDPClient

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.units import NS
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.messages import ScoreMessage
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.live import Refusals
from dyadwatch.stream.publishers.osc import OscMessage
from dyadwatch.stream.publishers.vmc import PerformerOptions, Place, VmcListener
from dyadwatch.stream.publishers.vmc_avatar import LAYOUT, Avatar
from dyadwatch.stream.publishers.vmc_frames import VmcFrames
from dyadwatch.stream.scoring.scorer import Scorer

STILL = (0.0, 0.0, 0.0, 1.0)
# A T-pose in Unity's axes: each bone's beginning seen from its parent.
T_POSE = {
    "Hips": (0.0, 0.95, 0.0), "Spine": (0.0, 0.1, 0.0), "Chest": (0.0, 0.15, 0.0), "Neck": (0.0, 0.25, 0.0),
    "Head": (0.0, 0.15, 0.05), "LeftUpperArm": (-0.2, 0.2, 0.0), "LeftLowerArm": (-0.3, 0.0, 0.0),
    "LeftHand": (-0.25, 0.0, 0.0), "RightUpperArm": (0.2, 0.2, 0.0), "RightLowerArm": (0.3, 0.0, 0.0),
    "RightHand": (0.25, 0.0, 0.0), "LeftUpperLeg": (-0.1, 0.0, 0.0), "RightUpperLeg": (0.1, 0.0, 0.0),
}  # fmt: skip
Message = tuple[str, list[Any]]


def body(x: float, z: float = 0.0) -> list[Message]:
    """What a performer says of a body at (x, z) of Unity's floor, fingers and faces included."""
    bones = [("/VMC/Ext/Bone/Pos", [bone, *place, *STILL]) for bone, place in T_POSE.items()]
    rest = [("/VMC/Ext/Bone/Pos", ["LeftIndexProximal", 0.1, 0.0, 0.0, *STILL]), ("/VMC/Ext/Blend/Val", ["Joy", 0.5])]
    return [("/VMC/Ext/Root/Pos", ["root", x, 0.0, z, *STILL]), *bones, *rest, ("/VMC/Ext/Blend/Apply", [])]


def osc(messages: list[Message]) -> list[OscMessage]:
    return [OscMessage(address, tuple(values)) for address, values in messages]


def time_is(t: float) -> Message:
    return ("/VMC/Ext/T", [t])


OK: Message = ("/VMC/Ext/OK", [1])


class Assembly:
    """A performer's frames, and why others were refused."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.frames = VmcFrames(Avatar(), lambda reason, _: self.refused.append(reason))
        self.got: list[tuple[int, float]] = []

    def datagrams(self, *datagrams: list[Message], arrived: int = 0) -> Assembly:
        """Each with its stamp and where its pelvis was."""
        for k, messages in enumerate(datagrams):
            for pose in self.frames.take(osc(messages), arrived + k):
                self.got.append((pose.stamp, round(-pose.joints[LAYOUT.index["pelvis"], 0], 3)))
        return self


def test_a_pose_ends_with_its_time() -> None:
    got = Assembly().datagrams(*[[*body(k), time_is(k / 10), OK] for k in range(1, 4)]).got
    assert got == [(NS // 10, 1), (2 * NS // 10, 2), (3 * NS // 10, 3)]


def test_every_message_a_datagram_of_its_own() -> None:
    messages = [m for k in range(1, 4) for m in [*body(k), OK, time_is(k / 10)]]
    got = Assembly().datagrams(*[[m] for m in messages]).got
    assert got == [(2 * NS // 10, 2), (3 * NS // 10, 3)], "OK ended the first, before it was known that a time comes"


def test_the_time_may_come_first() -> None:
    got = Assembly().datagrams(*[[time_is(k / 10), *body(k), OK] for k in range(1, 4)]).got
    assert got == [(NS // 10, 1), (2 * NS // 10, 2)], "the third is not known to be whole yet"


def test_without_time_ok_ends_a_pose_and_without_ok_the_next_one_does() -> None:
    got = Assembly().datagrams(*[[*body(k), OK] for k in range(4)], arrived=50).got
    assert got == [(52, 2), (53, 3)]
    got = Assembly().datagrams(*[body(k) for k in range(5)], arrived=50).got
    assert got == [(52, 2), (53, 3)]


def test_a_time_that_was_lost_costs_its_pose() -> None:
    a = Assembly().datagrams([*body(1), time_is(1)], body(2), [*body(3), time_is(3)])
    assert a.got == [(NS, 1), (3 * NS, 3)]
    assert a.refused == ["time_missing"]


def test_bones_keep_their_place_until_told_again() -> None:
    moved: Message = ("/VMC/Ext/Bone/Pos", ["Hips", 0.5, 1.0, 0.0, *STILL])
    assert Assembly().datagrams([*body(1), time_is(1)], [moved, time_is(2)]).got == [(NS, 1), (2 * NS, 1.5)]


def scaled(x: float, *told: float | str) -> list[Message]:
    """The same body, whose root carries the scale and offset of VMC 2.1."""
    (address, root), *rest = body(x)
    return [(address, [*root, *told]), *rest]


def refused(reason: str, text: str) -> None:
    pytest.fail(f"{reason}: {text}")


def test_an_avatar_is_brought_to_the_size_and_place_that_its_sender_tells() -> None:
    frames = VmcFrames(Avatar(), refused)
    (pose,) = frames.take(osc([*scaled(2.0, 1.25, 1.25, 1.25, 0.5, 0.1, -0.25), time_is(1.0)]), 0)
    # In Unity's axes the hips are at (2, 0.95, 0), the left hand at (1.25, 1.65 - 0.25, 0); in ours x is turned round.
    assert np.allclose(pose.joints[LAYOUT.index["pelvis"]], [-(2.0 - 0.5) / 1.25, 0.85 / 1.25, 0.25 / 1.25])
    assert np.allclose(pose.joints[LAYOUT.index["left_wrist"]], [-(1.25 - 0.5) / 1.25, 1.3 / 1.25, 0.25 / 1.25])
    (pose,) = frames.take(osc([*body(2.0), time_is(2.0)]), 0)
    assert np.allclose(pose.joints[LAYOUT.index["pelvis"]], [-2.0, 0.95, 0.0]), "it is told no more"
    own = VmcFrames(Avatar(), refused, fits=False)
    (pose,) = own.take(osc([*scaled(2.0, 1.25, 1.25, 1.25, 0.5, 0.1, -0.25), time_is(1.0)]), 0)
    assert np.allclose(pose.joints[LAYOUT.index["pelvis"]], [-2.0, 0.95, 0.0]), "--scale takes its place"


@pytest.mark.parametrize(
    "told",
    [(1.0, 1.2, 1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0, 0.0), (float("nan"),) * 6, (1.0, 1.0, 1.0), ("x",) * 6,
     (1.0, 1.0, 1.0, 0.0, 0.0, 1e6)],
)  # fmt: skip
def test_a_scale_that_makes_no_sense_is_named_and_left_out(told: tuple[Any, ...]) -> None:
    refused: list[tuple[str, str]] = []
    frames = VmcFrames(Avatar(), lambda reason, text: refused.append((reason, text)))
    (pose,) = frames.take(osc([*scaled(2.0, *told), time_is(1.0)]), 0)
    assert np.allclose(pose.joints[LAYOUT.index["pelvis"]], [-2.0, 0.95, 0.0])
    ((reason, text),) = refused
    assert reason == "bad_scale"
    assert text.startswith(
        f"/VMC/Ext/Root/Pos carries the scale and offset {told!r}; expected one scale from 0.1 to 10"
    )


@pytest.mark.parametrize("values", [[0], [0, 3, 0], [1, 3, 0, 0]])
def test_poses_wait_while_the_avatar_is_not_ready(values: list[int]) -> None:
    a = Assembly().datagrams([("/VMC/Ext/OK", values), *body(1), time_is(1)])
    assert (a.got, a.refused) == ([], ["not_ready"])
    assert a.datagrams([("/VMC/Ext/OK", [1, 3, 0, 1]), *body(2), time_is(2)]).got == [(2 * NS, 2)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (("/VMC/Ext/Bone/Pos", ["Hips", 0.0, 1.0]), "bad_bone"),
        (("/VMC/Ext/Bone/Pos", []), "bad_bone"),
        (("/VMC/Ext/Bone/Pos", [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]), "bad_bone"),
        (("/VMC/Ext/Bone/Pos", ["Hips", float("nan"), 0.0, 0.0, *STILL]), "bad_bone"),
        (("/VMC/Ext/Root/Pos", ["root", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), "bad_bone"),
        (("/VMC/Ext/T", []), "bad_time"),
        (("/VMC/Ext/T", ["now"]), "bad_time"),
        (("/VMC/Ext/T", [-1.0]), "bad_time"),
        (("/VMC/Ext/T", [float("inf")]), "bad_time"),
    ],
)  # fmt: skip
def test_a_bad_message_costs_only_itself(bad: Message, reason: str) -> None:
    a = Assembly().datagrams([bad, *body(1), bad, time_is(1)])
    assert a.got == [(NS, 1)]
    assert a.refused == [reason] * 2


ADDRESSES = ["/VMC/Ext/Bone/Pos", "/VMC/Ext/Root/Pos", "/VMC/Ext/T", "/VMC/Ext/OK"]
VALUE = st.floats() | st.integers() | st.sampled_from(["Hips", "Spine", "Neck"]) | st.none() | st.binary(max_size=4)


@given(st.lists(st.tuples(st.sampled_from(ADDRESSES), st.lists(VALUE, max_size=9)), max_size=10))
def test_any_messages_are_used_or_refused(messages: list[Message]) -> None:
    a = Assembly()
    for pose in a.frames.take(osc(messages), 5):
        assert pose.joints.shape == (22, 3)
        assert pose.stamp >= 0


class Performer:
    """Somebody with python-osc, on a clock of their own that began at `began`."""

    def __init__(self, port: int, x: float, began: float) -> None:
        self._client = UDPClient("127.0.0.1", port)
        self.x = x
        self._began = time.monotonic() - began

    def perform(self) -> None:
        bundle = OscBundleBuilder(IMMEDIATELY)
        for address, values in [*body(self.x), OK, time_is(time.monotonic() - self._began)]:
            bundle.add_content(build_msg(address, values))
        self._client.send(bundle.build())

    def close(self) -> None:
        self._client._sock.close()


@pytest.fixture
def stage(detector: Any) -> Iterator[Callable[..., tuple[VmcListener, Refusals]]]:
    with ExitStack() as stack:

        def open_stage(*performers: PerformerOptions, **options: Any) -> tuple[VmcListener, Refusals]:
            refusals = Refusals(logging.getLogger("dyadwatch.test"))
            listener = stack.enter_context(VmcListener(performers, refusals, **options))
            detector.hear(listener.frames)
            return listener, refusals

        yield open_stage
        detector.close()


def perform(performers: list[Performer], enough: Callable[[], bool]) -> None:
    """Until it is enough, or for fifteen seconds."""
    end = time.monotonic() + 15
    while not enough() and time.monotonic() < end:
        for p in performers:
            p.perform()
        time.sleep(0.02)
    for p in performers:
        p.close()


def test_two_performers_are_the_people_of_one_source(stage: Any, detector: Any, scorer: Scorer) -> None:
    turned = PerformerOptions(0, "bob", scale=1.1, place=Place(2.0, 1.0, 90.0))
    listener, refusals = stage(PerformerOptions(0, "ann"), turned, fps=25.0)
    ann, bob = Performer(listener.ports[0], -0.5, began=7.0), Performer(listener.ports[1], -0.5, began=9000.0)
    perform([ann, bob], lambda: sum(f.people == 2 for f in detector.frames) >= 40)
    frames = list(detector.frames)
    assert refusals.counts() == {}
    both = [f for f in frames if f.people == 2]
    assert len(both) >= 40
    assert {(f.source, f.clock, f.layout.name, f.ids) for f in both} == {("vmc", "unix", "smpl22", ("ann", "bob"))}
    assert {(b.stamp - a.stamp) % 40_000_000 for a, b in pairwise(both)} == {0}
    joints = both[-1].joints
    index = LAYOUT.index
    # Unity's x = -0.5 is 0.5 in ours; left hands point to +x; Bob is turned to the left, so his to -z.
    assert np.allclose(joints[0, index["pelvis"]], [0.5, 0.95, 0.0], atol=1e-5)
    assert np.allclose(joints[0, index["left_wrist"]], [0.5 + 0.75, 1.4, 0.0], atol=1e-5)
    assert np.allclose(joints[1, index["pelvis"]], [2.0, 1.045, 1.0 - 0.55], atol=1e-5)
    assert np.allclose(joints[1, index["left_wrist"]], [2.0, 1.54, 1.0 - 0.55 - 0.825], atol=1e-5)
    pipeline = Pipeline(scorer, Thresholds(6.0, 4.0), Config())
    messages = pipeline.run(frames)
    scores = [m for m in messages if isinstance(m, ScoreMessage)]
    assert len(scores) >= 2
    assert {s.pair for s in scores} == {("ann", "bob")}


def test_rubbish_and_a_second_sender_harm_nobody(stage: Any, detector: Any) -> None:
    listener, refusals = stage(PerformerOptions(0, "ann"))
    rng = random.Random(4)
    ann = Performer(listener.ports[0], 0.0, began=7.0)
    ann.perform()
    time.sleep(0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        for _ in range(50):
            other.sendto(rng.randbytes(rng.randrange(200)), ("127.0.0.1", listener.ports[0]))
    for _ in range(10):  # the very sender that is listened to
        ann._client._sock.sendto(b"#bundle\0" + rng.randbytes(40), ("127.0.0.1", listener.ports[0]))
    perform([ann], lambda: any(f.people == 1 for f in detector.frames))
    assert any(f.people == 1 for f in detector.frames)
    counts = refusals.counts()["vmc"]
    assert counts == {"two_senders": 50, "bad_osc": 10}


def test_an_absurd_body_is_named(stage: Any, detector: Any, caplog: pytest.LogCaptureFixture) -> None:
    listener, refusals = stage(PerformerOptions(0, "ann", scale=100.0))
    ann = Performer(listener.ports[0], 0.0, began=7.0)
    perform([ann], lambda: refusals.counts().get("vmc", {}).get("absurd_body", 0) >= 5)
    assert set(refusals.counts()["vmc"]) == {"absurd_body"}
    assert "vmc: absurd_body: ann: a person spans 150 m with units 'm'" in caplog.text
    assert all(f.people == 0 for f in detector.frames)


def test_ports_are_free_afterwards_and_a_taken_one_is_named() -> None:
    refusals = Refusals(logging.getLogger("dyadwatch.test"))
    with VmcListener([PerformerOptions(0, "ann")], refusals) as listener:
        port = listener.ports[0]
        text = rf"performer 'bob' has port {port} on '127.0.0.1'; expected one this machine can bind \(Address already"
        with pytest.raises(ConfigError, match=text), VmcListener([PerformerOptions(port, "bob")], refusals):
            pass
    with VmcListener([PerformerOptions(port, "ann")], refusals):
        pass
    with (
        pytest.raises(
            ConfigError, match=r"performer 'ann' has port 70000 on '127\.0\.0\.1'; expected one this machine can"
        ),
        VmcListener([PerformerOptions(70_000, "ann")], refusals),
    ):
        pass
