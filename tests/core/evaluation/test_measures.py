"""AUROC, bootstrap and means of figures against values known by other ways."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dyadwatch.core.errors import TrainingError
from dyadwatch.core.evaluation.figures import Figure, Scored, figure, mean_figure, resamplings
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.scoring.auroc import auroc

ROW = Row("m")


def random_scores(seed: int, clips: int = 6) -> tuple[Scored, Scored]:
    rng = np.random.default_rng(seed)
    normal = Scored(rng.integers(0, 9, 30).astype(float), rng.integers(0, clips, 30))
    anomalous = Scored(rng.integers(2, 12, 25).astype(float), rng.integers(0, clips, 25))
    return normal, anomalous


@pytest.mark.parametrize("seed", range(4))
def test_value_is_the_auroc_with_ties_counting_half(seed: int) -> None:
    normal, anomalous = random_scores(seed)
    found = figure(ROW, "k", normal, anomalous, resamplings([""] * 6, 3)).value
    expected = roc_auc_score(np.repeat([0, 1], [30, 25]), np.concatenate([normal.scores, anomalous.scores]))
    assert found == pytest.approx(expected, abs=1e-6)
    assert found == pytest.approx(auroc(normal.scores, anomalous.scores), abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_replicate_is_the_auroc_of_the_clips_drawn(seed: int) -> None:
    normal, anomalous = random_scores(seed)
    samples = resamplings([""] * 6, 20, seed)
    found = figure(ROW, "k", normal, anomalous, samples).replicates
    for times, value in zip(samples.astype(int), found, strict=True):
        drawn = [np.repeat(s.scores, times[s.clip]) for s in (normal, anomalous)]
        expected = auroc(*drawn)
        if np.isfinite(expected):
            assert value == pytest.approx(expected, abs=1e-5)


def test_samples_are_drawn_inside_strata_and_alike_in_every_test_set() -> None:
    samples = resamplings(["a", "b", "a", "b", "b"], 50)
    assert (samples[:, [0, 2]].sum(axis=1) == 2).all()
    assert (samples[:, [1, 3, 4]].sum(axis=1) == 3).all()
    np.testing.assert_array_equal(samples[:, [0, 2]], resamplings(["a", "a"], 50))


def test_the_interval_has_the_width_that_theory_gives() -> None:
    # of normal scores a shift of 1 apart, one a clip: Hanley and McNeil's standard error of the AUROC
    rng = np.random.default_rng(0)
    n = 200
    normal = Scored(rng.normal(size=n), np.arange(n))
    anomalous = Scored(rng.normal(1, 1, n), n + np.arange(n))
    found = figure(ROW, "k", normal, anomalous, resamplings(["n"] * n + ["a"] * n, 1000))
    assert found.value is not None
    a = found.value
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    error = np.sqrt((a * (1 - a) + (n - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / n**2)
    assert np.std(found.replicates) == pytest.approx(error, rel=0.15)


def test_nothing_to_compare_has_no_value() -> None:
    some, none = Scored(np.ones(3), np.arange(3)), Scored(np.zeros(0), np.zeros(0, np.intp))
    assert figure(ROW, "k", some, none, resamplings([""] * 3, 5)) == Figure(ROW, "k", 0, None)


def test_a_score_that_is_no_number_is_refused() -> None:
    some, lost = Scored(np.ones(3), np.arange(3)), Scored(np.asarray([1, np.nan, np.nan]), np.arange(3))
    for pair in ((some, lost), (lost, some)):
        with pytest.raises(TrainingError, match=r"^m, k: 2 of 3 scores are nan; expected a number each$"):
            figure(ROW, "k", *pair, resamplings([""] * 3, 5))
    endless = Scored(np.full(3, np.inf), np.arange(3))
    assert figure(ROW, "k", some, endless, resamplings([""] * 3, 5)).value == 1


def test_the_mean_leaves_out_what_has_no_value() -> None:
    group = [Figure(ROW, "a", 1, 0.6, (0.5, 0.7)), Figure(ROW, "b", 1, None), Figure(ROW, "c", 1, 0.8, (0.7, 0.9))]
    assert mean_figure(group, "mean") == Figure(ROW, "mean", 1, 0.7, (0.6, 0.8))
    assert mean_figure(group[1:2], "mean") == Figure(ROW, "mean", 1, None)
