"""Where alarms are raised, to the last digit."""

import numpy as np
import pytest
from scipy.stats import poisson

from dyadwatch.core.training.calibrate import thresholds
from dyadwatch.core.training.recordings import Windows


def windows(recordings: int, each: int) -> Windows:
    which = np.repeat(np.arange(recordings), each)
    joints = np.zeros((len(which), 2, 30, 1, 3), np.float32)
    return Windows(joints, which, which, np.tile(np.arange(each), recordings))


def levels(heights: np.ndarray, each: int = 5) -> np.ndarray:
    """Recording i stays at heights[i]."""
    return np.repeat(heights, each)


@pytest.mark.parametrize("recordings", [1, 10, 199])
def test_few_recordings_a_margin_above_the_highest(recordings):
    heights = np.linspace(1, 4, recordings) if recordings > 1 else np.array([4.0])
    given = thresholds(levels(heights), windows(recordings, 5), hop_s=0.2)
    assert given["raise_at"] == 4.25
    assert given["clear_at"] == 2.55
    assert given["evidence"]["method"].endswith("the highest, plus a margin")
    assert given["evidence"]["recordings_above_raise"] == 0


def test_what_is_set_where_nothing_came_near_says_so():
    given = thresholds(levels(np.linspace(0.1, 0.7, 10)), windows(10, 5), hop_s=0.2)
    assert given["raise_at"] == 2.5
    assert given["evidence"]["method"].endswith("plus a margin; never less than 2.5, which is what holds here")


@pytest.mark.parametrize(("recordings", "above"), [(200, 1), (399, 1), (400, 2), (1000, 5)])
def test_of_many_recordings_one_in_200_may_exceed(recordings, above):
    heights = np.linspace(1, 10, recordings)
    given = thresholds(levels(heights), windows(recordings, 5), hop_s=0.2)
    assert given["evidence"]["recordings_above_raise"] == above
    assert given["raise_at"] == pytest.approx(heights[-1 - above] + 0.01, abs=0.0051)
    assert given["evidence"]["method"].endswith("exceeded by 0.5% of them")
    assert given["evidence"]["recordings"] == recordings


@pytest.mark.parametrize("above", [0, 1, 3])
def test_the_bound_on_false_alarms_is_poissons(above):
    count = 200 * above or 40
    heights = np.full(count, 0.3)
    heights[:above] = 6
    score = levels(heights, 30)
    evidence = thresholds(score, windows(count, 30), hop_s=0.2)["evidence"]
    assert evidence["recordings_above_raise"] == above
    expected = evidence["events_per_hour_95"] * len(score) * 0.2 / 3600
    # with so many events expected, as few as were seen happen once in twenty times
    assert poisson.cdf(above, expected) == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize(("hop_s", "run"), [(0.2, 4), (0.1, 6), (0.5, 2), (2.0, 2)])
def test_half_a_second_must_pass_from_the_first_window_to_the_last(hop_s, run):
    for length in (run, run - 1):
        score = np.full(100, 0.3)
        score[25 : 25 + length] = 4
        raised = thresholds(score, windows(5, 20), hop_s)["raise_at"]
        assert raised == (4.25 if length == run else 2.5)


def test_a_recording_shorter_than_half_a_second_counts_too():
    given = thresholds(np.array([3.0, 3.5, 1.0]), windows(3, 1), hop_s=0.2)
    assert given["evidence"]["highest_sustained"] == 3.5
    assert given["raise_at"] == 3.75
