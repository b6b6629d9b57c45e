"""The window fits the clips where nobody asked for one, and a training that fails names the clips it lacked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dyadwatch.core.data.clip_files import Clip, ClipSet, read_clips
from dyadwatch.core.errors import CollapseError, TrainingError
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.training import paper
from dyadwatch.core.training.options import FEWEST_FRAMES, TrainOptions
from dyadwatch.core.training.recipe import train
from dyadwatch.core.training.window_length import FittedWindow, fit_window

from .conftest import made_clip

OPTIONS = TrainOptions(window_s=2.0, least_s=2.0)


def of_lengths(*frames: int, fps: float = 15.0) -> ClipSet:
    return ClipSet(tuple(made_clip(i, n, fps) for i, n in enumerate(frames)), UPPER11, "made")


def test_nine_clips_of_ten_are_to_be_long_enough() -> None:
    clips = of_lengths(*range(10, 30), 40, 40)
    options, fitted = fit_window([clips], OPTIONS)
    assert fitted == FittedWindow(usual_s=2.0, window_s=0.66, clips=22, usual_clips=2, window_clips=22)
    assert (options, options.frames) == (replace(OPTIONS, window_s=0.66), 10)  # of 12 frames that nine of ten have
    assert str(fitted) == (
        "0.66 s, for which 22 of 22 clips are long enough; 2 are for the usual 2 s"
    )  # fmt: skip


@pytest.mark.parametrize(
    "frames",
    [
        [40] * 5 + [20] * 5,  # half of them are long enough
        [3000] + [20] * 20,  # one is, with most of the time
        [6] * 10,  # none could be for any window
    ],
)
def test_the_usual_window_stays_where_it_fits_or_nothing_does(frames: list[int]) -> None:
    assert fit_window([of_lengths(*frames)], OPTIONS) == (OPTIONS, None)


def test_a_window_is_never_shorter_than_six_tenths_of_a_second() -> None:
    options, fitted = fit_window([of_lengths(*[16] * 22, fps=30.0)], OPTIONS)
    assert (options, fitted) == (OPTIONS, None)  # 8 frames of the grid: 0.53 s
    options, fitted = fit_window([of_lengths(*[16] * 10, *[19] * 12, fps=30.0)], OPTIONS)
    assert fitted is not None
    assert (options.window_s, options.frames, fitted.window_clips) == (0.6, 9, 12)


def test_what_breaks_a_clip_makes_it_shorter() -> None:
    clips = list(of_lengths(*[28] * 10))
    for i in range(5):
        joints = clips[i].joints.copy()
        joints[5:14, 0, 0] = np.nan  # too long to bridge; 14 frames are left
        clips[i] = replace(clips[i], joints=joints)
    options, _ = fit_window([ClipSet(tuple(clips), UPPER11)], OPTIONS)
    assert options.frames == 12


def test_a_training_that_fails_says_what_was_skipped() -> None:
    with pytest.raises(TrainingError) as caught:
        train([of_lengths(*[30] * 6, *[12] * 30)], replace(OPTIONS, recipe="paper", width=8, units=1, epochs=1))
    assert "(30 of 36 clips were skipped: 30 shorter than 2 s (--window-s 0.8 would use them), such as" in (
        str(caught.value)
    )


def test_a_collapse_says_what_was_skipped_and_keeps_its_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "_WATCH_FROM", 1)
    monkeypatch.setattr(paper, "_LEAST_GAP", 1e9)
    clips = of_lengths(*[40] * 12, 9)
    with pytest.raises(CollapseError) as caught:
        train([clips], TrainOptions(recipe="paper", window_s=0.8, hop=2, width=8, units=1, support=40, epochs=4))
    assert str(caught.value).endswith(
        "(1 of 13 clips was skipped: 1 shorter than 0.8 s (--window-s 0.6 would use them), such as clip12)"
    )
    assert caught.value.report["stopped"] is True


def test_windows_are_short_where_there_is_enough_to_learn_from() -> None:
    minutes = [of_lengths(*[n] * 20) for n in (449, 460)]  # ten minutes are 9000 frames, of ten clips
    options = [fit_window([clips], TrainOptions()) for clips in minutes]
    assert [(made.frames, fitted) for made, fitted in options] == [(22, None), (10, None)]
    paper, _ = fit_window(minutes[1:], TrainOptions(recipe="paper"))
    assert paper.frames == 22
    slow, _ = fit_window([of_lengths(*[460] * 20)], TrainOptions(fps=10.0))
    assert slow.frames == FEWEST_FRAMES


def test_a_clip_without_frames_is_no_reason() -> None:
    empty = Clip(np.zeros((0, 2, 11, 3), np.float32), UPPER11, 15.0, clip_id="none")
    assert fit_window([ClipSet((empty,), UPPER11)], OPTIONS) == (OPTIONS, None)


def test_most_clips_of_sbu_serve_unasked(shared_data: Path) -> None:
    clips = [read_clips(shared_data / "sbu")]
    _, fitted = fit_window(clips, OPTIONS)
    assert fitted is not None
    assert (fitted.window_s, fitted.clips, fitted.usual_clips) == (1.0, 282, 53)
    assert fitted.window_clips >= 0.9 * 282
    assert fit_window(clips, TrainOptions()) == (TrainOptions(), None)


def test_a_second_gives_way_to_as_little_as_six_tenths() -> None:
    assert fit_window([of_lengths(*[9] * 20)], TrainOptions()) == (TrainOptions(), None)  # a window begins with a pair
    whole = TrainOptions(window_s=1.0, least_s=1.0)
    assert fit_window([of_lengths(*[17] * 20)], whole) == (whole, None)
    options, fitted = fit_window([of_lengths(*[9] * 20)], whole)
    assert options.frames == 9
    assert str(fitted) == "0.6 s, for which 20 of 20 clips are long enough; 0 are for the usual 1 s"


def test_a_length_without_end_is_cut_for_people() -> None:
    assert str(FittedWindow(2 / 3, 0.6, 9, 2, 8)).endswith("; 2 are for the usual 0.667 s")
