"""Nearest normal window: numpy and graph, symmetric, exact where it says so."""

import numpy as np
import pytest
import torch

from dyadwatch.core.data.clip_files import read_clips
from dyadwatch.core.data.resample import interpolate
from dyadwatch.core.features.pair_statistics import Statistics, mean_distances
from dyadwatch.core.iadnet.statistics_module import Neighbours
from dyadwatch.core.scoring.auroc import auroc
from dyadwatch.core.scoring.memory_bank import NearestNeighbour, enough_to_whiten, spread_subset, squared_distances
from dyadwatch.core.skeletons.layouts import UPPER11

PEACEFUL = {"approaching", "departing", "shaking_hands", "hugging", "exchanging_object"}


def people(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    body = np.random.default_rng(9).uniform([-0.3, 0, -0.2], [0.3, 1.6, 0.2], (1, 2, 1, 11, 3))
    body = body + rng.normal(scale=0.1, size=(count, 2, 1, 11, 3)) + [[[[0, 0, 0]]], [[[1.0, 0, 0.4]]]]
    return (body + 0.02 * rng.normal(size=(count, 2, 12, 11, 3)).cumsum(axis=2)).astype(np.float32)


STATISTICS = Statistics.of_layout(UPPER11, 15)


def bank(whiten: bool) -> tuple[NearestNeighbour, np.ndarray]:
    windows = people(60, 1)
    fitted = NearestNeighbour.fit(STATISTICS, STATISTICS(windows), most=40, whiten=whiten)
    return fitted, windows


@pytest.mark.parametrize("whiten", [False, True])
def test_a_window_of_the_support_finds_itself_in_both_orders(whiten):
    nearest, windows = bank(whiten)
    own = windows[nearest.chosen]
    forth, back = (nearest(STATISTICS(w)) for w in (own, own[:, ::-1]))
    assert not forth.swapped.any()
    assert back.swapped.all()
    assert (forth.entry == np.arange(len(own))).all()
    assert (back.entry == np.arange(len(own))).all()
    if whiten:
        assert max(forth.whitened.max(), back.whitened.max()) < 0.05


def test_the_distance_is_the_mean_of_the_three_nearest_in_either_order() -> None:
    windows = people(30, 1)
    values = STATISTICS(windows)
    nearest = NearestNeighbour.fit(STATISTICS, values)
    test = STATISTICS(people(5, 2))
    scaled = nearest.scaling(test)
    support = np.concatenate([nearest.support, nearest.support[:, STATISTICS.swap]])
    gaps = np.sqrt(np.square(scaled[:, None] - support[None]).mean(axis=2))
    np.testing.assert_allclose(nearest(test).distance, np.sort(gaps)[:, :3].mean(axis=1), rtol=2e-3)


def test_what_the_directions_leave_over_still_counts() -> None:
    values = STATISTICS(people(10, 1))  # twenty vectors span at most twenty directions of 1265
    nearest = NearestNeighbour.fit(STATISTICS, values)
    assert nearest.axes is not None
    assert nearest.axes.shape[0] <= 20
    strange = values[:1] + 50 * np.random.default_rng(0).normal(size=values.shape[1])
    whole = NearestNeighbour.fit(STATISTICS, values, project=False)
    np.testing.assert_allclose(nearest(strange).distance, whole(strange).distance, rtol=2e-3)


def test_a_support_set_without_directions_does_not_enter_a_graph() -> None:
    windows = people(5, 1)
    whole = NearestNeighbour.fit(STATISTICS, STATISTICS(windows), project=False)
    with pytest.raises(ValueError, match="fit it with project=True"):
        Neighbours(whole, mean_distances(windows, STATISTICS.joints), 11)


@pytest.mark.parametrize("whiten", [False, True])
def test_the_graph_finds_the_same(whiten):
    nearest, windows = bank(whiten)
    test = people(20, 2)
    graph = Neighbours(nearest, mean_distances(windows[nearest.chosen], STATISTICS.joints), 11)
    values = STATISTICS(test)
    distance, whitened, joint_pairs, shift = graph(
        torch.from_numpy(values), torch.from_numpy(mean_distances(test, STATISTICS.joints))
    )
    expected = nearest(values)
    np.testing.assert_allclose(distance.numpy(), expected.distance, rtol=1e-3)
    np.testing.assert_allclose(whitened.numpy(), expected.whitened, rtol=1e-3)
    assert (whitened > 0).all().item() is whiten
    assert joint_pairs.shape == shift.shape == (20, 11, 11)
    assert (joint_pairs >= 0).all()


def test_contributions_are_the_joint_pairs_part_of_the_squared_distance() -> None:
    nearest, windows = bank(whiten=False)
    values = STATISTICS(people(10, 3))
    graph = Neighbours(nearest, mean_distances(windows[nearest.chosen], STATISTICS.joints), 11)
    *_, joint_pairs, _ = graph(torch.from_numpy(values), torch.zeros(10, 11, 11))
    found = nearest(values)
    vectors = nearest.scaling(np.where(found.swapped[:, None], values[:, STATISTICS.swap], values))
    gap = np.square(vectors - nearest.support[found.entry])[:, : STATISTICS.sizes[0]]
    np.testing.assert_allclose(joint_pairs.sum((1, 2)), gap.sum(axis=1) / len(STATISTICS), rtol=1e-4)


def test_explanations_turn_with_the_persons() -> None:
    nearest, windows = bank(whiten=True)
    graph = Neighbours(nearest, mean_distances(windows[nearest.chosen], STATISTICS.joints), 11)
    test = people(10, 4)

    def explain(w):
        return graph(torch.from_numpy(STATISTICS(w)), torch.from_numpy(mean_distances(w, STATISTICS.joints)))

    for forth, back in zip(explain(test), explain(np.ascontiguousarray(test[:, ::-1])), strict=True):
        np.testing.assert_allclose(back.mT if back.ndim == 3 else back, forth, atol=1e-4)


def test_shift_says_how_much_nearer_two_joints_are() -> None:
    nearest, windows = bank(whiten=False)
    closer = windows[nearest.chosen][:5].copy()
    wrist, head = UPPER11.index["left_wrist"], UPPER11.index["head"]
    closer[:, 0, :, wrist] = closer[:, 1, :, head] + np.asarray([0.02, 0, 0], np.float32)
    graph = Neighbours(nearest, mean_distances(windows[nearest.chosen], STATISTICS.joints), 11)
    *_, joint_pairs, shift = graph(
        torch.from_numpy(STATISTICS(closer)), torch.from_numpy(mean_distances(closer, STATISTICS.joints))
    )
    before = mean_distances(windows[nearest.chosen][:5], STATISTICS.joints)[:, wrist, head]
    np.testing.assert_allclose(shift[:, wrist, head], 0.02 - before, atol=0.01)
    assert (joint_pairs.flatten(1).argmax(1) == wrist * 11 + head).all()


def test_entries_can_be_forbidden() -> None:
    nearest, windows = bank(whiten=False)
    values = STATISTICS(windows[nearest.chosen])
    allowed = ~np.eye(len(values), dtype=bool)
    found = nearest(values, allowed)
    assert (found.entry != np.arange(len(values))).all()
    assert found.distance.min() > 0.05


def test_a_spread_subset_leaves_nobody_out() -> None:
    rng = np.random.default_rng(0)
    crowd = rng.normal(size=(500, 3))
    rare = np.array([[50.0, 0, 0], [0, 50, 0]])
    kept = spread_subset(np.concatenate([crowd, rare]), 10)
    assert {500, 501} <= set(kept.tolist())
    assert len(kept) == len(set(kept.tolist())) == 10
    assert (spread_subset(crowd, 500) == np.arange(500)).all()


def test_squared_distances() -> None:
    a, b = np.array([[0.0, 0], [1, 1]]), np.array([[3.0, 4]])
    np.testing.assert_allclose(squared_distances(a, b), [[25], [13]])


@pytest.mark.parametrize(("frames", "enough"), [(600 * 30, True), (600 * 30 - 1, False)])
def test_whitening_needs_data(frames, enough):
    assert enough_to_whiten(frames, 30) is enough


def test_auroc_counts_ties_half() -> None:
    assert auroc(np.array([0.0, 1]), np.array([1.0, 2])) == 0.875
    assert np.isnan(auroc(np.array([]), np.array([1.0])))


def test_peaceful_and_violent_clips_are_told_apart(shared_data):
    clips = read_clips(shared_data / "sbu")
    statistics = Statistics.of_layout(clips.layout, 15)
    whole = np.stack([interpolate(c.joints, np.linspace(0, len(c) - 1, 24)) for c in clips]).swapaxes(1, 2)
    values = statistics(whole)
    peaceful = np.array([c.label in PEACEFUL for c in clips])
    fold = np.array([c.split for c in clips])
    found = []
    for f in np.unique(fold):
        test = fold == f
        score = NearestNeighbour.fit(statistics, values[peaceful & ~test])(values[test]).distance
        found.append(auroc(score[peaceful[test]], score[~peaceful[test]]))
    assert np.mean(found) > 0.967
