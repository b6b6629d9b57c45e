"""The metric that outlives the normal it was learnt on, and scores from support windows alone."""

from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.core.features.pair_statistics import Scaling, Statistics
from dyadwatch.core.scoring.memory_bank import NearestNeighbour
from dyadwatch.core.scoring.nearest import Metric, Support, support_scorer
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.exporters.parity import random_pairs

STATISTICS = Statistics.of_layout(UPPER11, 15.0)
WINDOWS = random_pairs(40, 12, 11, seed=3)
VALUES = STATISTICS(WINDOWS)


@pytest.mark.parametrize("whiten", [False, True])
def test_distances_are_those_of_the_nearest_neighbours(whiten: bool) -> None:
    bank = NearestNeighbour.fit(STATISTICS, VALUES[:20], whiten=whiten)
    metric = Metric.fit(STATISTICS, VALUES[:20], whiten=whiten)
    support = Support.of_windows(metric, WINDOWS[:20])
    others = np.arange(20)[:, None] != np.arange(20)
    for values, allowed in ((VALUES[20:], None), (VALUES[:20], others)):
        found, expected = metric.distances(values, support, allowed), bank(values, allowed)
        np.testing.assert_allclose(found.plain, expected.distance, rtol=1e-4)
        np.testing.assert_allclose(found.whitened, expected.whitened, rtol=1e-4)
        assert found.whitened.any() == whiten


def test_one_entry_is_enough_to_compare_with() -> None:
    metric = Metric.fit(STATISTICS, VALUES)
    only = np.eye(4, dtype=bool)
    found = metric.distances(VALUES[:4], Support.of_windows(metric, WINDOWS[4:8]), only).plain
    one = [metric.distances(VALUES[i : i + 1], Support.of_windows(metric, WINDOWS[4 + i : 5 + i])) for i in range(4)]
    # the only window there is counts in both orders of the persons
    np.testing.assert_allclose(found, [float(d.plain[0]) for d in one], rtol=1e-4)


def test_the_scorer_of_few_shot_evaluation() -> None:
    metric = Metric.fit(STATISTICS, VALUES[:30])
    score = support_scorer(metric, WINDOWS[30:35])
    bank = NearestNeighbour(STATISTICS, metric.scaling, metric.scaling(VALUES[30:35]), metric.axes)
    np.testing.assert_allclose(score(WINDOWS), bank(VALUES).distance, atol=2e-3)  # the support is kept in halves
    np.testing.assert_allclose(
        score(WINDOWS[:, ::-1]), score(WINDOWS), rtol=1e-3, atol=2e-3
    )  # in either order of the persons
    assert score(WINDOWS[30:35]).mean() < 0.7 * score(WINDOWS[35:]).mean()


@pytest.mark.parametrize(("clips", "share"), [(1, 1 / 6), (5, 0.5), (20, 0.8)])
def test_the_more_clips_the_nearer_scale_and_centre_are_to_theirs(clips: int, share: float) -> None:
    base = Metric.fit(STATISTICS, VALUES[:20], whiten=True)
    other = 0.5 + 3 * VALUES[20:32]  # another sensor: everything spreads three times as wide
    own, moved = Scaling.fit(other, STATISTICS), base.moved(other, clips)
    wanted = np.log(base.scaling.scale) * (1 - share) + np.log(own.scale) * share
    np.testing.assert_allclose(np.log(moved.scaling.scale), wanted, atol=1e-4)
    wanted = base.scaling.centre * (1 - share) + own.centre * share
    np.testing.assert_allclose(moved.scaling.centre, wanted, atol=1e-4)
    assert moved.precision is None


@pytest.mark.parametrize("count", [1, 12, 30])
def test_a_moved_metric_compares_in_as_many_directions_and_leaves_nothing_of_the_clips_over(count: int) -> None:
    base = Metric.fit(STATISTICS, VALUES[:10])  # 20 directions: both orders of ten windows
    assert base.axes is not None
    moved = base.moved(VALUES[10 : 10 + count], 5)
    assert moved.axes is not None
    assert moved.axes.shape == base.axes.shape
    used = moved.axes[np.abs(moved.axes).any(axis=1)]
    assert len(used) == min(2 * count, len(base.axes))
    np.testing.assert_allclose(used @ used.T, np.eye(len(used)), atol=1e-4)
    left = moved.compared(moved.scaling(VALUES[10 : 10 + count]))[:, -1]
    before = base.compared(base.scaling(VALUES[10 : 10 + count]))[:, -1]
    assert left.max() < (0.1 if count < 10 else 1.1) * before.max()


def test_supports_add_up() -> None:
    metric = Metric.fit(STATISTICS, VALUES, whiten=True)
    both = Support.of_windows(metric, WINDOWS[:4]) + Support.of_windows(metric, WINDOWS[4:10])
    assert len(both) == 10
    whole = Support.of_windows(metric, WINDOWS[:10])
    np.testing.assert_allclose(both.compared, whole.compared, atol=0.03)  # the residual is a root of rounding errors
    np.testing.assert_array_equal(both.distances, whole.distances)
    assert both.scaled.shape == (10, STATISTICS.sizes[0])
