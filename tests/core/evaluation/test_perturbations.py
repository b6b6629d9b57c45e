"""Broken windows are broken in the way their name says, and each person alone stays as he was."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.perturbations import FURTHER, HELD_BACK, KINDS, SIX, Kind, PairTest
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.training.mismatched_pairs import TrainingKind, ValidationKind


@pytest.fixture(scope="module")
def pairs(handovers: ClipSet) -> PairTest:
    return PairTest(handovers.where(lambda c: c.split == "test" and c.label == "normal"), Settings(pair_hop=10))


def changed(pairs: PairTest, kind: Kind, draw: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which windows, which person was changed, his joints now (N, T, J, 3) and before."""
    found = pairs.broken(kind, draw)
    before = pairs.intact[found.of]
    same = np.asarray(
        [[np.array_equal(a[p], b[p]) for p in (0, 1)] for a, b in zip(before, found.windows, strict=True)]
    )
    assert (same.sum(axis=1) == 1).all(), f"{kind}: one person must change and one must not"
    who = np.argmin(same, axis=1)
    rows = np.arange(len(who))
    return found.of, who, found.windows[rows, who], before[rows, who]


@pytest.mark.parametrize("kind", KINDS)
def test_one_person_changes_and_the_same_draw_gives_the_same(pairs: PairTest, kind: Kind) -> None:
    of, who, now, _ = changed(pairs, kind)
    assert len(of) > 10
    assert set(who) == {0, 1}
    assert np.isfinite(now).all()
    again = pairs.broken(kind, 0)
    np.testing.assert_array_equal(again.of, of)
    if kind != "most similar clip":
        assert not all(np.array_equal(a, b) for a, b in zip(pairs.broken(kind, 1).windows, again.windows, strict=False))


def test_windows_are_those_of_the_grid(pairs: PairTest) -> None:
    clip = pairs.clips[int(pairs.clip[3])]
    first = round(float(pairs.start[3]) * 30)
    np.testing.assert_array_equal(pairs.intact[3], clip.joints[first : first + 60 : 2].transpose(1, 0, 2, 3))


@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.0, 2.0])
def test_a_shift_is_the_same_person_that_much_earlier_or_later(pairs: PairTest, seconds: float) -> None:
    of, who, now, _ = changed(pairs, Kind(f"shifted {seconds:g} s"))
    signs = set()
    for i, person, joints in zip(of, who, now, strict=True):
        clip = pairs.clips[int(pairs.clip[i])]
        first = round(float(pairs.start[i]) * 30)
        fits = {
            sign: np.array_equal(joints, clip.joints[at : at + 60 : 2, person])
            for sign in (-1, 1)
            if 0 <= (at := first + sign * round(seconds * 30)) <= len(clip) - 59
        }
        assert sum(fits.values()) == 1
        signs |= {s for s, fit in fits.items() if fit}
    assert signs == {-1, 1}


def test_a_partner_is_of_another_clip_at_the_same_part_of_it(pairs: PairTest) -> None:
    of, who, now, _ = changed(pairs, Kind("partner"))
    for i, person, joints in zip(of, who, now, strict=True):
        where = [
            (c, at)
            for c, clip in enumerate(pairs.clips)
            for at in range(len(clip) - 58)
            if np.array_equal(joints, clip.joints[at : at + 60 : 2, person])
        ]
        ((clip, at),) = where
        assert clip != pairs.clip[i]
        own = len(pairs.clips[int(pairs.clip[i])]) - 59
        assert at / (len(pairs.clips[clip]) - 59) == pytest.approx(pairs.start[i] * 30 / own, abs=0.02)


def test_the_most_similar_clip_is_another_one_where_the_other_moves_alike(pairs: PairTest) -> None:
    of, who, now, _ = changed(pairs, Kind("most similar clip"))
    for i, person, joints in zip(of, who, now, strict=True):
        (source,) = [k for k, w in enumerate(pairs.intact) if np.array_equal(w[person], joints)]
        assert pairs.clip[source] != pairs.clip[i]
        stays = pairs.intact[:, 1 - person]
        others = pairs.clip != pairs.clip[i]
        gaps = np.square(stays[others] - stays[i]).sum(axis=(1, 2, 3))
        assert np.square(stays[source] - stays[i]).sum() == pytest.approx(gaps.min(), rel=1e-4)


def own_shape(joints: np.ndarray) -> np.ndarray:
    """Distances between all joints of one person over all of the window: what a rigid motion keeps."""
    flat = joints.reshape(len(joints), -1, 3).astype(np.float64)
    return np.linalg.norm(flat[:, :40, None] - flat[:, None, :40], axis=-1)


@pytest.mark.parametrize("kind", ["0.3 m farther", "moved 0.2 m", "turned 45 degrees"])
def test_a_rigid_motion_keeps_body_and_path(pairs: PairTest, kind: Kind) -> None:
    _, _, now, before = changed(pairs, kind)
    np.testing.assert_allclose(own_shape(now), own_shape(before), atol=1e-5)
    np.testing.assert_allclose(now[..., 1], before[..., 1], atol=1e-6)


def test_distances_of_moves_are_what_they_say(pairs: PairTest) -> None:
    of, who, now, before = changed(pairs, Kind("0.3 m farther"))
    np.testing.assert_allclose(np.linalg.norm(now - before, axis=-1), 0.3, atol=1e-5)
    middle = pairs.intact[of][:, :, :, 2].mean(axis=2)
    rows = np.arange(len(of))
    gap = (middle[rows, who] - middle[rows, 1 - who]) * [1, 0, 1]
    step = (now - before)[:, 0, 0]
    np.testing.assert_allclose(np.linalg.norm(gap + step, axis=1), np.linalg.norm(gap, axis=1) + 0.3, atol=1e-5)
    _, _, now, before = changed(pairs, Kind("moved 0.2 m"))
    np.testing.assert_allclose(np.linalg.norm(now - before, axis=-1), 0.2, atol=1e-5)
    assert np.ptp(np.arctan2(*(now - before)[:, 0, 0, ::2].T)) > 3  # every direction


def test_a_turn_is_about_himself(pairs: PairTest) -> None:
    _, _, now, before = changed(pairs, Kind("turned 45 degrees"))
    np.testing.assert_allclose(now[:, :, 2].mean(axis=1), before[:, :, 2].mean(axis=1), atol=1e-5)
    ahead = [(j[:, 0, 3] - j[:, 0, 4])[:, [0, 2]].astype(float) for j in (before, now)]
    cos = (ahead[0] * ahead[1]).sum(axis=1) / np.prod([np.linalg.norm(a, axis=1) for a in ahead], axis=0)
    np.testing.assert_allclose(cos, np.cos(np.pi / 4), atol=1e-4)


def test_a_mirror_exchanges_left_and_right(pairs: PairTest) -> None:
    _, _, now, before = changed(pairs, Kind("mirrored"))
    mirror = list(pairs.layout.mirror)
    np.testing.assert_allclose(own_shape(now[:, :, mirror]), own_shape(before), atol=1e-5)
    np.testing.assert_allclose(now[:, :, 2].mean(axis=1), before[:, :, 2].mean(axis=1), atol=1e-5)


def test_another_tempo_has_the_same_middle(pairs: PairTest) -> None:
    of, who, now, before = changed(pairs, Kind("tempo +-20 %"))
    assert len(of) == len(pairs.intact)  # slower always fits
    middle = [0.5 * (j[:, 14] + j[:, 15]) for j in (now, before)]
    np.testing.assert_allclose(middle[0], middle[1], atol=0.03)
    spans = []
    for i, person, joints in zip(of, who, now, strict=True):
        clip = pairs.clips[int(pairs.clip[i])]
        gaps = np.square(clip.joints[:, person] - joints[0]).sum(axis=(1, 2))
        spans.append(abs(int(gaps.argmin()) - (pairs.start[i] * 30 + 29)) / 29)
    assert set(np.round(np.asarray(spans) * 5) / 5) == {0.8, 1.2}


def test_late_arms_hang_on_the_shoulders_of_today(pairs: PairTest) -> None:
    of, who, now, before = changed(pairs, Kind("arms delayed 0.4 s"))
    arms = [i for i, j in enumerate(pairs.layout.joints) if j.endswith(("elbow", "wrist"))]
    rest = [i for i in range(len(pairs.layout)) if i not in arms]
    np.testing.assert_array_equal(now[:, :, rest], before[:, :, rest])
    i, person, joints = int(of[0]), int(who[0]), now[0]
    earlier = pairs.read(int(pairs.clip[i]), float(pairs.start[i]) - 0.4)[person]
    for side in ("left", "right"):
        wrist, shoulder = (pairs.layout.index[f"{side}_{j}"] for j in ("wrist", "shoulder"))
        hung = [j[:, wrist] - j[:, shoulder] for j in (joints, earlier)]
        np.testing.assert_allclose(hung[0], hung[1], atol=1e-6)


def test_kinds_held_back_are_nowhere_in_training() -> None:
    assert {kind.name for kind in HELD_BACK} == {"TURNED", "TEMPO", "ARMS_DELAYED", "MOST_SIMILAR"}
    learnt = {kind.name for kind in (*TrainingKind, *ValidationKind)}
    assert not any(name.startswith(("TURN", "TEMPO", "ARMS", "MOST")) for name in learnt)
    assert (*SIX, *FURTHER, *HELD_BACK) == KINDS, "their order is what draws are seeded with"


def test_the_name_of_a_kind_says_its_amount() -> None:
    for kind in KINDS:
        number = re.search(r"[0-9.]+", kind)
        percent = 100 if "%" in kind else 1
        assert (float(number[0]) if number else 0.0) == pytest.approx(percent * kind.amount)
    for kind in ValidationKind:
        number = re.search(r"[0-9.]+", kind)
        assert (float(number[0]) if number else 0.0) == kind.shift_s + kind.step_m


def test_two_clips_are_needed(handovers: ClipSet) -> None:
    with pytest.raises(ClipError, match="1 test clips of 2 s or longer; expected at least 2"):
        PairTest(handovers.where(lambda c: c.clip_id == "clip3"), Settings())


def test_a_clip_with_a_long_gap_counts_with_its_longest_part(handovers: ClipSet) -> None:
    joints = handovers[0].joints.copy()
    joints[30:60, 0, 0] = np.nan
    gappy = Clip(joints, handovers.layout, 30.0, "normal", "gappy", "test")
    test = PairTest(ClipSet((gappy, handovers[1]), handovers.layout), Settings())
    assert test.seconds[0] == pytest.approx((len(joints) - 60 - 1) / 30)
