"""What a trained model knows of how windows differ, without what it finds normal: the part that outlives its data.

Scale and directions say which differences between two windows matter. They are learnt once, from whatever people
did, and hold for a new normal of which there are only a few clips (Kamide et al., arXiv 2508.17726: one
representation for all categories, a support set for each). They hold as far as the sensor is the same; so a metric can
be moved towards what the clips of the new normal say (`Metric.moved`), the further the more of them there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.features.pair_statistics import Scaling, Statistics, mean_distances
from dyadwatch.core.scoring.memory_bank import Distances, NearestNeighbour, compare, principal_axes, projected

_CHUNK = 1000  # windows at a time; bounds memory, changes nothing
# So many clips weigh as much as all that the base has seen. Compared were 1, 2, 5 and 10, moving the centre wholly or
# not at all, and taking all from the clips; docs/enrol.md has the figures.
_AS_MUCH_AS_BASE = 5


@dataclass(frozen=True)
class Metric:
    """How different two windows are; `core.scoring.memory_bank` without a support set.

    Arguments:
        statistics: how vectors are made.
        scaling: how they are scaled.
        axes: orthonormal directions that are compared, shape (D, F); None compares in all F.
        precision: one over the spread of the base's normal in each direction, shape (D,); None does not whiten.
    """

    statistics: Statistics
    scaling: Scaling
    axes: NDArray[np.float32] | None = None
    precision: NDArray[np.float32] | None = None

    @classmethod
    def fit(cls, statistics: Statistics, values: NDArray[np.floating], *, whiten: bool = False) -> Metric:
        """From statistics of windows of any categories, shape (N, F), N >= 1."""
        bank = NearestNeighbour.fit(statistics, values, most=1, whiten=whiten)
        return cls(statistics, bank.scaling, bank.axes, bank.precision)

    def moved(self, values: NDArray[np.floating], clips: int) -> Metric:
        """For a new normal: n of its clips count n / (n + 5) beside what scale and centre were.

        The directions become those of the new windows, which leaves least of them over, as many as before (of zero
        length where there are not so many); nothing is compared in directions of equal spread, for few windows do not
        tell how little each varies.

        Arguments:
            values: statistics of the new normal's windows, shape (N, F), N >= 1.
            clips: how many independent clips they are from.
        """
        own = Scaling.fit(values, self.statistics)
        weight = clips / (clips + _AS_MUCH_AS_BASE)
        centre = self.scaling.centre + weight * (own.centre - self.scaling.centre)
        scale = self.scaling.scale * (own.scale / self.scaling.scale) ** weight
        scaling = Scaling(centre.astype(np.float32), scale.astype(np.float32))
        if self.axes is None:
            return Metric(self.statistics, scaling)
        leading = principal_axes(scaling(values), self.statistics)[0][: len(self.axes)]
        axes = np.zeros_like(self.axes)
        axes[: len(leading)] = leading
        return Metric(self.statistics, scaling, axes)

    def compared(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        """What distances are taken of: scaled vectors (N, F), or their projection and its residual (N, D + 1)."""
        return scaled if self.axes is None else projected(scaled, self.axes)

    def distances(
        self, values: NDArray[np.floating], support: Support, allowed: NDArray[np.bool_] | None = None
    ) -> Distances:
        """Distances to the nearest support windows, in whichever order of the persons is nearer.

        Arguments:
            values: unscaled statistics, shape (N, F).
            allowed: shape (N, support), False where an entry may not be used: leave-one-clip-out. At least one a row
                is True.
        """
        plain, whitened = np.zeros(len(values), np.float32), np.zeros(len(values), np.float32)
        for at in range(0, len(values), _CHUNK):
            part = slice(at, at + _CHUNK)
            scaled = self.scaling(values[part])
            seen = [self.compared(v) for v in (scaled, scaled[:, self.statistics.swap])]
            may = None if allowed is None else allowed[part]
            found, _ = compare(seen, support.compared, len(self.statistics), self.precision, may)
            plain[part], whitened[part] = found.plain, found.whitened
        return Distances(plain, whitened)


@dataclass(frozen=True)
class Support:
    """Windows that are normal.

    Arguments:
        scaled: scaled statistics of joint pairs, of half precision in value, shape (N, P).
        compared: what distances are taken of, shape (N, D + 1), or (N, F) without directions.
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
        return cls(
            scaled[:, : metric.statistics.sizes[0]],
            metric.compared(scaled),
            mean_distances(windows, metric.statistics.joints),
        )

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
    return lambda windows: metric.distances(metric.statistics(windows), normal).plain
