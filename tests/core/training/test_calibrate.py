"""Weights, held-out distances and thresholds."""

import numpy as np
import pytest

from dyadwatch.core.layouts import UPPER11
from dyadwatch.core.neighbours import NearestNeighbour
from dyadwatch.core.statistics import Statistics
from dyadwatch.core.training.calibrate import (
    held_out_distances,
    neighbour_weight,
    split_units,
    thresholds,
    trust,
)
from dyadwatch.core.training.recordings import Windows

STATISTICS = Statistics.of_layout(UPPER11, 15)


def windows(recordings: int, each: int) -> Windows:
    which = np.repeat(np.arange(recordings), each)
    joints = np.zeros((len(which), 2, 30, 1, 3), np.float32)
    return Windows(joints, which, which, np.tile(np.arange(each), recordings))


def test_held_back_units_are_whole():
    units = np.repeat(np.arange(10), 7)
    held = split_units(units, 0.2, seed=0)
    assert held.sum() == 14
    assert len(np.unique(units[held])) == 2
    assert split_units(np.array([0, 0, 1]), 0.01, seed=0).sum() in (1, 2)


@pytest.mark.parametrize("whiten", [False, True])
def test_no_window_is_compared_with_its_own_unit(whiten):
    values = np.random.default_rng(0).normal(size=(30, len(STATISTICS))).astype(np.float32)
    values = np.concatenate([values] * 4)  # each window has three twins ...
    apart = np.arange(120) % 30
    found = held_out_distances(STATISTICS, values, apart, most=120, whiten=whiten, seed=0)
    assert found.plain.min() > 0.1  # ... in the same unit
    assert (found.whitened > 0.3).all() if whiten else (found.whitened == 0).all()
    together = held_out_distances(STATISTICS, values, np.arange(120) // 30, most=120, whiten=whiten, seed=0)
    assert together.plain.max() < 0.01
    assert NearestNeighbour.fit(STATISTICS, values)(values).distance.max() < 0.01


def test_what_is_left_out_is_compared_with_a_whole_support_of_the_others():
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(15, len(STATISTICS)))  # every unit does fifteen things, and a support of fifteen holds all
    values = (np.tile(kinds, (10, 1)) + 1e-3 * rng.normal(size=(150, len(STATISTICS)))).astype(np.float32)
    found = held_out_distances(STATISTICS, values, np.arange(150) // 15, most=15, whiten=True, seed=0)
    assert found.whitened.max() < 0.3  # nothing is far from the same thing done by others
    assert np.median(found.plain) > 0.3  # the three nearest are three different things


def test_units_with_more_windows_than_the_support_are_left_out_in_folds():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(60, len(STATISTICS))).astype(np.float32)
    found = held_out_distances(STATISTICS, values, np.arange(60) // 20, most=15, whiten=False, seed=0)
    bank = NearestNeighbour.fit(STATISTICS, values[20:], most=15, project=False)
    np.testing.assert_allclose(found.plain[:20], bank(values[:20]).distance, rtol=1e-5)


@pytest.mark.parametrize(("auroc", "weight"), [(0.5, 0), (0.79, 0), (0.8, 0.6), (1.0, 1.0), (float("nan"), 0)])
def test_a_learnt_part_must_earn_its_weight(auroc, weight):
    assert trust(auroc) == pytest.approx(weight)


@pytest.mark.parametrize(("auroc", "weight"), [(0.4, 0.25), (0.9, 0.8), (float("nan"), 1.0)])
def test_the_nearest_neighbour_always_has_a_say(auroc, weight):
    assert neighbour_weight(auroc) == pytest.approx(weight)


def test_a_single_high_window_does_not_raise_the_threshold():
    score = np.full(200, 0.3)
    score[50] = 7.0
    given = thresholds(score, windows(10, 20), hop_s=0.2)
    assert given["raise_at"] == 2.5
    assert given["clear_at"] == 1.5
    assert given["evidence"]["highest_window"] == 7.0
    assert given["evidence"]["highest_sustained"] == pytest.approx(0.3)
    assert given["evidence"]["windows_above_raise"] == 1


def test_a_high_run_raises_the_threshold_above_itself():
    score = np.full(200, 0.3)
    score[50:54] = 4.0
    given = thresholds(score, windows(10, 20), hop_s=0.2)
    assert 4.0 < given["raise_at"] < 4.5
    assert given["evidence"]["recordings_above_raise"] == 0
    assert given["evidence"]["hours"] == pytest.approx(200 * 0.2 / 3600, abs=1e-4)


def test_among_hundreds_of_recordings_one_odd_one_is_passed_over():
    score = np.full(600 * 5, 0.3)
    score[:5] = 6.0
    given = thresholds(score, windows(600, 5), hop_s=0.2)
    assert given["raise_at"] == 2.5
    assert given["evidence"]["recordings_above_raise"] == 1
    assert given["evidence"]["events_per_hour_95"] > 1 / given["evidence"]["hours"]


def test_a_run_must_lie_in_one_recording():
    score = np.full(200, 0.3)
    score[19:21] = 5.0  # the end of one recording and the beginning of the next
    assert thresholds(score, windows(10, 20), hop_s=0.2)["raise_at"] == 2.5
