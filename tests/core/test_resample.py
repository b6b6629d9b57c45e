"""Clips onto the model's grid."""

import numpy as np
import pytest

from dyadwatch.core.data.resample import close_gaps, interpolate, resample

NAN = np.float32("nan")


def line(frames: int) -> np.ndarray:
    """A joint that moves one metre a frame; shape (frames, 1, 3)."""
    return np.arange(frames, dtype=np.float32)[:, None, None] * np.ones((1, 1, 3), np.float32)


@pytest.mark.parametrize(
    ("frames", "fps", "target", "expected"),
    [(31, 30, 15, 16), (30, 30, 15, 15), (60, 120, 30, 15), (10, 10, 15, 14), (61, 29.97, 15, 31), (1, 30, 15, 1)],
)
def test_times_are_kept(frames, fps, target, expected):
    out = resample(line(frames), fps, target)
    assert len(out) == expected
    np.testing.assert_allclose(out[:, 0, 0], np.arange(expected) * fps / target, atol=1e-3)


def test_same_rate_is_untouched() -> None:
    joints = line(5)
    assert resample(joints, 15, 15) is joints


def test_unseen_frames_spoil_only_what_lies_beside_them() -> None:
    joints = line(7)
    joints[3] = NAN
    assert np.isnan(resample(joints, 30, 20)[:, 0, 0]).tolist() == [False, False, True, False, False]
    assert not np.isnan(interpolate(joints, np.array([2.0, 4.0]))).any()


def test_short_gaps_are_closed_in_a_straight_line() -> None:
    joints = line(12)
    joints[3:5] = NAN
    closed = close_gaps(joints, 2)
    np.testing.assert_allclose(closed, line(12), atol=1e-6)
    assert np.isnan(joints[3]).all()


def test_long_gaps_and_ends_stay_open() -> None:
    joints = line(12)
    joints[3:6] = NAN
    joints[[0, 11]] = NAN
    assert np.isnan(close_gaps(joints, 2)[:, 0, 0]).nonzero()[0].tolist() == [0, 3, 4, 5, 11]
