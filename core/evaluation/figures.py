"""AUROC with clip bootstrap intervals, in a form that can be averaged over folds, categories and seeds."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import TrainingError
from dyadwatch.core.evaluation.row import Row


@dataclass(frozen=True)
class Figure:
    """One AUROC of one method.

    Arguments:
        row: what was measured: the method, and which of its scores.
        measure: on what: the kind of anomaly, the size of a support set.
        draw: which draw of the test, where it is drawn at random.
        value: AUROC; None where there was nothing to compare.
        replicates: the same on resampled clips. The n-th replicate of every figure of a test set is from the same
            resampling, so means of figures have replicates too: the means of theirs.
    """

    row: Row
    measure: str
    draw: int
    value: float | None
    replicates: tuple[float, ...] = ()


@dataclass
class Result:
    """What a job gives.

    Arguments:
        figures: AUROCs.
        remarks: anything else worth keeping, as plain values.
    """

    figures: list[Figure]
    remarks: dict[str, Any] = field(default_factory=dict)


def resamplings(strata: Sequence[str], count: int, seed: int = 0) -> NDArray[np.float64]:
    """How often each clip is in each bootstrap sample, drawn with replacement inside each stratum.

    Arguments:
        strata: of each clip, such as its label.
        count: samples.

    Returns:
        Shape (count, clips).
    """
    names = np.asarray(strata)
    out = np.zeros((count, len(names)))
    for name in np.unique(names):
        mine = np.flatnonzero(names == name)
        # each stratum has its own stream, so that it is resampled alike whatever else is in the test set
        rng = np.random.default_rng([seed, zlib.crc32(str(name).encode())])
        out[:, mine] = rng.multinomial(len(mine), np.full(len(mine), 1 / len(mine)), size=count)
    return out


@dataclass(frozen=True)
class Scored:
    """Scores and the clip each is of; shapes (N,)."""

    scores: NDArray[np.floating]
    clip: NDArray[np.intp]

    def take(self, keep: NDArray) -> Scored:
        """Some of them, by mask or index."""
        return Scored(self.scores[keep], self.clip[keep])


def figure(
    row: Row, measure: str, normal: Scored, anomalous: Scored, samples: NDArray[np.floating], draw: int = 0
) -> Figure:
    """AUROC of anomalous against normal scores, and of every resampling of the clips.

    Arguments:
        samples: from `resamplings`, shape (count, clips).

    Raises:
        TrainingError: when a score is no number, which has no place in an order.
    """
    for scored in (normal, anomalous):
        lost = int(np.isnan(scored.scores).sum())
        if lost:
            raise TrainingError(
                f"{row}, {measure}: {lost} of {len(scored.scores)} scores are nan; expected a number each"
            )
    if not len(normal.scores) or not len(anomalous.scores):
        return Figure(row, measure, draw, None)
    clips = samples.shape[1]
    won = _wins(normal, anomalous, clips)
    n_normal, n_anomalous = (np.bincount(s.clip, minlength=clips) for s in (normal, anomalous))
    value = float(won.sum() / (n_normal.sum() * n_anomalous.sum()))
    pairs = (samples @ n_normal) * (samples @ n_anomalous)
    wins = ((samples @ won) * samples).sum(axis=1)
    replicates = np.where(pairs > 0, wins / np.maximum(pairs, 1), value)
    return Figure(row, measure, draw, round(value, 6), tuple(np.round(replicates, 5).tolist()))


def _wins(normal: Scored, anomalous: Scored, clips: int) -> NDArray[np.float64]:
    """How many comparisons anomalous windows of one clip win against normal ones of another; (clips, clips)."""
    order = np.argsort(normal.scores, kind="stable")
    ordered = normal.scores[order]
    # counts[k, c]: of the k lowest normal scores, how many are of clip c
    one_hot = np.zeros((len(order) + 1, clips), np.float64)
    one_hot[np.arange(1, len(order) + 1), normal.clip[order]] = 1
    counts = one_hot.cumsum(axis=0)
    below = counts[np.searchsorted(ordered, anomalous.scores, side="left")]
    up_to = counts[np.searchsorted(ordered, anomalous.scores, side="right")]
    won = np.zeros((clips, clips))
    np.add.at(won, anomalous.clip, 0.5 * (below + up_to))
    return won


def mean_figure(figures: Sequence[Figure], measure: str) -> Figure:
    """The mean of figures of one row and draw under a new name; those without a value are left out."""
    known = [f for f in figures if f.value is not None]
    if not known:
        return Figure(figures[0].row, measure, figures[0].draw, None)
    value = float(np.mean([f.value for f in known if f.value is not None]))
    replicates = np.mean([f.replicates for f in known], axis=0)
    return Figure(known[0].row, measure, known[0].draw, round(value, 6), tuple(np.round(replicates, 5).tolist()))
