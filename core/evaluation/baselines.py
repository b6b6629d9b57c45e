"""Plain methods to stand beside the model: a number means nothing alone.

All but the last work on relational statistics of windows, fitted to those of normal ones; higher is more anomalous.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.ensemble import ExtraTreesClassifier

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.core.evaluation.settings import MODEL, Fit, Scorer, Settings, Values
from dyadwatch.core.features.pair_frame import Anchors
from dyadwatch.core.features.pair_statistics import Scaling, Statistics
from dyadwatch.core.scoring.memory_bank import squared_distances

_EXPLAINED = 0.95
_CHUNK = 2000


def _in_chunks(score: Scorer) -> Scorer:
    """Bounds memory: distances to a large bank are made for some windows at a time."""

    def scorer(values: Values) -> NDArray[np.floating]:
        parts = [score(values[i : i + _CHUNK]) for i in range(0, len(values), _CHUNK)]
        return np.concatenate([np.zeros(0), *parts])

    return scorer


def nearest_to(statistics: Statistics, scaling: Scaling, normal: Values) -> Scorer:
    """Root mean square difference from the nearest normal window, scaled, in either order of the persons."""
    bank = scaling(normal)

    def score(values: Values) -> NDArray[np.floating]:
        scaled = scaling(values)
        found = [squared_distances(v, bank).min(axis=1) for v in (scaled, scaled[:, statistics.swap])]
        return np.sqrt(np.minimum(*found) / scaled.shape[1])

    return _in_chunks(score)


def nearest_neighbour(statistics: Statistics, normal: Values) -> Scorer:
    """Distance to the nearest normal window; scaled by the spread of the normal windows."""
    return nearest_to(statistics, Scaling.fit(normal, statistics), normal)


def _both_orders(statistics: Statistics, scaling: Scaling, values: Values) -> tuple[NDArray, NDArray]:
    scaled = scaling(values).astype(np.float64)
    return scaled, scaled[:, statistics.swap]


class _Directions:
    """Mean and leading directions of normal statistics, persons in both orders."""

    def __init__(self, statistics: Statistics, normal: Values) -> None:
        self.statistics = statistics
        self.scaling = Scaling.fit(normal, statistics)
        both = np.concatenate(_both_orders(statistics, self.scaling, normal))
        self.mean = both.mean(axis=0)
        self.centred = both - self.mean
        # eigenvectors of the smaller of the two products
        if len(both) <= both.shape[1]:
            power, left = np.linalg.eigh(self.centred @ self.centred.T)
            found = power > 1e-9 * max(power[-1], 1e-30)
            self.rows = (left[:, found].T @ self.centred) / np.sqrt(power[found])[:, None]
        else:
            power, right = np.linalg.eigh(self.centred.T @ self.centred)
            found = power > 1e-9 * max(power[-1], 1e-30)
            self.rows = right[:, found].T
        self.variance = power[found] / len(both)

    def best_order(self, score: Callable[[NDArray], NDArray]) -> Scorer:
        """The lower score of both orders of the persons."""
        return _in_chunks(
            lambda values: np.minimum(
                *(score(v - self.mean) for v in _both_orders(self.statistics, self.scaling, values))
            )
        )


def mahalanobis(statistics: Statistics, normal: Values) -> Scorer:
    """Squared Mahalanobis distance with Ledoit and Wolf's shrinkage of the covariance."""
    d = _Directions(statistics, normal)
    part = float(ledoit_wolf_shrinkage(d.centred, assume_centered=True))
    floor = max(part * d.variance.sum() / d.centred.shape[1], 1e-9)
    inside = 1 / ((1 - part) * d.variance + floor)

    def score(v: NDArray) -> NDArray:
        z = v @ d.rows.T
        return np.square(z) @ inside + np.maximum(np.square(v).sum(1) - np.square(z).sum(1), 0) / floor

    return d.best_order(score)


def pca_residual(statistics: Statistics, normal: Values) -> Scorer:
    """What is left after projecting on the directions that hold 95 % of the normal variance."""
    d = _Directions(statistics, normal)
    share = np.cumsum(d.variance[::-1]) / max(d.variance.sum(), 1e-30)
    rows = d.rows[::-1][: int(np.searchsorted(share, _EXPLAINED)) + 1]

    def score(v: NDArray) -> NDArray:
        return np.maximum(np.square(v).sum(1) - np.square(v @ rows.T).sum(1), 0)

    return d.best_order(score)


def single_person(statistics: Statistics, normal: Values) -> Scorer:
    """How far each person alone, pace and posture, is from the nearest normal person; the mean of the two."""
    pairs, person = statistics.sizes
    kinds = statistics.blocks[pairs : pairs + person]
    alone = np.flatnonzero(kinds < 6)  # kind 6 is the place in the pair's frame
    scaling = Scaling.fit(normal, statistics)

    def persons(values: Values) -> tuple[NDArray, NDArray]:
        scaled = scaling(values)
        return scaled[:, pairs + alone], scaled[:, pairs + person + alone]

    bank = np.concatenate(persons(normal))
    return _in_chunks(
        lambda values: np.mean([np.sqrt(squared_distances(p, bank).min(axis=1)) for p in persons(values)], axis=0)
    )


BASELINES: dict[str, Fit] = {
    "nearest neighbour": nearest_neighbour,
    "Mahalanobis": mahalanobis,
    "PCA residual": pca_residual,
    "nearest neighbour, each person alone": single_person,
}


def baselines_of(settings: Settings) -> dict[str, Fit]:
    """The plain methods of an evaluation by name: those above, then those that were given.

    Raises:
        DyadwatchError: a given one has a name that is taken, or is nothing that can be called.
    """
    for name, fit in settings.baselines.items():
        if not isinstance(name, str) or not name or name in (*BASELINES, MODEL, *settings.variants):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DyadwatchError(f"baselines has the name {name!r:.60}; expected one that no other method has")
        if not callable(fit):
            raise DyadwatchError(
                f"baseline {name!r} is {fit!r:.60}; expected a function of statistics and normal values"
            )
    return BASELINES | {name: _checked(name, fit) for name, fit in settings.baselines.items()}


def _checked(name: str, fit: Fit) -> Fit:
    """The same, with a look at what comes out."""

    def fitted(statistics: Statistics, normal: Values) -> Scorer:
        score = fit(statistics, normal)

        def scorer(values: Values) -> NDArray[np.floating]:
            found = np.asarray(score(values))
            if found.shape != (len(values),) or found.dtype.kind not in "fiu" or not np.isfinite(found).all():
                raise DyadwatchError(
                    f"baseline {name!r} gave {found.dtype} of shape {found.shape} for {len(values)} windows; expected "
                    f"({len(values)},) finite numbers, higher is more anomalous"
                )
            return found

        return scorer

    return fitted


def extra_trees(statistics: Statistics, intact: Values, broken: Values, trees: int, seed: int) -> Scorer:
    """Extra trees that tell intact from broken pairs; how surely a window is broken, the mean of both orders."""
    one = np.concatenate([intact, broken])
    x = np.concatenate([one, one[:, statistics.swap]])
    y = np.tile(np.repeat([0, 1], [len(intact), len(broken)]), 2)
    forest = ExtraTreesClassifier(trees, min_samples_leaf=2, random_state=seed).fit(x, y)

    def score(values: Values) -> NDArray:
        return np.mean([forest.predict_proba(v)[:, 1] for v in (values, values[:, statistics.swap])], axis=0)

    return _in_chunks(score)


def path_curvature(windows: NDArray[np.floating], at: Anchors) -> NDArray[np.float64]:
    """How much longer than straight the two walk, 1 - chord / path on the floor; (B, 2, T, J, 3) to (B,)."""
    pelvis = 0.5 * (windows[..., at.pelvis[0], :] + windows[..., at.pelvis[1], :])[..., [0, 2]].astype(np.float64)
    path = np.linalg.norm(np.diff(pelvis, axis=2), axis=-1).sum(axis=-1)
    chord = np.linalg.norm(pelvis[:, :, -1] - pelvis[:, :, 0], axis=-1)
    return (1 - chord / np.maximum(path, 1e-6)).mean(axis=1)
