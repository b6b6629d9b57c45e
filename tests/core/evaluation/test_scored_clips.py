"""Clips become windows the same way for every method, and no test clip is ever trained on."""

from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.errors import ClipError, DyadwatchError
from dyadwatch.core.evaluation.scored_clips import ScoredClips, folds_of, stretched
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.skeletons.layouts import UPPER11


def a_clip(frames: int, split: str = "train", fps: float = 15.0) -> Clip:
    joints = np.arange(frames, dtype=np.float32)[:, None, None, None] * np.ones((frames, 2, 11, 3), np.float32)
    return Clip(joints, UPPER11, fps, "x", f"{split}{frames}", split)


def clip_set(*clips: Clip) -> ClipSet:
    return ClipSet(clips, UPPER11, "made")


def test_whole_clips_are_one_window_from_first_to_last_frame() -> None:
    judged = ScoredClips.prepare(clip_set(a_clip(20), a_clip(59)), Settings(), "whole")
    assert judged.windows.shape == (2, 2, 30, 11, 3)
    np.testing.assert_allclose(judged.windows[0, 0, :, 0, 0], np.linspace(0, 19, 30), atol=1e-5)
    np.testing.assert_allclose(judged.windows[1, 0, :, 0, 0], np.arange(30) * 2, atol=1e-5)


def test_clips_by_windows_run_at_their_own_pace_and_short_ones_are_stretched() -> None:
    judged = ScoredClips.prepare(clip_set(a_clip(20), a_clip(36)), Settings(hop=3), "windows")
    assert judged.clip.tolist() == [0, 1, 1, 1]
    assert judged.windows[1:, 0, 0, 0, 0].tolist() == [0, 3, 6]
    assert judged.windows[0, 0, -1, 0, 0] == 19
    assert len(stretched(a_clip(36), 30, "windows")) == 36


def test_clips_come_onto_the_time_grid() -> None:
    judged = ScoredClips.prepare(clip_set(a_clip(61, fps=30.0)), Settings())
    assert judged.clips[0].joints[:, 0, 0, 0].tolist() == list(range(0, 61, 2))
    assert judged.clips[0].fps == 15


def test_the_longest_part_in_which_all_is_seen_is_judged() -> None:
    clip = a_clip(40)
    joints = clip.joints.copy()
    joints[:12, 1, 4] = np.nan
    joints[20:22, 0, 0] = np.nan  # two frames of a gap are closed
    judged = ScoredClips.prepare(clip_set(Clip(joints, UPPER11, 15.0, "x", "holes", "train")), Settings())
    assert len(judged.clips[0]) == 28


def test_clips_too_short_are_told_and_none_at_all_is_an_error() -> None:
    judged = ScoredClips.prepare(clip_set(a_clip(4), a_clip(30)), Settings())
    assert judged.too_short == ("train4",)
    with pytest.raises(ClipError, match="made: no clip shows all joints of both persons for 5 frames"):
        ScoredClips.prepare(clip_set(a_clip(4)), Settings())


def test_a_clip_scores_the_mean_of_its_windows() -> None:
    judged = ScoredClips.prepare(clip_set(a_clip(36), a_clip(20), a_clip(33)), Settings(hop=3), "windows")
    clips = np.asarray([0, 2])
    assert judged.clip_scores(np.asarray([1.0, 2.0, 6.0, 5.0, 7.0]), clips).tolist() == [3, 6]


def test_folds_test_every_clip_once_and_never_train_on_it() -> None:
    clips = [a_clip(10 + i, f"fold{1 + i % 3}") for i in range(10)]
    folds = folds_of(clips)
    assert [f.name for f in folds] == ["fold1", "fold2", "fold3"]
    assert sorted(np.concatenate([f.test for f in folds]).tolist()) == list(range(10))
    for fold in folds:
        assert not set(fold.train.tolist()) & set(fold.test.tolist())
        assert len(fold.train) + len(fold.test) == 10
        assert {clips[i].split for i in fold.test} == {fold.name}


def test_validation_counts_as_test() -> None:
    clips = [a_clip(10, s) for s in ("train", "val", "test", "train")]
    (fold,) = folds_of(clips)
    assert (fold.train.tolist(), fold.test.tolist()) == ([0, 3], [1, 2])


@pytest.mark.parametrize(
    ("splits", "wanted", "message"),
    [
        (("train", "train"), (), r"splits of the clips are \['train'\]; expected train and test, or two or more folds"),
        (("", "fold1"), (), "expected train and test, or two or more folds"),
        (("fold1", "fold2"), ("fold7",), "no fold fold7; there are fold1, fold2"),
    ],
)
def test_splits_that_do_not_serve_are_told(splits: tuple[str, ...], wanted: tuple[str, ...], message: str) -> None:
    with pytest.raises(ClipError, match=message):
        folds_of([a_clip(10, s) for s in splits], wanted)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"seeds": 0}, "evaluation option seeds = 0: expected at least 1"),
        ({"clip_score": "max"}, "evaluation option clip_score = 'max': expected whole or windows"),
    ],
)
def test_wrong_options_are_told(option: dict, message: str) -> None:
    with pytest.raises(DyadwatchError, match=message):
        Settings(**option)
