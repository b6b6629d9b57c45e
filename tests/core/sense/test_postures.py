"""Nobody is refused for how they sit, kneel, lie, carry or hug; lying people may be doubted, never blinded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import read_clips
from dyadwatch.core.sense.bodies import BodyVerdict
from dyadwatch.core.sense.clip import odd_in_clip
from dyadwatch.core.sense.sense_codes import BLINDING, Oddity
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.stream.publishers.simulator.scenario import make_scenario

Frames = NDArray[np.float32]
Look = Callable[..., Any]  # see conftest
BODY = Layout.custom(
    ["head", "neck", "pelvis", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
     "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"]
)  # fmt: skip


def body(trunk: float, thigh: float, shank: float, arm: float = 0.0, height: float = 0.9) -> Frames:
    """A grown person, facing +z, hips at a height in metres, shape (15, 3). Trunk, thighs, shanks and arms are pitched
    forward by so many degrees from standing straight.
    """

    def way(degrees: float, down: float = -1.0) -> NDArray[np.float64]:
        a = np.radians(degrees)
        return np.array([0, down * np.cos(a), np.sin(a)])

    hips = np.array([0, height, 0])
    up, side = way(trunk, 1.0), np.array([1.0, 0, 0])
    neck = hips + 0.5 * up
    out = [neck + 0.2 * up, neck, hips]
    shoulders = [neck - 0.03 * up + s * 0.18 * side for s in (1, -1)]
    elbows = [p + 0.29 * way(arm) for p in shoulders]
    wrists = [p + 0.26 * way(1.3 * arm) for p in elbows]
    hip = [hips + s * 0.1 * side for s in (1, -1)]
    knees = [p + 0.42 * way(thigh) for p in hip]
    ankles = [p + 0.42 * way(shank) for p in knees]
    return np.array([*out, *shoulders, *elbows, *wrists, *hip, *knees, *ankles], np.float32)


POSTURES = {
    "standing": body(0, 0, 0),
    "on a chair": body(5, 90, 0, height=0.5),
    "on a chair, bent forward": body(40, 90, 0, 40, height=0.5),
    "on the floor": body(-10, 90, 90, height=0.1),
    "cross-legged": body(5, 80, -80, height=0.1),
    "on the knees": body(0, 0, -90, height=0.45),
    "squatting": body(30, 110, -50, 60, height=0.3),
    "carrying": body(-5, 0, 0, 70),
    "arms up": body(0, 0, 0, 170),
}
LYING = {
    "on the back": body(-90, 90, 90, height=0.5),
    "on the face": body(90, -90, -90, height=0.2),
    "curled up": body(80, 60, -80, 40, height=0.3),
    "half up": body(-55, 90, 90, height=0.5),
}


def moving(posture: Frames, seconds: float, seed: int, at: tuple[float, float] = (0, 0), yaw: float = 0.0) -> Frames:
    """Somebody who holds a posture for a while, with the noise of a sensor; shape (T, 15, 3), ten a second."""
    rng = np.random.default_rng(seed)
    c, s = np.cos(yaw), np.sin(yaw)
    turned = posture @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]) + np.array([at[0], 0, at[1]])
    return (turned + rng.normal(0, 0.01, (round(10 * seconds), *posture.shape))).astype(np.float32)


def pair(first: Frames, second: Frames) -> Frames:
    return np.stack([first, second], axis=1)


@pytest.mark.parametrize("posture", POSTURES.values(), ids=list(POSTURES))
@pytest.mark.parametrize("size", [1.0, 0.58], ids=["grown", "child"])
def test_who_sits_or_kneels_is_fine(posture: Frames, size: float, look: Look) -> None:
    both = pair(moving(posture * size, 4, 1), moving(posture * size, 4, 2, (0.9, 0.2), 2.0))
    found = look(both, BODY, 10.0)
    assert found.codes == set()
    assert found.sense.of_pair((0, 1)) == BodyVerdict()


@pytest.mark.parametrize("posture", LYING.values(), ids=list(LYING))
@pytest.mark.parametrize("yaw", [0.0, 1.0, 3.1])
def test_two_who_lie_for_long_are_doubted_never_blinded(posture: Frames, yaw: float, look: Look) -> None:
    found = look(pair(moving(posture, 90, 1), moving(posture, 90, 2, (1.0, 0), yaw)), BODY, 10.0)
    assert found.codes <= {Oddity.NOBODY_UPRIGHT}
    assert found.sense.of_pair((0, 1)).at(0) is None


def test_who_falls_out_of_bed_is_doubted_never_blinded(look: Look) -> None:
    """In a room of two beds side by side, in which nobody was ever seen upright."""
    lying = moving(LYING["on the back"], 30, 1)
    falls = moving(LYING["on the back"], 30, 2, (1.2, 0))
    falls[100:] += np.array([0.8, -0.45, 0], np.float32)
    found = look(pair(lying, falls), BODY, 10.0)
    assert found.codes == {Oddity.NOBODY_UPRIGHT}
    assert found.sense.of_pair((0, 1)).at(0) is None


def test_one_alone_who_rolls_about_is_doubted_never_blinded(look: Look) -> None:
    rolls = moving(LYING["on the back"], 10, 1) + np.linspace(0, 3, 100)[:, None, None] * np.array([1, 0, 0])
    found = look(rolls[:, None].astype(np.float32), BODY, 10.0)
    assert found.codes == {Oddity.NOBODY_UPRIGHT}


def test_one_who_lies_beside_one_who_stands_is_fine(look: Look) -> None:
    for posture in LYING.values():
        both = pair(moving(posture, 60, 1), moving(POSTURES["standing"], 60, 2, (0.8, 0)))
        assert look(both, BODY, 10.0).codes == set()


def test_one_who_lies_below_the_floor_is_doubted(look: Look) -> None:
    standing = moving(POSTURES["standing"], 3, 2, (0.8, 0))
    for height in (-0.6, 1.7):
        lying = moving(LYING["on the back"], 3, 1) + np.array([0, height - 0.5, 0], np.float32)
        found = look(pair(lying, standing), BODY, 10.0)
        assert found.codes == {Oddity.WALKS_LYING}
        assert found.sense.of_pair((0, 1)).at(0) is None


def test_once_somebody_stood_lying_is_no_doubt(look: Look) -> None:
    lying = moving(LYING["on the back"], 30, 1)
    gets_up = np.concatenate([lying[:100], moving(POSTURES["standing"], 1, 2, (1, 0)), lying[110:]])
    found = look(pair(lying, gets_up + np.array([1, 0, 0], np.float32)), BODY, 10.0)
    assert found.sense.findings([0, 1]) == ()


def test_who_falls_and_stays_down_is_fine(look: Look) -> None:
    stands, lies = POSTURES["standing"], LYING["on the face"]
    falls = np.concatenate([moving(stands, 3, 1), moving(lies, 30, 3)])
    found = look(pair(falls, moving(stands, 33, 2, (1.2, 0))), BODY, 10.0)
    assert found.codes == set()


def test_bending_down_to_the_floor_is_not_standing_on_the_head(look: Look) -> None:
    bent = body(150, 0, 0, 20)
    both = pair(moving(bent, 4, 1), moving(POSTURES["standing"], 4, 2, (1, 0)))
    assert look(both, BODY, 10.0).codes == set()


def test_a_child_on_the_arm_and_a_hug_are_two_bodies(look: Look) -> None:
    grown = moving(POSTURES["carrying"], 5, 1)
    child = moving(POSTURES["on a chair"] * np.float32(0.58), 5, 2, (0.02, 0.24)) + np.array([0, 0.6, 0], np.float32)
    assert not look(pair(grown, child), BODY, 10.0).codes & BLINDING
    hugging = pair(moving(POSTURES["arms up"], 5, 1), moving(POSTURES["arms up"], 5, 2, (0.05, 0.3), np.pi))
    assert look(hugging, BODY, 10.0).codes == set()


@pytest.mark.parametrize("seed", [11, 12])
def test_simulated_people_are_fine_whatever_they_do(seed: int, look: Look) -> None:
    """Talks, hugs, walks, pushes, punches, kicks, chases and falls, as the simulator stages them by chance."""
    people = make_scenario(seed, 4, 80.0, 5, noise_m=0.015).joints(10.0)
    assert look(people, KINECT25, 10.0).codes == set()


@pytest.mark.parametrize("data", ["sbu", "dynamic_handover"])
def test_no_real_clip_is_refused(data: str, shared_data: Path) -> None:
    """By noisy sensors that lose limbs: nothing that blinds, and next to no doubt."""
    clips = list(read_clips(shared_data / data))
    odd = [(c.clip_id, odd.code) for c in clips[:: 1 if data == "sbu" else 16] for odd in odd_in_clip(c)]
    assert odd == []
