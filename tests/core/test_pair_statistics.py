"""Relational statistics: what they measure, and that the graph measures the same."""

import numpy as np
import pytest
import torch

from dyadwatch.core.features.pair_statistics import (
    PER_PAIR,
    SEGMENTS,
    Scaling,
    Statistics,
    mean_distances,
    plain_log,
    segment_weights,
    statistics_joints,
)
from dyadwatch.core.iadnet.frame_module import PairFrame
from dyadwatch.core.iadnet.statistics_module import RelationalStatistics
from dyadwatch.core.skeletons.layouts import LAYOUTS, SBU15, UPPER11


def people(count: int, frames: int, joints: int, seed: int = 0) -> np.ndarray:
    """Windows (count, 2, frames, joints, 3) of two bodies of about a metre that drift."""
    rng = np.random.default_rng(seed)
    body = rng.uniform([-0.3, 0, -0.2], [0.3, 1.6, 0.2], (count, 2, 1, joints, 3))
    body[:, 1] += [1.0, 0, 0.4]
    return (body + 0.03 * rng.normal(size=(count, 2, frames, joints, 3)).cumsum(axis=2)).astype(np.float32)


@pytest.mark.parametrize("layout", [UPPER11, SBU15, LAYOUTS["zed26"]], ids=lambda layout: layout.name)
@pytest.mark.parametrize("frames", [10, 30])
def test_the_graph_computes_the_same_numbers(layout, frames):
    windows = people(5, frames, len(layout))
    statistics = Statistics.of_layout(layout, 15)
    raw = torch.from_numpy(windows)
    values, distances = RelationalStatistics(statistics, frames)(raw, PairFrame(statistics.at)(raw))
    np.testing.assert_allclose(values.numpy(), statistics(windows), atol=2e-4)
    np.testing.assert_allclose(distances.numpy(), mean_distances(windows, statistics.joints), atol=1e-5)


def test_swapping_the_persons_permutes_the_vector() -> None:
    windows = people(4, 12, 11)
    statistics = Statistics.of_layout(UPPER11, 15)
    np.testing.assert_allclose(statistics(windows[:, ::-1]), statistics(windows)[:, statistics.swap], atol=1e-5)
    assert (statistics.swap[statistics.swap] == np.arange(len(statistics))).all()
    assert (statistics.blocks[statistics.swap] == statistics.blocks).all()


def test_place_and_heading_of_the_camera_do_not_matter() -> None:
    windows = people(3, 12, 11)
    turned = windows[..., [2, 1, 0]] * np.asarray([1, 1, -1], np.float32) + np.asarray([3, 0.5, -2], np.float32)
    statistics = Statistics.of_layout(UPPER11, 15)
    np.testing.assert_allclose(statistics(turned), statistics(windows), atol=1e-3)


def test_distance_quarters_tell_approaching_from_departing() -> None:
    windows = people(1, 20, 11)[:, :, :1].repeat(20, axis=2)
    windows[:, 1, :, :, 0] += np.linspace(2, 0, 20, dtype=np.float32)[:, None]
    statistics = Statistics.of_layout(UPPER11, 15)
    quarters = statistics(windows)[0, : SEGMENTS * 121].reshape(SEGMENTS, 121)
    backwards = statistics(windows[:, :, ::-1])[0, : SEGMENTS * 121].reshape(SEGMENTS, 121)
    assert (np.diff(quarters, axis=0) < 0).all()
    np.testing.assert_allclose(backwards, quarters[::-1], atol=1e-5)


def test_a_speed_is_metres_per_second_whatever_the_rate() -> None:
    still = people(1, 30, 11)[:, :, :1]
    moved = {fps: still.repeat(2 * fps, axis=2) for fps in (15, 30)}
    for fps, windows in moved.items():
        windows[:, 1, :, :, 0] += (np.arange(2 * fps) * 0.8 / fps)[:, None].astype(np.float32)
    slow, fast = (Statistics.of_layout(UPPER11, fps)(w) for fps, w in moved.items())
    speeds = Statistics.of_layout(UPPER11, 15).blocks == 4
    np.testing.assert_allclose(slow[:, speeds], fast[:, speeds], atol=1e-3)


@pytest.mark.parametrize("steps", [2, 7, 23, 30])
def test_quarters_average(steps):
    weights = segment_weights(steps)
    assert weights.shape == (SEGMENTS, steps)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights.mean(axis=0), 1 / steps)
    assert (weights >= 0).all()


def test_plain_log_is_a_logarithm() -> None:
    x = np.geomspace(0.02, 50, 200)
    assert (np.diff(plain_log(x)) > 0).all()
    np.testing.assert_allclose(plain_log(x), np.log(x), rtol=0.02, atol=1e-12)


def test_rich_layouts_keep_the_joints_that_matter() -> None:
    layout = LAYOUTS["zed26"]
    names = {layout.joints[i] for i in statistics_joints(layout)}
    assert {"head", "neck", "pelvis", "left_wrist", "right_elbow", "left_hip"} <= names
    assert not names & {"left_eye", "right_thumb", "left_handtip"}
    assert len(names) <= 16
    assert statistics_joints(SBU15) == tuple(range(15))


def test_sizes_and_no_windows() -> None:
    statistics = Statistics.of_layout(UPPER11, 15)
    pairs, person = statistics.sizes
    assert (pairs, person) == (PER_PAIR * 121, 22 + 55 + 132)
    assert statistics(np.zeros((0, 2, 30, 11, 3), np.float32)).shape == (0, pairs + 2 * person)


def test_scaling_shares_one_scale_among_a_kind_and_tames_outliers() -> None:
    statistics = Statistics.of_layout(UPPER11, 15)
    values = statistics(people(40, 12, 11))
    scaling = Scaling.fit(values, statistics)
    for kind in np.unique(statistics.blocks):
        assert len(np.unique(scaling.scale[statistics.blocks == kind])) == 1
    np.testing.assert_allclose(scaling.centre[statistics.swap], scaling.centre)
    assert np.abs(scaling(values + 1000 * scaling.scale)).max() < 10
