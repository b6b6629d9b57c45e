"""Each baseline sees what it should see, against plain computations where there is one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import PCA

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.evaluation.baselines import BASELINES, extra_trees, path_curvature
from dyadwatch.core.evaluation.scored_clips import ScoredClips
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.features.pair_statistics import Scaling
from dyadwatch.core.scoring.auroc import auroc


@pytest.fixture(scope="module")
def judged(folded: ClipSet) -> ScoredClips:
    return ScoredClips.prepare(folded, Settings(hop=3), "windows")


def label_is(judged: ScoredClips, label: str) -> np.ndarray:
    return np.asarray([judged.clips[i].label == label for i in judged.clip])


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_distance_between_people_is_seen_by_all_but_the_lonely_one(judged: ScoredClips, name: str) -> None:
    near = label_is(judged, "near")
    train = near & (judged.clip % 2 == 0)
    score = BASELINES[name](judged.statistics, judged.values[train])
    found = auroc(score(judged.values[near & ~train]), score(judged.values[label_is(judged, "far")]))
    assert found < 0.75 if "alone" in name else found > 0.95


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_scores_know_no_order_of_the_persons(judged: ScoredClips, name: str) -> None:
    score = BASELINES[name](judged.statistics, judged.values[::2])
    values = judged.values[1::2]
    np.testing.assert_allclose(score(values[:, judged.statistics.swap]), score(values), rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("count", [10, 60])
def test_mahalanobis_is_that_of_the_shrunk_covariance(judged: ScoredClips, count: int) -> None:
    statistics, normal, values = judged.statistics, judged.values[:count], judged.values[count : count + 8]
    scaling = Scaling.fit(normal, statistics)
    both = np.concatenate([scaling(normal), scaling(normal[:, statistics.swap])]).astype(np.float64)
    covariance, _ = ledoit_wolf(both)
    precision = np.linalg.inv(covariance)
    expected = []
    for order in (values, values[:, statistics.swap]):
        v = scaling(order) - both.mean(axis=0)
        expected.append(np.einsum("nf,fg,ng->n", v, precision, v))
    found = BASELINES["Mahalanobis"](statistics, normal)(values)
    np.testing.assert_allclose(found, np.minimum(*expected), rtol=1e-3)


def test_the_pca_residual_is_what_95_percent_leave(judged: ScoredClips) -> None:
    statistics, normal, values = judged.statistics, judged.values[:40], judged.values[40:50]
    scaling = Scaling.fit(normal, statistics)
    both = np.concatenate([scaling(normal), scaling(normal[:, statistics.swap])]).astype(np.float64)
    pca = PCA(0.95, svd_solver="full").fit(both)
    orders = [scaling(v).astype(np.float64) for v in (values, values[:, statistics.swap])]
    expected = [np.square(v - pca.inverse_transform(pca.transform(v))).sum(axis=1) for v in orders]
    np.testing.assert_allclose(BASELINES["PCA residual"](statistics, normal)(values), np.minimum(*expected), rtol=1e-3)


def test_trees_tell_what_they_were_shown(judged: ScoredClips) -> None:
    near, far = label_is(judged, "near"), label_is(judged, "far")
    half = judged.clip % 2 == 0
    score = extra_trees(judged.statistics, judged.values[near & half], judged.values[far & half], 20, seed=0)
    assert auroc(score(judged.values[near & ~half]), score(judged.values[far & ~half])) > 0.95


def test_curvature_of_straight_and_of_round_paths(judged: ScoredClips) -> None:
    windows = np.zeros((2, 2, 30, 11, 3))
    angle = np.linspace(0, np.pi, 30)[:, None]
    windows[0, ..., 0] += np.linspace(0, 3, 30)[:, None]
    windows[1, ..., 0] += np.cos(angle)
    windows[1, ..., 2] += np.sin(angle)
    found = path_curvature(windows, judged.statistics.at)
    np.testing.assert_allclose(found, [0, 1 - 2 / np.pi], atol=1e-3)
