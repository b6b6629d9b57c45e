"""Inverse kinematics and bodies: bones keep their length whatever is asked of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.stream.publishers.simulator.body import Body, rotation, turned
from dyadwatch.stream.publishers.simulator.figure import SimulatedPerson
from dyadwatch.stream.publishers.simulator.gait import feet
from dyadwatch.stream.publishers.simulator.ik import soft_reach, two_bone
from dyadwatch.stream.publishers.simulator.motion import RATE, drift, ease, envelope, stay, through, walk

place = st.lists(st.floats(-3, 3), min_size=3, max_size=3).map(np.asarray)


@given(root=place, target=place, pole=place, upper=st.floats(0.2, 0.5), lower=st.floats(0.2, 0.5))
def test_limbs_keep_their_bones_and_point_at_the_target(root, target, pole, upper, lower):
    middle, end = two_bone(root[None], target[None], upper, lower, pole[None])
    line = target - root
    across = np.linalg.norm(np.cross(line, pole))
    if np.linalg.norm(line) < 1e-3 or across < 1e-3:
        return  # no plane to bend in
    assert np.linalg.norm(middle - root) == pytest.approx(upper, abs=1e-6)
    assert np.linalg.norm(end - middle) == pytest.approx(lower, abs=1e-6)
    assert np.linalg.norm(np.cross(end[0] - root, line)) < 1e-6
    reach = np.linalg.norm(line)
    if abs(upper - lower) + 0.02 <= reach <= 0.93 * (upper + lower):
        assert end[0] == pytest.approx(target, abs=1e-6)


def test_reach_bends_smoothly_below_its_limit() -> None:
    d = np.linspace(0, 2, 2001)
    reach = soft_reach(d, 0.7, 0.05)
    assert reach.max() < 0.7
    assert np.all(np.diff(reach) >= 0)
    assert np.abs(np.diff(reach, 2)).max() < 1e-4


def test_axes_follow_the_body() -> None:
    zero = np.zeros(1)
    quarter = np.asarray([np.pi / 2])
    assert turned(rotation(zero, zero, zero), (0, 0, 1))[0] == pytest.approx([0, 0, 1])
    assert turned(rotation(quarter, zero, zero), (0, 0, 1))[0] == pytest.approx([1, 0, 0])
    assert turned(rotation(zero, quarter, zero), (0, 1, 0))[0] == pytest.approx([0, 0, 1]), "pitch leans forward"
    assert turned(rotation(zero, zero, quarter), (0, 1, 0))[0] == pytest.approx([-1, 0, 0]), "roll leans right"


def test_bodies_differ_and_are_of_human_size() -> None:
    bodies = [Body.sample(np.random.default_rng(k)) for k in range(50)]
    heights = [b.height for b in bodies]
    assert 1.5 <= min(heights) < 1.65 < 1.78 < max(heights) <= 1.98
    assert len({b.upper_arm / b.height for b in bodies}) == 50


def test_somebody_stands_upright_with_left_on_the_left() -> None:
    figure = SimulatedPerson(np.random.default_rng(3), 120, np.asarray([1.0, 2.0, 0.0]))
    figure.settle()
    joints = figure.joints(np.asarray([0.5]))[0]
    at = dict(zip(KINECT25.joints, joints, strict=True))
    assert at["left_shoulder"][0] > at["right_shoulder"][0], "facing +Z, the left is at +X"
    assert at["head"][1] > at["neck"][1] > at["pelvis"][1] > at["left_knee"][1] > at["left_ankle"][1] > 0
    assert at["left_foot"][2] > at["left_ankle"][2], "toes point forward"
    assert at["head"][1] == pytest.approx(0.93 * figure.body.height, abs=0.06)
    assert np.abs(joints[:, [0, 2]] - [1.0, 2.0]).max() < 0.5


def test_building_blocks_start_and_end_where_they_say() -> None:
    assert ease(np.asarray([-1.0, 0.0, 0.5, 1.0, 2.0])) == pytest.approx([0, 0, 0.5, 1, 1])
    e = envelope(90, 0.5, 0.5)
    assert (e[0], e[-1], e[45]) == pytest.approx((0, 0, 1))
    track = through(61, (0.0, 0.5, 1.0), [[0.0], [2.0], [1.0]])
    assert track[[0, 30, 60], 0] == pytest.approx([0, 2, 1])
    wandering = drift(np.random.default_rng(0), 60_000, 0.3, 0.5)
    assert wandering.std() == pytest.approx(0.3, rel=0.1)


@settings(max_examples=60)
@given(goal=place, start=place, speed=st.floats(0.6, 1.8), bow=st.floats(-0.2, 0.2))
def test_a_walk_goes_where_it_should_without_jerks(start, goal, speed, bow):
    poses = walk(start, goal, speed, bow)
    assert poses[0] == pytest.approx(start, abs=1e-6)
    assert poses[-1, :2] == pytest.approx(goal[:2], abs=1e-4)
    assert np.cos(poses[-1, 2] - goal[2]) == pytest.approx(1, abs=1e-6)
    steps = np.diff(poses, axis=0) * RATE
    assert np.hypot(steps[:, 0], steps[:, 1]).max() < max(speed, 1.5) * 1.05
    assert np.abs(steps[:, 2]).max() < 9.0


def test_feet_do_not_slide_while_they_carry() -> None:
    body = Body.sample(np.random.default_rng(1))
    way = walk(np.zeros(3), np.asarray([0.0, 6.0, 0.0]), 1.2)
    way = np.concatenate([way, stay(way[-1], RATE)])
    gait = feet(way, np.ones(len(way)), body, 0.1)
    speed = np.linalg.norm(np.diff(gait.ankle, axis=0), axis=-1) * RATE
    down = gait.ankle[..., 1] < body.ankle + 1e-9
    on_floor = down[1:] & down[:-1]
    assert np.all(on_floor.any(axis=1)), "somebody who walks always has a foot on the floor"
    assert speed[on_floor].max() < 1e-6
    steps = (np.diff(down.astype(int), axis=0) == 1).sum()
    assert 8 <= steps <= 14, "six metres take a dozen steps"
    for side, x in ((0, 0.1), (1, -0.1)):
        assert gait.ankle[-1, side] == pytest.approx([x, body.ankle, 6.0], abs=1e-3), "at rest side by side"
