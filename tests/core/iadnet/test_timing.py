"""Whether two would fit better a little earlier or later: against the equation, and of people who walk in step."""

import numpy as np
import pytest
import torch
from torch import Tensor

from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.iadnet.mismatch_classifier import MismatchClassifier
from dyadwatch.core.iadnet.timing import TimingGain, lag_frames
from dyadwatch.core.skeletons.layouts import UPPER11

FRAMES, FPS, LAG = 10, 15.0, 3
STATISTICS = Statistics.of_layout(UPPER11, FPS)


def sway(lag: int, count: int = 4) -> np.ndarray:
    """Two people a metre apart whose hands sway alike, the second's `lag` frames later."""
    rng = np.random.default_rng(1)
    t = np.arange(FRAMES) + rng.integers(0, 30, (count, 1))
    body = np.repeat(rng.uniform([-0.3, 0, -0.2], [0.3, 1.6, 0.2], (1, 2, 1, 11, 3)), count, axis=0)
    windows = np.repeat(body, FRAMES, axis=2)
    windows[:, 1, :, :, 0] += 1.0
    for person, late in ((0, 0), (1, lag)):
        windows[:, person, :, 5:9, 0] += 0.2 * np.sin(2 * np.pi * (t - late) / 15)[..., None]
    return windows.astype(np.float32)


class Distance(MismatchClassifier):
    """Knows that hands that sway alike keep their distance: the logit is how much the joint pairs' distances vary."""

    def forward(self, values: Tensor) -> Tensor:
        r = len(STATISTICS.joints)
        return values[:, : 7 * r * r].unflatten(1, (7, r * r))[:, 4].mean(1)


@pytest.fixture
def gain() -> TimingGain:
    values = STATISTICS(sway(0))
    return TimingGain(Distance(STATISTICS, values.mean(0), values.std(0)), STATISTICS, FRAMES)


@torch.no_grad()
@pytest.mark.parametrize("late", [-LAG, LAG])
def test_who_is_late_would_fit_better_earlier(gain: TimingGain, late: int) -> None:
    in_step, out_of_step = (gain(torch.from_numpy(sway(lag))) for lag in (0, late))
    assert (in_step < 0).all()
    assert (out_of_step > 0).all()


@torch.no_grad()
def test_it_is_the_gain_of_the_equation_whoever_is_first(gain: TimingGain) -> None:
    windows = sway(2)
    earlier, later = windows[:, :, :-LAG], windows[:, :, LAG:]

    def logit(first: np.ndarray, second: np.ndarray) -> Tensor:
        pair = np.stack([first[:, 0], second[:, 1]], axis=1)
        return gain.critic(torch.from_numpy(STATISTICS(pair).astype(np.float32)))

    expected = logit(later, later) - torch.minimum(logit(later, earlier), logit(earlier, later))
    torch.testing.assert_close(gain(torch.from_numpy(windows)), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(gain(torch.from_numpy(windows[:, ::-1].copy())), expected, rtol=1e-4, atol=1e-4)


def test_windows_too_short_to_be_shifted() -> None:
    assert (lag_frames(10, 15), lag_frames(8, 15), lag_frames(7, 15), lag_frames(20, 30)) == (3, 3, 0, 6)
    values = STATISTICS(sway(0))
    with pytest.raises(ValueError, match=r"^frames is 7; expected 5 more than 0.2 s have$"):
        TimingGain(MismatchClassifier(STATISTICS, values.mean(0), values.std(0)), STATISTICS, 7)
