"""The map from raw scores to surprise."""

import numpy as np
import pytest
import torch

from dyadwatch.core.errors import TrainingError
from dyadwatch.core.iadnet.score_module import SurpriseMap
from dyadwatch.core.scoring.tail_calibration import TailCalibration


def exponential(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).exponential(size=count)


def test_surprise_is_the_logarithm_of_the_tail() -> None:
    surprise = TailCalibration.fit(exponential(20_000))
    tails = np.array([0.3, 0.1, 0.01, 0.001, 1e-4, 1e-6])
    np.testing.assert_allclose(surprise(-np.log(tails)), -np.log10(tails), rtol=0.12)


def test_fresh_normal_scores_are_as_rare_as_said() -> None:
    fitted, fresh = TailCalibration.fit(exponential(3000)), exponential(50_000, seed=1)
    for level in (1.0, 2.0):
        assert (fitted(fresh) >= level).mean() == pytest.approx(10**-level, rel=0.25)


def test_it_rises_and_never_falls() -> None:
    surprise = TailCalibration.fit(exponential(200))
    values = surprise(np.linspace(-1, 100, 2000))
    assert (np.diff(values) >= 0).all()
    assert values[0] == 0


def test_past_one_in_a_billion_only_the_order_is_kept() -> None:
    surprise = TailCalibration.fit(exponential(1000))
    far = surprise(np.array([100.0, 200.0, 1000.0]))
    assert (np.diff(far) > 0).all()
    assert far[-1] < 20


def test_the_graph_maps_alike() -> None:
    surprise = TailCalibration.fit(exponential(500))
    scores = np.linspace(-1, 40, 300)
    np.testing.assert_allclose(SurpriseMap(surprise)(torch.from_numpy(scores).float()), surprise(scores), atol=2e-4)


def test_a_part_without_a_say_is_nought_everywhere() -> None:
    assert (TailCalibration.zero()(np.array([-5.0, 0, 1e6])) == 0).all()


def test_half_believed_it_says_half() -> None:
    surprise, scores = TailCalibration.fit(exponential(200)), np.linspace(0, 9, 50)
    np.testing.assert_allclose(surprise.times(0.5)(scores), 0.5 * surprise(scores))
    assert not surprise.times(0.0)(scores).any()


def test_equal_scores_do_not_break_it() -> None:
    surprise = TailCalibration.fit(np.ones(50))
    assert surprise(np.array([1.0]))[0] == 0
    assert surprise(np.array([1.1]))[0] > 3


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        (np.ones(4), "4 normal windows to calibrate on; expected at least 5"),
        (
            np.array([1, 2, np.nan, 3, 4, 5]),
            "a normal score is not a finite number; expected finite scores to calibrate on",
        ),
    ],
)
def test_what_cannot_be_calibrated_on(scores: np.ndarray, text: str) -> None:
    with pytest.raises(TrainingError) as caught:
        TailCalibration.fit(scores)
    assert str(caught.value) == text


@pytest.mark.parametrize("seed", range(20))
def test_the_lower_of_two_maps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = TailCalibration.fit(rng.normal(rng.normal(), rng.uniform(0.1, 2), 200))
    two = TailCalibration.fit(rng.gamma(2, rng.uniform(0.1, 2), 60))
    scores = np.concatenate([np.linspace(-5, 40, 4001), [1e3, 1e4]])
    lower = one.lower_of(two)
    np.testing.assert_allclose(lower(scores), np.minimum(one(scores), two(scores)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(one.lower_of(one)(scores), one(scores), rtol=1e-5, atol=1e-5)
    assert not one.lower_of(TailCalibration.zero())(scores).any()
