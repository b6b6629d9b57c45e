"""What a trained model knows of how windows differ, without what it finds normal: the part that outlives its data.

Scaling and whitening say which differences between two windows matter. They are learnt once, from whatever people
did, and hold for a new normal of which there are only a few clips (Kamide et al., arXiv 2508.17726: one
representation for all categories, a support set for each).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.neighbours import NearestNeighbour, squared_distances
from dyadwatch.core.statistics import Scaling, Statistics, mean_distances

_CHUNK = 2000  # windows at a time; bounds memory, changes nothing


@dataclass(frozen=True)
class Metric:
    """How different two windows are.

    Arguments:
        statistics: how vectors are made.
        scaling: how they are scaled.
        axes: whitening of scaled vectors, shape (D, F); None compares them as they are.
    """

    statistics: Statistics
    scaling: Scaling
    axes: NDArray[np.float32] | None = None

    @classmethod
    def fit(cls, statistics: Statistics, values: NDArray[np.floating], *, whiten: bool = False) -> Metric:
        """From statistics of windows of any categories, shape (N, F), N >= 1."""
        bank = NearestNeighbour.fit(statistics, values, most=1, whiten=whiten)
        return cls(statistics, bank.scaling, bank.axes)

    def unweighted(self) -> Metric:
        """The same directions, each with the weight it has by itself.

        Whitening weighs a direction by how little normal windows vary along it. It takes hundreds of windows of just
        that normal: for five clips of another one it turns the ranking into noise, on data like the base's as well
        (AUROC, simulated hugs 0.40 with and 0.99 without; SBU, five categories 0.72 and 0.96).
        """
        if self.axes is None:
            return self
        lengths = np.linalg.norm(self.axes, axis=1, keepdims=True)
        return Metric(self.statistics, self.scaling, self.axes / np.maximum(lengths, 1e-12))

    def compared(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        """What distances are taken of: scaled vectors (N, F), or their whitened form (N, D)."""
        return scaled if self.axes is None else scaled @ self.axes.T

    def distances(
        self, values: NDArray[np.floating], support: Support, allowed: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Root mean square difference from the nearest support window, in whichever order of the persons is nearer.

        Arguments:
            values: unscaled statistics, shape (N, F).
            allowed: shape (N, support), False where an entry may not be used: leave-one-clip-out.

        Returns:
            Shape (N,); infinite where no entry may be used.
        """
        out = np.zeros(len(values), np.float32)
        for at in range(0, len(values), _CHUNK):
            scaled = self.scaling(values[at : at + _CHUNK])
            found = [
                squared_distances(self.compared(v), support.compared) for v in (scaled, scaled[:, self.statistics.swap])
            ]
            nearer = np.minimum(*found)
            if allowed is not None:
                nearer = np.where(allowed[at : at + _CHUNK], nearer, np.inf)
            out[at : at + _CHUNK] = np.sqrt(nearer.min(axis=1) / support.compared.shape[1])
        return out


@dataclass(frozen=True)
class Support:
    """Windows that are normal.

    Arguments:
        scaled: scaled statistics, of half precision in value: all of them, or those of joint pairs only where they
            are whitened for comparison; shape (N, F) or (N, P).
        compared: what distances are taken of, shape (N, D).
        distances: mean distance of each joint pair, metres, shape (N, R, R).
    """

    scaled: NDArray[np.float32]
    compared: NDArray[np.float32]
    distances: NDArray[np.float32]

    @classmethod
    def of_windows(cls, metric: Metric, windows: NDArray[np.floating]) -> Support:
        """From windows (N, 2, T, J, 3) in metres, N >= 1."""
        # as the model file keeps it
        scaled = metric.scaling(metric.statistics(windows)).astype(np.float16).astype(np.float32)
        kept = scaled if metric.axes is None else scaled[:, : metric.statistics.sizes[0]]
        return cls(kept, metric.compared(scaled), mean_distances(windows, metric.statistics.joints))

    def __len__(self) -> int:
        return len(self.compared)

    def __add__(self, other: Support) -> Support:
        """Both sets in one."""
        return Support(
            np.concatenate([self.scaled, other.scaled]),
            np.concatenate([self.compared, other.compared]),
            np.concatenate([self.distances, other.distances]),
        )


def support_scorer(
    metric: Metric, support: NDArray[np.floating]
) -> Callable[[NDArray[np.floating]], NDArray[np.float32]]:
    """A score made from support windows (N, 2, T, J, 3) alone, nothing learnt from them.

    Returns:
        A function from windows (B, 2, T, J, 3) to distances (B,), higher is more anomalous.
    """
    normal = Support.of_windows(metric, support)
    return lambda windows: metric.distances(metric.statistics(windows), normal)
