"""A new normal from a handful of clips: support sets of 1, 5 and 20 clips of a category.

*Unseen*: whatever is learnt or scaled beforehand knows the other categories only. *Seen*: it knows the training clips
of all categories. Either way the support comes from the training folds and the test is every clip of the test fold,
those of the category being normal. A way of enrolling is a `ShotMethod`; `SHOT_METHODS` lists those there are.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.evaluation.baselines import baselines_of, nearest_neighbour, nearest_to
from dyadwatch.core.evaluation.cache import data_digest
from dyadwatch.core.evaluation.clip_figures import categories_of, facts_of, how_judged
from dyadwatch.core.evaluation.figures import Result, Scored, figure, resamplings
from dyadwatch.core.evaluation.jobs import Job, Plan
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.evaluation.scored_clips import Fold, ScoredClips, folds_of
from dyadwatch.core.evaluation.settings import MODEL, Fit, Settings
from dyadwatch.core.features.pair_statistics import Scaling, Statistics
from dyadwatch.core.scoring.nearest import Metric, support_scorer
from dyadwatch.core.training.options import Listener, TrainOptions

SHOTS = (1, 5, 20)


@dataclass(frozen=True)
class Known:
    """What a method may learn from before it sees a support set.

    Arguments:
        clips: on the time grid, of the known categories.
        windows: theirs, shape (N, 2, T, J, 3).
        statistics: how statistics of windows are made.
        options: for whatever is trained.
    """

    clips: ClipSet
    windows: NDArray[np.float32]
    statistics: Statistics
    options: TrainOptions
    listen: Listener


# windows (N, 2, T, J, 3) to scores (N,), higher is more anomalous
ShotScorer = Callable[[NDArray[np.float32]], NDArray[np.floating]]
# windows of the support clips, and how many clips those are, to a scorer: what takes seconds
Enrol = Callable[[NDArray[np.float32], int], ShotScorer]
# what is done once, before any support set is seen
ShotMethod = Callable[[Known], Enrol]


class _LastValues:
    """Statistics of the windows asked for last: the same test is scored for many support sets."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._last: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def __call__(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._last is None or self._last[0] is not windows:
            self._last = windows, self._statistics(windows)
        return self._last[1]


def support_only(fit: Fit) -> ShotMethod:
    """A plain method on relational statistics, fitted to the support set alone: knows nothing beforehand."""

    def method(known: Known) -> Enrol:
        statistics = known.statistics
        values = _LastValues(statistics)

        def enrol(support: NDArray[np.float32], clips: int) -> ShotScorer:
            score = fit(statistics, statistics(support))
            return lambda windows: score(values(windows))

        return enrol

    return method


def scaled_by_known(known: Known) -> Enrol:
    """The same, scaled by the known categories."""
    statistics = known.statistics
    scaling = Scaling.fit(statistics(known.windows), statistics)
    values = _LastValues(statistics)

    def enrol(support: NDArray[np.float32], clips: int) -> ShotScorer:
        score = nearest_to(statistics, scaling, statistics(support))
        return lambda windows: score(values(windows))

    return enrol


def enrolled(known: Known) -> Enrol:
    """As `dyadwatch enrol` does it: the metric of the known, moved towards the support set, which alone is normal."""
    metric = Metric.fit(known.statistics, known.statistics(known.windows))

    def enrol(support: NDArray[np.float32], clips: int) -> ShotScorer:
        return support_scorer(metric.moved(known.statistics(support), clips), support)

    return enrol


@dataclass(frozen=True)
class Shot:
    """A way of enrolling: the method, and whether chance is in it."""

    method: ShotMethod
    seeded: bool = False


SHOT_METHODS: dict[str, Shot] = {
    "nearest neighbour": Shot(support_only(nearest_neighbour)),
    "nearest neighbour, scaled by known categories": Shot(scaled_by_known),
    MODEL: Shot(enrolled),
}


def plan_few_shot(clips: ClipSet, settings: Settings, methods: Mapping[str, Shot] | None = None) -> Plan:
    """Every category in turn is the new normal.

    Arguments:
        methods: ways of enrolling; None is `SHOT_METHODS`.

    Raises:
        ClipError: when the clips have fewer than two labels or no folds, or lack the categories that are wanted, or a
            method is wanted that there is not.
    """
    every = baselines_of(settings)
    methods = dict(SHOT_METHODS if methods is None else methods)
    methods |= {name: Shot(support_only(every[name])) for name in settings.baselines}
    wanted = settings.chosen_methods("few-shot", methods)
    categories = categories_of(clips, settings)
    judged = ScoredClips.prepare(clips, settings, settings.clip_score)
    folds = folds_of(judged.clips, settings.folds)
    jobs: list[Job] = []
    for name, shot in methods.items():
        if name not in wanted:
            continue
        for seed in range(settings.seeds if shot.seeded else 1):
            made_from: dict[str, Any] = settings.identity() | {"shot_draws": settings.shot_draws}
            if shot.seeded:
                made_from |= {"train": asdict(settings.train_options(seed))}
            for fold in folds:
                for category in categories:
                    run = partial(_run, judged, fold, category, settings, name, shot.method, seed)
                    kept = name not in settings.baselines
                    jobs.append(Job(name, category, fold.name, seed, made_from, __name__, run, kept))
    notes = (
        how_judged(settings),
        f"Means of {settings.shot_draws} support sets of each size, drawn from the training folds; all clips of the "
        "category where there are no more.",
        "Unseen: learnt and scaled on the other categories only. Seen: on the training clips of all.",
    )
    return Plan("few-shot", data_digest(clips), jobs, facts_of(judged, folds), notes)


def support_sets(candidates: NDArray[np.intp], shots: int, draws: int, name: str) -> list[NDArray[np.intp]]:
    """Support sets of a category, rising indices; the same for every method, a larger one holds the smaller."""
    out = []
    for draw in range(draws):
        rng = np.random.default_rng([draw, zlib.crc32(name.encode())])
        out.append(np.sort(rng.permutation(candidates)[:shots]))
    return out


def _run(
    judged: ScoredClips,
    fold: Fold,
    category: str,
    settings: Settings,
    name: str,
    method: ShotMethod,
    seed: int,
    listen: Listener,
) -> Result:
    labels = np.asarray([c.label for c in judged.clips])
    candidates = fold.train[labels[fold.train] == category]
    if not len(candidates):
        return Result([])
    test_names = labels[fold.test].tolist()
    normal = labels[fold.test] == category
    samples = resamplings(test_names, settings.bootstrap)
    windows = judged.windows[judged.of(fold.test)]
    result = Result([])
    for how in ("unseen", "seen"):
        clips = fold.train if how == "seen" else fold.train[labels[fold.train] != category]
        known = Known(
            judged.clip_set(clips, how),
            judged.windows[judged.of(clips)],
            judged.statistics,
            settings.train_options(seed),
            listen,
        )
        enrol = method(known)
        for shots in SHOTS:
            for draw, support in enumerate(support_sets(candidates, shots, settings.shot_draws, category)):
                score = enrol(judged.windows[judged.of(support)], len(support))
                scored = Scored(judged.clip_scores(score(windows), fold.test), np.arange(len(fold.test)))
                measure = f"{shots} {'clip' if shots == 1 else 'clips'}, {how}"
                result.figures.append(
                    figure(Row(name), measure, scored.take(normal), scored.take(~normal), samples, draw)
                )
    return result
