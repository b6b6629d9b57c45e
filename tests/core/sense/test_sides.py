"""Left and right that are exchanged: from frame to frame, in one half of the body, or for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.sense.bodies import BodyVerdict
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.sense.sense_words import odd_text
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import COCO17, KINECT25, MEDIAPIPE33, OPENPOSE25, SBU15, SMPL22, UPPER11, ZED34

Frames = NDArray[np.float32]
Look = Callable[..., Any]  # see conftest
Fit = Callable[[Frames, Layout], Frames]
ARMS, LEGS = ("shoulder", "elbow", "wrist", "hand"), ("hip", "knee", "ankle", "foot")
NAMED = [KINECT25, COCO17, UPPER11, SBU15]
FACED = [KINECT25, COCO17, MEDIAPIPE33, OPENPOSE25, SMPL22, ZED34]


def exchanged(a: Frames, layout: Layout, parts: tuple[str, ...] = ()) -> Frames:
    """Left and right exchanged, of some parts or of all."""
    other = list(range(len(layout)))
    for i, name in enumerate(layout.joints):
        side, _, part = name.partition("_")
        if side in ("left", "right") and (not parts or any(part.startswith(p) for p in parts)):
            other[i] = layout.index[f"{'right' if side == 'left' else 'left'}_{part}"]
    return a[..., other, :]


def of_first(a: Frames, changed: Frames, when: NDArray[np.bool_]) -> Frames:
    """Frames in which the first person is changed at times."""
    out = a.copy()
    out[when, 0] = changed[when, 0]
    return out


@pytest.mark.parametrize("layout", NAMED, ids=lambda layout: layout.name)
@pytest.mark.parametrize(("share", "fps"), [(0.03, 30.0), (0.2, 30.0), (0.5, 30.0), (0.2, 15.0), (0.3, 10.0)])
def test_sides_exchanged_at_random_are_counted(
    share: float, fps: float, layout: Layout, meeting: Frames, in_layout: Fit, look: Look
) -> None:
    people = in_layout(meeting[:240], layout)[:: round(30 / fps)]
    when = np.random.default_rng(3).random(len(people)) < share
    found = look(of_first(people, exchanged(people, layout), when), layout, fps)
    assert found.codes == {Oddity.SIDES_FLIP}
    assert found.last[Oddity.SIDES_FLIP].detail == {"person": "p0", "times": int((np.diff(when) != 0).sum())}


@pytest.mark.parametrize("parts", [ARMS, LEGS], ids=["arms", "legs"])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_sides_of_a_half_of_the_body_exchanged_at_random(
    share: float, parts: tuple[str, ...], meeting: Frames, look: Look
) -> None:
    people = meeting[:120]
    when = np.random.default_rng(1).random(len(people)) < share
    found = look(of_first(people, exchanged(people, KINECT25, parts), when))
    assert found.codes == {Oddity.SIDES_FLIP}
    assert found.sense.of_pair((0, 1)).doubts[0].detail["person"] == "p0"


@pytest.mark.parametrize("fps", [15.0, 30.0])
def test_one_exchange_is_doubtful_for_as_long_as_a_window_holds_it(fps: float, meeting: Frames, look: Look) -> None:
    people = meeting[:240][:: round(30 / fps)]
    at = len(people) // 4  # after two seconds
    found = look(of_first(people, exchanged(people, KINECT25), np.arange(len(people)) >= at), fps=fps)
    assert found.first[Oddity.SIDES_FLIP] == pytest.approx(2.0)
    until = round(at + 2.8 * fps)
    sense = look(of_first(people, exchanged(people, KINECT25), np.arange(len(people)) >= at)[:until], fps=fps).sense
    assert [odd.code for odd in sense.of_pair((0, 1)).doubts] == [Oddity.SIDES_FLIP]
    assert found.sense.of_pair((0, 1)).doubts == ()


@pytest.mark.parametrize("fps", [8.0, 10.0, 15.0, 30.0, 60.0])
def test_who_spins_round_keeps_left_and_right(fps: float, meeting: Frames, look: Look) -> None:
    turns = 1.5 * 2 * np.pi * np.arange(round(4 * fps)) / fps
    c, s, o = np.cos(turns), np.sin(turns), np.zeros_like(turns)
    spin = np.stack([c, o, s, o, o + 1, o, -s, o, c], axis=1).reshape(-1, 3, 3)
    spinning = np.einsum("tij,pkj->tpki", spin, meeting[0] - meeting[0].mean(axis=1, keepdims=True) * [1, 0, 1])
    apart = np.array([[[0, 0, 0]], [[1.2, 0, 0]]])
    assert look((spinning + apart).astype(np.float32), fps=fps).codes == set()


@pytest.mark.parametrize("parts", [ARMS, LEGS], ids=["arms", "legs"])
@pytest.mark.parametrize("layout", [KINECT25, COCO17, SBU15], ids=lambda layout: layout.name)
def test_arms_or_legs_exchanged_for_good(
    layout: Layout, parts: tuple[str, ...], meeting: Frames, in_layout: Fit, look: Look
) -> None:
    people = in_layout(meeting[:60:3], layout)
    found = look(exchanged(people, layout, parts), layout, 10.0)
    assert Oddity.SIDES_CROSSED in found.codes
    assert found.first[Oddity.SIDES_CROSSED] < 0.5
    assert Oddity.SIDES_CROSSED in [odd.code for odd in found.sense.of_pair((0, 1)).doubts]


MIRRORS: dict[str, Callable[[Frames, Layout], Frames]] = {
    "sides": exchanged,
    "z away": lambda a, _: a * np.array([1, 1, -1], np.float32),
    "x leftward": lambda a, _: a * np.array([-1, 1, 1], np.float32),
    "x and z exchanged": lambda a, _: a[..., [2, 1, 0]],
}


@pytest.mark.parametrize("mirror", MIRRORS.values(), ids=list(MIRRORS))
@pytest.mark.parametrize("layout", FACED, ids=lambda layout: layout.name)
def test_a_mirrored_source_is_said_and_scored_as_ever(
    mirror: Callable[[Frames, Layout], Frames], layout: Layout, meeting: Frames, in_layout: Fit, look: Look
) -> None:
    found = look(mirror(in_layout(meeting[:120:3], layout), layout), layout, 10.0)
    assert found.codes == {Oddity.MIRRORED}
    assert "are left and right exchanged, or the axes left-handed?" in odd_text(found.last[Oddity.MIRRORED])
    assert found.sense.of_pair((0, 1)) == BodyVerdict()


def test_one_mirrored_person_is_named(meeting: Frames, look: Look) -> None:
    people = meeting[:120:3]
    found = look(of_first(people, exchanged(people, KINECT25), np.ones(len(people), bool)), KINECT25, 10.0)
    assert found.last[Oddity.MIRRORED].detail == {"person": "p0", "part": "toes"}


def test_toes_of_who_kneels_point_backward(meeting: Frames, look: Look) -> None:
    kneeling = meeting[:1].copy()
    for side in ("left", "right"):
        knee, ankle, foot = (KINECT25.index[f"{side}_{part}"] for part in ("knee", "ankle", "foot"))
        shoulders = meeting[0, :, KINECT25.index["left_shoulder"]] - meeting[0, :, KINECT25.index["right_shoulder"]]
        back = -np.cross(shoulders, [0, 1, 0])
        back /= np.linalg.norm(back, axis=-1, keepdims=True)
        kneeling[0, :, ankle] = kneeling[0, :, knee] + 0.4 * back
        kneeling[0, :, foot] = kneeling[0, :, knee] + 0.52 * back
    noise = np.random.default_rng(0).normal(0, 0.008, (60, *kneeling.shape[1:]))
    assert look((kneeling + noise).astype(np.float32), KINECT25, 10.0).codes == set()
