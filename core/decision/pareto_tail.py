"""How often peaks higher than any that was seen come: a generalised Pareto tail over a high threshold.

Pickands (1975); fitted by probability-weighted moments (Hosking and Wallis, Technometrics 29, 1987), which are closed
and steady for few peaks, where likelihood is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_PEAKS = 20
_MOST_SHAPE = 0.5  # beyond, the variance of the peaks is infinite and nothing can be said


@dataclass(frozen=True)
class Tail:
    """Peaks over `over` come at `rate`, and beyond x at rate * (1 + shape (x - over) / scale) ** (-1 / shape).

    Arguments:
        over: the threshold of the fit.
        rate: of peaks over it, an hour.
        shape: 0 is an exponential tail; never below, so that no highest possible peak is assumed.
        scale: above 0, in the unit of the peaks.
        peaks: number that it was fitted to.
    """

    over: float
    rate: float
    shape: float
    scale: float
    peaks: int

    def level(self, rate: float) -> float:
        """What peaks exceed `rate` times an hour; at least `over`."""
        times = max(self.rate / rate, 1.0)
        if self.shape < 1e-9:
            return self.over + self.scale * math.log(times)
        return self.over + self.scale * (times**self.shape - 1) / self.shape


def fit_tail(peaks: NDArray[np.float64], over: float, rate: float) -> Tail:
    """The tail of independent peaks, all of them over `over`, shape (N,), at least `FEWEST_PEAKS`."""
    excess = np.sort(peaks - over)
    n = len(excess)
    mean = float(excess.mean())
    upper = float((excess * (n - np.arange(1, n + 1) + 0.35) / n).mean())  # E[x (1 - F(x))]
    rest = mean - 2 * upper
    shape = 2 - mean / rest if rest > 0 else _MOST_SHAPE
    shape = min(max(shape, 0.0), _MOST_SHAPE)
    return Tail(over, rate, shape, max(mean * (1 - shape), 1e-6), n)
