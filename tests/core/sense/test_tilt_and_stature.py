"""What only all people together show: a tilted camera, and a scale that makes children of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.sense.bodies import BodySense
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.sense.sense_words import odd_text
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import COCO17, KINECT25, UPPER11
from dyadwatch.core.units import NS

Frames = NDArray[np.float32]
Look = Callable[..., Any]  # see conftest
Fit = Callable[[Frames, Layout], Frames]


def about(axis: str, degrees: float) -> NDArray[np.float64]:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array({"x": [[1, 0, 0], [0, c, -s], [0, s, c]], "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
                     "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]]}[axis])  # fmt: skip


def turned(a: Frames, *by: NDArray[np.float64]) -> Frames:
    for one in by:
        a = a @ one.T.astype(np.float32)
    return a.astype(np.float32)


@pytest.mark.parametrize("layout", [KINECT25, COCO17, UPPER11], ids=lambda layout: layout.name)
@pytest.mark.parametrize(("axis", "degrees", "towards"), [("x", 25, "+z"), ("x", -40, "-z"), ("z", 30, "-x")])
@pytest.mark.parametrize("yaw", [0, 45, 130])
def test_a_tilted_camera_is_found_whichever_way_they_face(
    yaw: float, axis: str, degrees: float, towards: str, layout: Layout, meeting: Frames, in_layout: Fit, look: Look
) -> None:
    people = turned(in_layout(meeting[:150:3], layout), about("y", yaw), about(axis, degrees))
    found = look(people, layout, 10.0)
    assert found.codes - {Oddity.NOBODY_UPRIGHT} == {Oddity.TILTED}
    assert found.first[Oddity.TILTED] < 4
    assert found.last[Oddity.TILTED].detail["axis"] == towards
    assert found.last[Oddity.TILTED].detail["degrees"] == pytest.approx(abs(degrees), abs=6)
    assert found.sense.of_pair((0, 1)).doubts


@pytest.mark.parametrize("degrees", [0, 8])
def test_a_camera_that_is_nearly_level_is_fine(degrees: float, meeting: Frames, look: Look) -> None:
    assert look(turned(meeting[::3], about("x", degrees)), KINECT25, 10.0).codes == set()


@pytest.mark.parametrize("facing", [0, 90, 180])
@pytest.mark.parametrize("bent", [25, 35])
def test_who_stoops_is_not_tilted(bent: float, facing: float, meeting: Frames, look: Look) -> None:
    """Two who bend forward, beside each other or face to face."""
    one = meeting[:1, 0] - meeting[0, 0].mean(axis=0) * [1, 0, 1]
    across = one[0, KINECT25.index["left_shoulder"]] - one[0, KINECT25.index["right_shoulder"]]
    level = one @ about("y", np.degrees(np.arctan2(across[2], across[0]))).T  # shoulders along x, facing +z
    stooped = level @ about("x", bent).T
    other = stooped @ about("y", facing).T + [1.0, 0, 0]
    people = np.stack([stooped[0], other[0]])[None] + np.random.default_rng(0).normal(0, 0.008, (80, 2, 25, 3))
    assert Oddity.TILTED not in look(people.astype(np.float32), KINECT25, 10.0).codes


def test_who_is_pushed_for_a_while_makes_no_tilted_camera(meeting: Frames, look: Look) -> None:
    upright = meeting[:60:3]
    pushed = turned(meeting[60:180:3], about("x", 30))
    assert Oddity.TILTED not in look(np.concatenate([upright, pushed]), KINECT25, 10.0).codes


@pytest.mark.parametrize("scale", [0.57, 0.62, 0.68])
@pytest.mark.parametrize("layout", [KINECT25, COCO17, UPPER11], ids=lambda layout: layout.name)
def test_all_people_as_small_as_children_for_long_is_doubtful(
    scale: float, layout: Layout, meeting: Frames, in_layout: Fit, look: Look
) -> None:
    found = look(in_layout(meeting[:360:3], layout) * np.float32(scale), layout, 10.0)
    assert found.codes == {Oddity.ALL_SMALL}
    assert 8 <= found.first[Oddity.ALL_SMALL] < 10
    assert "children, or a wrong scale?" in odd_text(found.last[Oddity.ALL_SMALL])
    assert [odd.code for odd in found.sense.of_pair((0, 1)).doubts] == [Oddity.ALL_SMALL]


@pytest.mark.parametrize("scale", [0.58, 0.68])
def test_children_with_a_grown_person_are_children(scale: float, meeting: Frames, look: Look) -> None:
    children = meeting[:480:4] * np.float32(scale)
    grown = meeting[:480:4, :1] + np.array([3, 0, 0], np.float32)
    three = np.concatenate([children, grown], axis=1)
    assert look(three, KINECT25, 7.5).codes == set()
    left = look([f if k < 30 else f[:2] for k, f in enumerate(three)], KINECT25, 7.5)
    assert left.codes == set(), "once somebody grown was seen, as long as anybody is there"


def test_one_small_person_alone_is_a_child(meeting: Frames, look: Look) -> None:
    assert look(meeting[:480:4, :1] * np.float32(0.6), KINECT25, 7.5).codes == set()


@pytest.mark.parametrize(("away_s", "until_s"), [(1, (8, 10)), (9, (23, 25.5))])
def test_children_are_all_small_for_long_only_while_there_are_several(
    away_s: float, until_s: tuple[float, float], meeting: Frames
) -> None:
    """One of them leaves after 6 s and comes back: meanwhile one alone is small. A moment without it is no pause."""
    sense, children, key = BodySense(), meeting[:600:3] * np.float32(0.6), 1
    first = 0.0
    for k in range(280):
        now, frame = k / 10, children[k % len(children)]
        if now == 6:
            sense.lost([key])
            key = 2
        keys = [0] if 6 <= now < 6 + away_s else [0, key]
        sense.push(k * NS // 10, keys, [f"p{i}" for i in keys], frame[: len(keys)], KINECT25)
        if not first and any(odd.code is Oddity.ALL_SMALL for odd in sense.findings(keys)):
            first = now
    assert until_s[0] <= first < until_s[1]
