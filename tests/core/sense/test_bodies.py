"""What is odd about bodies is found, in every layout, before a window of two seconds is full; what is not is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.sense.bodies import BodySense, BodyVerdict
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.sense.sense_words import odd_text
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import COCO17, KINECT25, LAYOUTS, MEDIAPIPE33, OPENPOSE25, SMPL22, UPPER11, ZED34
from dyadwatch.core.units import NS

Frames = NDArray[np.float32]
Look = Callable[..., Any]  # see conftest
Fit = Callable[[Frames, Layout], Frames]
Turn = Callable[[Frames], Frames]
BEFORE_A_WINDOW_S = 2.0
START = 1_700_000_000 * NS


def z_up(a: Frames) -> Frames:
    """Z-up coordinates as they are, taken for y-up ones."""
    return np.stack([a[..., 0], -a[..., 2], a[..., 1]], axis=-1)


TURNS: dict[str, Turn] = {
    "+z": z_up,
    "-z": lambda a: np.stack([a[..., 0], a[..., 2], -a[..., 1]], axis=-1),
    "+x": lambda a: np.stack([a[..., 1], a[..., 0], -a[..., 2]], axis=-1),
    "-x": lambda a: np.stack([-a[..., 1], a[..., 0], a[..., 2]], axis=-1),
}
H36M = ("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "spine_mid", "spine_shoulder",
        "neck", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow",
        "right_wrist")  # fmt: skip


def at_rate(people: Frames, fps: float) -> Frames:
    """Frames of 30 a second at another rate."""
    at = np.arange(0, (len(people) - 1) / 30, 1 / fps) * 30
    i, w = at.astype(int), (at % 1)[:, None, None, None]
    return ((1 - w) * people[i] + w * people[i + 1]).astype(np.float32)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_people_are_people_in_every_layout(layout: Layout, meeting: Frames, in_layout: Fit, look: Look) -> None:
    people = in_layout(meeting, layout)
    found = look(people[::2], layout, 15.0)
    assert found.codes == set()
    assert all(1.4 < h < 2.1 for h in found.sense.heights.values())
    assert set(found.sense.upright.values()) == {True}
    child = people * np.float32(1.0 / max(found.sense.heights.values()))
    assert look(child[:150:3], layout, 10.0).codes == set()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_what_is_wrong_is_found_in_every_layout(layout: Layout, meeting: Frames, in_layout: Fit, look: Look) -> None:
    people = in_layout(meeting[:60:3], layout)
    turned, small, large = (
        look(z_up(people), layout, 10.0),
        look(people * 0.4, layout, 10.0),
        look(people * 3, layout, 10.0),
    )
    assert turned.last[Oddity.NOBODY_UPRIGHT].detail == {"axis": "+z"}
    assert small.codes == {Oddity.ODD_SIZE}
    assert "inches taken for centimetres" in odd_text(small.last[Oddity.ODD_SIZE])
    assert large.first[Oddity.ABSURD_SIZE] < BEFORE_A_WINDOW_S
    down = look(people * np.array([1, -1, -1], np.float32), layout, 10.0)
    assert down.first[Oddity.UPSIDE_DOWN] < BEFORE_A_WINDOW_S
    assert "y-down sent as y-up?" in odd_text(down.last[Oddity.UPSIDE_DOWN])
    hips = (people[:, :, [layout.index["left_hip"]]] + people[:, :, [layout.index["right_hip"]]]) / 2
    relative = look(people - hips, layout, 10.0)
    assert relative.codes == {Oddity.ONE_PLACE}
    assert relative.first[Oddity.ONE_PLACE] < BEFORE_A_WINDOW_S


@pytest.mark.parametrize(("axis", "turn"), TURNS.items(), ids=list(TURNS))
@pytest.mark.parametrize("layout", [KINECT25, UPPER11], ids=["with legs", "without"])
def test_who_walks_while_all_lie_is_turned(
    layout: Layout, axis: str, turn: Turn, meeting: Frames, in_layout, look
) -> None:
    found = look(turn(in_layout(meeting[::3], layout)), layout, 10.0)
    assert found.first[Oddity.NOBODY_UPRIGHT] < 0.5
    assert found.last[Oddity.TURNED].detail["axis"] == axis
    assert ("z-up sent as y-up? Declare it" in odd_text(found.last[Oddity.TURNED])) == (axis == "+z")


@pytest.mark.parametrize("fps", [10.0, 15.0, 60.0, 120.0])
def test_a_verdict_takes_a_second_at_any_rate(fps: float, meeting: Frames, look: Look) -> None:
    people = at_rate(meeting[:91], fps)
    rng = np.random.default_rng(0)
    twice = np.stack([people[:, 0], people[:, 0] + rng.normal(0, 0.015, people[:, 0].shape)], axis=1)
    assert look(people, fps=fps).codes == set()
    for frames, code in (
        (people * np.array([1, -1, -1], np.float32), Oddity.UPSIDE_DOWN),
        (np.roll(people, 4, axis=2), Oddity.JOINTS_MISNAMED),
        (people * 3, Oddity.ABSURD_SIZE),
        (twice.astype(np.float32), Oddity.ONE_BODY_TWICE),
        (np.repeat(people[:1], len(people), axis=0), Oddity.FROZEN),
    ):
        assert look(frames, fps=fps).first[code] <= 1.0


def _rolled(a: Frames) -> Frames:
    return np.roll(a, 1, axis=2)


def _reversed(a: Frames) -> Frames:
    return a[:, :, ::-1]


def _column_major(a: Frames) -> Frames:
    return a.swapaxes(2, 3).reshape(a.shape)


def _permuted(a: Frames) -> Frames:
    return a[:, :, np.random.default_rng(5).permutation(a.shape[2])]


@pytest.mark.parametrize("mix", [_rolled, _reversed, _column_major, _permuted])
@pytest.mark.parametrize(
    "layout", [KINECT25, COCO17, OPENPOSE25, MEDIAPIPE33, SMPL22, ZED34], ids=lambda layout: layout.name
)
def test_joints_in_another_order_make_no_body(
    mix: Turn, layout: Layout, meeting: Frames, in_layout: Fit, look: Look
) -> None:
    found = look(mix(in_layout(meeting[:45:3], layout)), layout, 10.0)
    assert found.first[Oddity.JOINTS_MISNAMED] < BEFORE_A_WINDOW_S
    assert f"are the joints, in this order, those of {layout.name}?" in odd_text(found.last[Oddity.JOINTS_MISNAMED])
    assert found.sense.blinding([0, 1]) is not None


def test_joints_of_another_layout_make_no_body(meeting: Frames, in_layout: Fit, look: Look) -> None:
    people = meeting[:45:3]
    hips = (people[:, :, KINECT25.index["left_hip"]] + people[:, :, KINECT25.index["right_hip"]]) / 2
    h36m = np.stack([hips, *(people[:, :, KINECT25.index[n]] for n in H36M)], axis=2)
    assert Oddity.JOINTS_MISNAMED in look(h36m, COCO17, 10.0).codes
    assert Oddity.JOINTS_MISNAMED in look(people, OPENPOSE25, 10.0).codes
    assert Oddity.JOINTS_MISNAMED in look(in_layout(people, OPENPOSE25), KINECT25, 10.0).codes


@pytest.mark.parametrize("offset", [0.0, 0.03, 0.08, 0.12])
@pytest.mark.parametrize("jitter", [0.0, 0.01, 0.03])
def test_one_person_as_two_skeletons_is_one_body(offset: float, jitter: float, meeting: Frames, look: Look) -> None:
    one = meeting[:60:3, 0]
    two = one + np.array([offset, 0, 0], np.float32) + np.random.default_rng(1).normal(0, jitter, one.shape)
    found = look(np.stack([one, two], axis=1).astype(np.float32), fps=10.0)
    assert found.codes == {Oddity.ONE_BODY_TWICE}
    assert "p0 and p1 are one body" in odd_text(found.last[Oddity.ONE_BODY_TWICE])


@pytest.mark.parametrize("every", [1, 2, 5, 10])
def test_sightings_that_are_never_in_one_frame_are_one_body(every: int, meeting: Frames, look: Look) -> None:
    found = look(meeting[:90, :1], keys=lambda k: [k // every % 2])
    assert found.first[Oddity.ONE_BODY_TWICE] < BEFORE_A_WINDOW_S


def test_others_stay_a_pair_beside_somebody_sent_twice(meeting: Frames, look: Look) -> None:
    three = np.concatenate([meeting[:60], meeting[:60, :1] + np.float32(0.02)], axis=1)
    sense = look(three).sense
    assert sense.of_pair((0, 2)).at(START) is not None
    assert sense.of_pair((0, 1)) == BodyVerdict()
    assert sense.blinding([0, 1, 2]) is None


def test_one_of_two_is_wrong(meeting: Frames, look: Look) -> None:
    people = meeting[:60]
    for change, code in (
        (people[:, 1] * 0.3, Oddity.ABSURD_SIZE),
        (people[:, 1] * np.array([1, -1, -1], np.float32), Oddity.UPSIDE_DOWN),
        (np.roll(people[:, 1], 3, axis=1), Oddity.JOINTS_MISNAMED),
        (np.repeat(people[:1, 1], 60, axis=0), Oddity.FROZEN),
    ):
        found = look(np.stack([people[:, 0], change], axis=1).astype(np.float32))
        assert {c for c in found.codes if c not in (Oddity.ODD_LIMBS, Oddity.ODD_SIZE)} == {code}
        assert "p1" in odd_text(found.last[code])
        verdict = found.sense.of_pair((0, 1)).at(0)
        assert verdict is not None
        assert verdict.code is code
        assert found.sense.of_person(0) is None
        assert found.sense.blinding([0, 1]) is None


@pytest.mark.parametrize("frames", [2, 3, 30], ids=lambda n: f"{n} frames")
def test_poses_that_come_round_again_are_not_frozen(frames: int, meeting: Frames, look: Look) -> None:
    assert look(meeting[np.arange(120) % frames]).codes == set()


def test_a_source_of_few_poses_that_sends_each_several_times_is_not_frozen(meeting: Frames, look: Look) -> None:
    assert look(np.repeat(meeting[:90:6], 6, axis=0)).codes == set()


def test_a_window_that_reaches_into_a_freeze_is_not_scored(meeting: Frames, look: Look) -> None:
    frames = np.concatenate([meeting[:30], np.repeat(meeting[29:30], 45, axis=0), meeting[30:60]])
    sense: BodySense = look(frames).sense
    thawed = START + 2_470_000_000
    before = sense.of_pair((0, 1)).at(thawed - 1_000_000_000)
    assert before is not None
    assert before.code is Oddity.FROZEN
    assert sense.of_pair((0, 1)).at(thawed) is None
    assert sense.findings([0, 1]) == ()


def test_what_is_ignored_is_not_found(meeting: Frames) -> None:
    sense = BodySense(["odd_size", "frozen"])
    for k in range(45):
        sense.push(k * 33_333_333, [0, 1], [0, 1], meeting[0] * np.float32(0.4), KINECT25)
    assert sense.findings([0, 1]) == ()
    assert sense.of_pair((0, 1)) == BodyVerdict()
    blindfold = BodySense(list(Oddity))
    blindfold.push(0, [0, 1], [0, 1], meeting[0], KINECT25)
    assert (blindfold.upright, blindfold.verdicts([(0, 1)])) == ({}, {})
    assert blindfold.findings([0, 1]) == ()


def test_once_nobody_is_left_it_is_to_be_seen_anew_where_up_is(meeting: Frames, look: Look) -> None:
    sense: BodySense = look(meeting[:30]).sense
    sense.lost([0, 1])
    for k in range(30):
        sense.push(START + 100_000_000_000 + k * 33_333_333, [2, 3], [2, 3], z_up(meeting[k]), KINECT25)
    assert [odd.code for odd in sense.findings([2, 3])] == [Oddity.NOBODY_UPRIGHT]


def test_a_layout_is_known_again_by_its_joints(meeting: Frames) -> None:
    """Every file, and every message with joint names, may bring a layout of its own."""
    sense = BodySense()
    for k in range(30):
        layout = Layout("custom", KINECT25.joints)
        sense.push(k * 33_333_333, [0, 1], [0, 1], meeting[k] * np.float32(0.4), layout)
    assert [odd.code for odd in sense.findings([0, 1])] == [Oddity.ODD_SIZE]
    other = Layout("custom", KINECT25.joints[::-1])
    sense.push(NS, [0, 1], [0, 1], meeting[30, :, ::-1], other)
    assert sense.findings([0, 1]) == ()


def test_a_layout_that_is_none_of_a_body_is_not_judged(look: Look) -> None:
    rng = np.random.default_rng(0)
    hand = Layout.custom([f"finger_{k}" for k in range(21)], "hand")
    assert look(rng.normal(0, 0.1, (60, 2, 21, 3)).astype(np.float32), hand).codes == set()
    many = Layout.custom([f"marker_{k}" for k in range(300)], "many")
    assert look(rng.normal(0, 0.1, (20, 2, 300, 3)).astype(np.float32), many).codes == set()
