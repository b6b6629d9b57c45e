"""Why a normal recording is unusual, and the moment at which it is."""

from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.core.data.windows import CleanRecording, Windows, cut
from dyadwatch.core.features.pair_frame import anchors
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.training.outliers import facing_east, most_unusual
from dyadwatch.core.training.training_data import Prepared

HEAD, WRIST = UPPER11.index["head"], UPPER11.index["right_wrist"]


def recordings(swap: bool = False) -> Prepared:
    """Six standing pairs; in `odd`, person 0's wrist is at person 1's head in frames 20 to 24."""
    rng = np.random.default_rng(3)
    body = rng.uniform([-0.3, 0, -0.2], [0.3, 1.6, 0.2], (11, 3))
    pair = np.stack([body, body * [-1, 1, -1] + [1.2, 0, 0]])
    joints = [(pair + 0.005 * rng.normal(size=(40, 2, 11, 3))).astype(np.float32) for _ in range(6)]
    joints[2][20:25, 0, WRIST] = joints[2][20:25, 1, HEAD] + np.float32(0.02)
    if swap:
        joints[2] = joints[2][:, ::-1]
    names = ["a", "b", "odd", "c", "d", "e"]
    made = tuple(
        CleanRecording(j, i, n, "talk", 10.0 * (n == "odd")) for i, (j, n) in enumerate(zip(joints, names, strict=True))
    )
    return Prepared(UPPER11, made, ())


def explained(prepared: Prepared) -> dict:
    """Window 8 to 28 of `odd` scores highest."""
    windows = cut(prepared.recordings, 20, 4)
    score = np.where((windows.recording == 2) & (windows.start == 8), 4.0, 0.1)
    found = most_unusual(prepared, windows, {"score": score, "unusual": score / 2}, fps=10.0)
    assert len(found) == 6
    return found[0]


@pytest.mark.parametrize("swap", [False, True])
def test_the_joints_that_differ_lead_and_the_moment_is_theirs(swap):
    odd = explained(recordings(swap))
    assert (odd["clip"], odd["label"], odd["start_s"], odd["score"], odd["unusual"]) == ("odd", "talk", 10.8, 4.0, 2.0)
    leading = odd["why"][0]
    names = ("head", "right_wrist") if swap else ("right_wrist", "head")
    assert (leading["first"], leading["second"]) == names
    assert leading["shift_m"] < -0.05
    assert 12.0 <= odd["moment_s"] <= 12.4
    pose = np.asarray(odd["pose"])
    i, j = (UPPER11.index[n] for n in names)
    assert np.linalg.norm(pose[0, i] - pose[1, j]) < 0.1
    near = odd["nearest"]
    assert near["clip"] in set("abcde")
    other = np.asarray(near["pose"])
    assert other.shape == (2, 11, 3)
    assert np.linalg.norm(other[0, i] - other[1, j]) > 0.5


def test_a_recording_is_not_compared_with_its_own_unit() -> None:
    prepared = recordings()
    twins = tuple(CleanRecording(r.joints, r.unit // 3, r.name, r.label, r.start_s) for r in prepared.recordings)
    odd = explained(Prepared(UPPER11, twins, ()))
    assert odd["nearest"]["clip"] in set("cde")


def test_without_another_unit_there_is_no_why() -> None:
    prepared = recordings()
    alone = tuple(CleanRecording(r.joints, 0, r.name, r.label, r.start_s) for r in prepared.recordings)
    odd = explained(Prepared(UPPER11, alone, ()))
    assert odd.keys() == {"clip", "label", "start_s", "score", "unusual"}


def test_no_window_no_entry() -> None:
    prepared = recordings()
    none = Windows(np.zeros((0, 2, 20, 11, 3), np.float32), *np.zeros((3, 0), np.intp))
    assert most_unusual(prepared, none, {"score": np.zeros(0)}, 10.0) == []


def test_pictures_are_taken_with_person_1_in_the_east() -> None:
    window = np.swapaxes(recordings().recordings[0].joints, 0, 1) @ np.asarray(
        [[0, 0, -1], [0, 1, 0], [1, 0, 0]], np.float32
    ) + np.asarray([5, 0, -3], np.float32)
    at = anchors(UPPER11)
    turned = facing_east(window, at)
    pelvis = turned[:, :, UPPER11.index["pelvis"]].mean(axis=1)
    np.testing.assert_allclose(pelvis.mean(axis=0)[[0, 2]], 0, atol=1e-5)
    assert pelvis[1, 0] > 0.3
    np.testing.assert_allclose(pelvis[:, 2], 0, atol=1e-5)
    np.testing.assert_array_equal(turned[..., 1], window[..., 1])
    own = [np.linalg.norm(w[0][:, :, None] - w[1][:, None], axis=-1) for w in (window, turned)]
    np.testing.assert_allclose(own[0], own[1], atol=1e-5)
