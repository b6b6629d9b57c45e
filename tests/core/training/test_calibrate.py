"""Weights and held-out distances."""

import numpy as np
import pytest

from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.scoring.memory_bank import NearestNeighbour
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.training.calibrate_scores import (
    held_out_distances,
    neighbour_weight,
    split_units,
    trust,
)

STATISTICS = Statistics.of_layout(UPPER11, 15)


def test_held_back_units_are_whole() -> None:
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


def test_what_is_left_out_is_compared_with_a_whole_support_of_the_others() -> None:
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(15, len(STATISTICS)))  # every unit does fifteen things, and a support of fifteen holds all
    values = (np.tile(kinds, (10, 1)) + 1e-3 * rng.normal(size=(150, len(STATISTICS)))).astype(np.float32)
    found = held_out_distances(STATISTICS, values, np.arange(150) // 15, most=15, whiten=True, seed=0)
    assert found.whitened.max() < 0.3  # nothing is far from the same thing done by others
    assert np.median(found.plain) > 0.3  # the three nearest are three different things


def test_units_with_more_windows_than_the_support_are_left_out_in_folds() -> None:
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
