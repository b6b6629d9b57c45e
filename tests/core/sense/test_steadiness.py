"""Noise that no body has, and limbs that change their length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import COCO17, KINECT25, UPPER11
from dyadwatch.stream.publishers.simulator.scenario import Act, make_scenario

Frames = NDArray[np.float32]
Look = Callable[..., Any]  # see conftest
Fit = Callable[[Frames, Layout], Frames]
RATES = [15.0, 30.0, 60.0]


@pytest.fixture(scope="module")
def struggle() -> Callable[[float], Frames]:
    """Two simulated people who fight, 6 s, at a rate; shape (T, 2, 25, 3)."""
    acts = [Act("punch", (1, 2), 0.5)]
    made = {fps: make_scenario(7, 2, 20.0, script=acts).joints(fps)[: round(6 * fps)] for fps in (10.0, *RATES)}
    return lambda fps: made[fps]


def noisy(a: Frames, noise_m: float, seed: int = 0) -> Frames:
    return (a + np.random.default_rng(seed).normal(0, noise_m, a.shape)).astype(np.float32)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("noise_m", [0.027, 0.05])
def test_noise_is_found_and_measured(
    noise_m: float, fps: float, struggle: Callable[[float], Frames], look: Look
) -> None:
    found = look(noisy(struggle(fps), noise_m), fps=fps)
    assert found.first[Oddity.JITTER] <= 1.1
    assert found.last[Oddity.JITTER].detail["noise_m"] == pytest.approx(noise_m, rel=0.25)
    assert Oddity.JITTER in [odd.code for odd in found.sense.of_pair((0, 1)).doubts]


@pytest.mark.parametrize("layout", [COCO17, UPPER11], ids=lambda layout: layout.name)
def test_noise_of_one_person_is_that_persons(layout: Layout, meeting: Frames, in_layout: Fit, look: Look) -> None:
    people = in_layout(meeting[:90], layout)
    people[:, 1] = noisy(people[:, 1], 0.03)
    found = look(people, layout)
    assert found.codes == {Oddity.JITTER}
    assert found.last[Oddity.JITTER].detail["person"] == "p1"


@pytest.mark.parametrize("fps", [10.0, *RATES])
@pytest.mark.parametrize("noise_m", [0.0, 0.012])
def test_who_moves_fast_is_no_noise(
    noise_m: float, fps: float, struggle: Callable[[float], Frames], look: Look
) -> None:
    assert look(noisy(struggle(fps), noise_m), fps=fps).codes == set()


@pytest.mark.parametrize("times", [2, 3, 6])
def test_poses_that_are_sent_several_times_are_no_noise(times: int, meeting: Frames, look: Look) -> None:
    assert look(np.repeat(meeting[:180:times], times, axis=0)).codes == set()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("lasting", [5.0, 12.0], ids=lambda frames: f"{frames:g} frames")
def test_joints_that_wander_change_the_length_of_limbs(lasting: float, seed: int, meeting: Frames, look: Look) -> None:
    rng, keep = np.random.default_rng(seed), np.exp(-1 / lasting)
    off = np.zeros((120, *meeting.shape[1:]))
    for k in range(1, len(off)):
        off[k] = keep * off[k - 1] + np.sqrt(1 - keep**2) * rng.normal(0, 0.07, off.shape[1:])
    found = look((meeting[:120] + off).astype(np.float32))
    assert found.codes & {Oddity.LIMBS_VARY, Oddity.ODD_LIMBS, Oddity.JOINTS_MISNAMED}
    assert found.sense.of_pair((0, 1)).doubts or found.sense.of_pair((0, 1)).blinding


def test_limbs_that_stretch_with_where_they_point_vary(meeting: Frames, look: Look) -> None:
    """As of a depth that is guessed: of who turns round before the camera."""
    turns = np.linspace(0, 4 * np.pi, 150)
    c, s, o = np.cos(turns), np.sin(turns), np.zeros_like(turns)
    spin = np.stack([c, o, s, o, o + 1, o, -s, o, c], axis=1).reshape(-1, 3, 3)
    body = meeting[:150] - meeting[:150].mean(axis=2, keepdims=True) * [1, 0, 1]
    turning = np.einsum("tij,tpkj->tpki", spin, body) + np.array([[[0, 0, 0]], [[1.5, 0, 0]]])
    assert look(turning.astype(np.float32)).codes == set()
    found = look((turning * [1, 1, 4]).astype(np.float32))
    assert found.codes & {Oddity.LIMBS_VARY, Oddity.ODD_LIMBS, Oddity.JOINTS_MISNAMED}


@pytest.mark.parametrize("off_m", [0.9, 2.0])
def test_a_joint_that_is_elsewhere_for_a_moment_is_doubtful_for_as_long_as_a_window_holds_it(
    off_m: float, meeting: Frames, look: Look
) -> None:
    people = meeting[:180].copy()
    people[60:66, 0, KINECT25.index["left_knee"]] += np.float32(off_m)
    found = look(people)
    assert 2.0 <= found.first[Oddity.ODD_LIMBS] <= 2.2
    assert found.last[Oddity.ODD_LIMBS].detail["person"] == "p0"
    assert Oddity.ODD_LIMBS in [odd.code for odd in look(people[:150]).sense.of_pair((0, 1)).doubts]
    assert found.sense.of_pair((0, 1)).doubts == ()
