"""The report: plain values, and where to look for mistakes in the data."""

from __future__ import annotations

import json

import numpy as np

from dyadwatch.core.data.unusable import Unusable
from dyadwatch.core.data.windows import CleanRecording, Windows
from dyadwatch.core.finding import Finding
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.training.options import TrainOptions
from dyadwatch.core.training.report import make_report
from dyadwatch.core.training.training_data import LeftOut, Prepared


def made(score: np.ndarray, figures: dict) -> dict:
    """The report of six recordings of 20 frames, two of one clip, with five windows each."""
    names = ["a", "a from 1.3 s", "b", "c", "d", "e"]
    joints = np.zeros((20, 2, 11, 3), np.float32)
    recordings = tuple(
        CleanRecording(joints, i, name, "talk" if i < 4 else "", 1.3 * (i == 1)) for i, name in enumerate(names)
    )
    unseen, empty = Finding(Unusable.PERSON_UNSEEN, person=1), Finding(Unusable.EMPTY)
    prepared = Prepared(UPPER11, recordings, (LeftOut(unseen, ("x", "y")), LeftOut(empty, ("z",))))
    which = np.repeat(np.arange(6), 5)
    windows = Windows(np.zeros((30, 2, 12, 11, 3), np.float32), which, which, np.tile(np.arange(0, 10, 2), 6))
    return make_report(prepared, windows, TrainOptions(), {"score": score}, figures)


def test_clips_are_counted_with_what_was_skipped_and_why() -> None:
    report = made(np.zeros(30), {})
    assert (report["clips"], report["recordings"], report["skipped_clips"]) == (5, 6, 3)
    assert report["skipped"] == {"without person 1": ["x", "y"], "of zero length": ["z"]}
    assert report["labels"] == {"talk": 4, "unlabelled": 2}
    assert report["hours"] == round(6 * 20 / 15 / 3600, 4)


def test_the_oddest_normal_recordings_come_first_each_once_with_the_time() -> None:
    score = np.linspace(0, 1, 30)
    score[[13, 12, 2]] = [5.0, 4.5, 3.0]
    found = made(score, {})["most_unusual_normal"]
    assert [(f["clip"], f["label"], f["start_s"], f["score"]) for f in found[:2]] == [
        ("b", "talk", 0.4, 5.0),
        ("a", "talk", 0.27, 3.0),
    ]
    assert [(f["clip"], f["start_s"]) for f in found[2:]] == [("e", 0.53), ("d", 0.53), ("c", 0.53), ("a", 1.83)]


def test_histograms_hold_every_window() -> None:
    score = np.full(30, 0.05)
    score[7] = 11.0
    histogram = made(score, {})["histograms"]["score"]
    assert sum(histogram["counts"]) == 30
    assert (histogram["counts"][0], histogram["counts"][-1], histogram["edges"][-1]) == (29, 1, 11.0)
    assert made(np.zeros(30), {})["histograms"]["score"]["edges"][-1] == 4.0


def test_what_is_not_a_number_becomes_null() -> None:
    figures = {
        "mean": {"flow": float("nan"), "relation": np.float32(0.5)},
        "curve": ({"loss": np.inf},),
        "n": np.intp(3),
    }
    report = made(np.zeros(30), figures)
    assert (report["mean"], report["curve"], report["n"]) == ({"flow": None, "relation": 0.5}, [{"loss": None}], 3)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
