"""Places that no body has: no depth, an origin of the person's own, a joint left behind, one body inside the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.sense.sense_words import odd_text
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import COCO17, KINECT25, UPPER11

Frames = NDArray[np.float32]
Look = Callable[..., Any]  # see conftest
Fit = Callable[[Frames, Layout], Frames]
BEFORE_A_WINDOW_S = 2.0
LEVEL = np.array([1, 0, 1], np.float32)


def hips(a: Frames) -> Frames:
    return np.float32(0.5) * (a[..., [KINECT25.index["left_hip"]], :] + a[..., [KINECT25.index["right_hip"]], :])


@pytest.mark.parametrize("layout", [KINECT25, COCO17, UPPER11], ids=lambda layout: layout.name)
@pytest.mark.parametrize(("axis", "value"), [(2, 0.0), (2, 1.5), (0, -0.5)])
def test_no_depth_blinds(axis: int, value: float, layout: Layout, meeting: Frames, in_layout: Fit, look: Look) -> None:
    people = in_layout(meeting[:90:3], layout)
    people[..., axis] = value
    found = look(people, layout, 10.0)
    assert found.first[Oddity.FLAT] < BEFORE_A_WINDOW_S
    assert f"have the same {'xyz'[axis]}: positions in an image" in odd_text(found.last[Oddity.FLAT])
    verdict = found.sense.of_pair((0, 1)).at(0)
    assert verdict is not None
    assert verdict.code is Oddity.FLAT
    assert found.sense.blinding([0, 1]) is not None


@pytest.mark.parametrize("layout", [KINECT25, COCO17, UPPER11], ids=lambda layout: layout.name)
@pytest.mark.parametrize("scales", [(1, 0.5, 1), (0.5, 1, 0.5), (2.2, 1, 2.2)], ids=str)
def test_axes_of_different_scales_make_odd_widths(
    scales: tuple[float, float, float], layout: Layout, meeting: Frames, in_layout: Fit, look: Look
) -> None:
    found = look(in_layout(meeting[:60:3], layout) * np.array(scales, np.float32), layout, 10.0)
    assert found.first[Oddity.ODD_WIDTH] < 0.5
    assert found.last[Oddity.ODD_WIDTH].detail["times"] == pytest.approx(scales[0] / scales[1], rel=0.2)
    assert Oddity.ODD_WIDTH in [odd.code for odd in found.sense.of_pair((0, 1)).doubts]


def test_who_stands_like_a_board_is_not_flat(meeting: Frames, look: Look) -> None:
    people = meeting[:30].repeat(3, axis=0)[::3]
    middle = people.mean(axis=2, keepdims=True)
    thin = middle + (people - middle) * np.array([1, 1, 0.45], np.float32)
    assert Oddity.FLAT not in look(thin, KINECT25, 10.0).codes


@pytest.mark.parametrize("keep", [[0, 0, 0], [0, 1, 0]], ids=["all", "but the height"])
@pytest.mark.parametrize("person", [0, 1])
@pytest.mark.parametrize("at", [0.0, 0.75])
def test_one_whose_origin_is_between_the_hips_is_nailed(
    at: float, person: int, keep: list[int], meeting: Frames, look: Look
) -> None:
    people = meeting[:120].copy()
    people[:, person] += np.float32(at) * LEVEL - hips(people[:, person]) * (1 - np.array(keep, np.float32))
    found = look(people)
    assert found.first[Oddity.NAILED] < BEFORE_A_WINDOW_S
    assert found.last[Oddity.NAILED].detail == {"person": f"p{person}", "part": "hips"}


@pytest.mark.parametrize("joint", ["left_wrist", "head", "right_elbow", "left_knee"])
def test_a_joint_left_behind_is_nailed(joint: str, meeting: Frames, look: Look) -> None:
    people = meeting[:90].copy()
    people[30:, 0, KINECT25.index[joint]] = people[30, 0, KINECT25.index[joint]]
    people[:, 0] += np.linspace(0, 1.2, 90, dtype=np.float32)[:, None, None] * LEVEL
    people[30:, 0, KINECT25.index[joint]] = people[30, 0, KINECT25.index[joint]]
    found = look(people)
    assert found.first[Oddity.NAILED] < 2.5
    assert found.last[Oddity.NAILED].detail == {"person": "p0", "part": joint}


def test_feet_on_the_floor_and_hips_on_a_chair_are_not_nailed(meeting: Frames, look: Look) -> None:
    people = meeting[:90].copy()
    feet = [KINECT25.index[f"{side}_{part}"] for side in ("left", "right") for part in ("ankle", "foot")]
    people[:, :, feet] = people[0][None, :, feet]
    assert look(people[:30]).codes == set()
    rng = np.random.default_rng(0)
    seated = meeting[:1].repeat(90, axis=0) + rng.normal(0, 0.001, (90, *meeting.shape[1:]))
    arms = [KINECT25.index[f"left_{part}"] for part in ("wrist", "hand", "handtip", "thumb")]
    seated[:, :, arms] += 0.1 * np.sin(np.arange(90) / 5)[:, None, None, None]
    assert look(seated.astype(np.float32)).codes == set()


@pytest.mark.parametrize("apart_m", [0.0, 0.03, 0.06])
@pytest.mark.parametrize("taller", [1.0, 1.12])
def test_two_who_stand_inside_each_other_are_in_one_place(
    taller: float, apart_m: float, meeting: Frames, look: Look
) -> None:
    people = meeting[:60].copy()
    people[:, 1] *= np.float32(taller)
    people -= hips(people) * LEVEL
    people[:, 1] += np.array([apart_m, 0, 0], np.float32)
    found = look(people)
    assert found.codes & {Oddity.ONE_PLACE, Oddity.ONE_BODY_TWICE}
    assert min(found.first.values()) <= 1.0
    assert found.sense.of_pair((0, 1)).at(0) is not None


def test_a_child_on_the_shoulders_is_another_body(meeting: Frames, look: Look) -> None:
    people = meeting[:60].copy()
    people -= hips(people) * LEVEL
    people[:, 1] = people[:, 1] * np.float32(0.6) + np.array([0, 1.0, 0.03], np.float32)
    people += np.linspace(0, 1, 60, dtype=np.float32)[:, None, None, None] * LEVEL
    assert look(people).codes == set()
