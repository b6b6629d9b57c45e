"""From a raw score to surprise: -log10 of how rarely a normal window scores so high."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import TrainingError

# Tail probabilities at which the empirical curve is pinned; past the last one that the data can carry, the tail
# is exponential. Few and far between, so that the curve follows the distribution and not its noise.
_TAILS = (1.0, 0.75, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
_LEAST_BEYOND = 20  # normal scores beyond the last pin; from these the exponential tail takes its rate
_FEWEST = 5
# One window in a billion is more than any calibration can vouch for; past it the order is kept, not the number.
_BELIEVED = 9.0
_PAST_BELIEF = 0.02


@dataclass(frozen=True)
class TailCalibration:
    """A rising, piecewise linear map: surprise(s) = sum_k slope_k max(s - knot_k, 0).

    0 at and below the lowest normal score, 1 where one normal window in ten scores as high, 3 where one in a
    thousand does. Past the data it goes on as an exponential tail does: straight, and past 9 at a fiftieth of that
    slope.

    Arguments:
        knots: scores at which the slope changes, rising, shape (K,).
        slopes: change of slope there, shape (K,).
    """

    knots: NDArray[np.float64]
    slopes: NDArray[np.float64]

    @classmethod
    def fit(cls, normal: NDArray[np.floating]) -> TailCalibration:
        """From the scores of normal windows that the score was not made from, shape (N,), N >= 5.

        Raises:
            TrainingError: when there are fewer, or one is not finite.
        """
        scores = np.sort(np.asarray(normal, np.float64).ravel())
        if len(scores) < _FEWEST:
            raise TrainingError(f"{len(scores)} normal windows to calibrate on; expected at least {_FEWEST}")
        if not np.isfinite(scores).all():
            raise TrainingError("a normal score is not a finite number; expected finite scores to calibrate on")
        beyond = min(_LEAST_BEYOND, max(len(scores) // 5, 1))
        tails = [p for p in _TAILS if p == 1.0 or p * len(scores) >= beyond]
        least = max(1e-6, 1e-3 * (scores[-1] - scores[0]))  # two pins closer than this are one: a jump has no slope
        knots, levels = [float(scores[0])], [0.0]
        for p in tails[1:]:
            knot = float(np.quantile(scores, 1 - p))
            if knot - knots[-1] >= least:
                knots.append(knot)
                levels.append(-math.log10(p))
        # the mean excess of an exponential tail is 1 / rate
        excess = max(float(np.mean(scores[-beyond:]) - min(knots[-1], scores[-beyond])), least)
        rate = 1 / (excess * math.log(10))
        knots.append(knots[-1] + (_BELIEVED - levels[-1]) / rate)
        levels.append(_BELIEVED)
        gradients = np.append(np.diff(levels) / np.diff(knots), _PAST_BELIEF * rate)
        return cls(np.asarray(knots), np.diff(gradients, prepend=0.0))

    @classmethod
    def zero(cls) -> TailCalibration:
        """The map of a part that has nothing to say: 0 everywhere."""
        return cls(np.zeros(1), np.zeros(1))

    def times(self, weight: float) -> TailCalibration:
        """The map of a part of which only so much is believed; of nothing, the map of a part with nothing to say."""
        return TailCalibration(self.knots, weight * self.slopes) if weight > 0 else TailCalibration.zero()

    def lower_of(self, other: TailCalibration) -> TailCalibration:
        """The map that is, score by score, the lower of the two: calm is what either of them calls calm."""
        knots = np.union1d(self.knots, other.knots)
        # past the last knot both are straight, and may cross once more
        steps = np.append(knots, knots[-1] + 1)
        gap = self(steps) - other(steps)
        closing = gap[-2] - gap[-1]
        if closing and gap[-2] / closing > 0:
            knots = np.append(knots, knots[-1] + gap[-2] / closing)
        gap = self(knots) - other(knots)
        turns = np.flatnonzero(gap[:-1] * gap[1:] < 0)
        crossings = knots[turns] + np.diff(knots)[turns] * gap[turns] / (gap[turns] - gap[turns + 1])
        knots = np.sort(np.append(knots, crossings))
        # two knots nearer than single precision tells apart have no slope between them
        apart = np.diff(knots, prepend=-np.inf) > 1e-6 * max(1e-3, float(np.abs(knots).max()))
        knots = knots[apart]
        levels = np.minimum(self(knots), other(knots))
        past = knots[-1] + 1
        last = min(float(self(past)), float(other(past))) - levels[-1]
        gradients = np.append(np.diff(levels) / np.diff(knots), last)
        return TailCalibration(knots, np.diff(gradients, prepend=0.0))

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Surprise of scores of any shape."""
        above = np.maximum(np.asarray(scores, np.float64)[..., None] - self.knots, 0)
        return above @ self.slopes
