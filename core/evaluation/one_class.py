"""The H2IAD protocol: one category is normal, every clip of every other is an anomaly. And its peaceful sister."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.clips import ClipSet
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.baselines import BASELINES
from dyadwatch.core.evaluation.cache import data_digest
from dyadwatch.core.evaluation.jobs import Job, Plan, Result
from dyadwatch.core.evaluation.measures import Scored, figure, resamplings
from dyadwatch.core.evaluation.model import MODEL, MODEL_CODE, fit_model
from dyadwatch.core.evaluation.settings import PEACEFUL, Settings
from dyadwatch.core.evaluation.windows import Fold, Judged, folds_of
from dyadwatch.core.training.options import Listener

MEASURE = "AUROC"
BASELINE_CODE = ("evaluation.one_class", "evaluation.baselines", "statistics", "neighbours", "frame", "distance")
_MODEL_CODE = ("evaluation.one_class", "evaluation.model", *MODEL_CODE)


def plan_one_class(clips: ClipSet, settings: Settings) -> Plan:
    """Each category in turn is normal.

    Raises:
        ClipError: when the clips have fewer than two labels, or lack those that are wanted.
    """
    labels = sorted({c.label for c in clips})
    if len(labels) < 2:
        raise ClipError(f"{clips.name}: clips have the labels {labels}; expected two or more categories")
    unknown = sorted(set(settings.categories) - set(labels))
    if unknown:
        raise ClipError(f"{clips.name}: no category {', '.join(unknown)}; there are {', '.join(labels)}")
    return _plan(
        "one-class", clips, settings, {n: (n,) for n in labels if not settings.categories or n in settings.categories}
    )


def plan_peaceful_violent(clips: ClipSet, settings: Settings) -> Plan:
    """SBU: five peaceful categories together are normal, the other three anomalous.

    Raises:
        ClipError: when the clips have not those categories.
    """
    labels = sorted({c.label for c in clips})
    if not set(PEACEFUL) < set(labels):
        raise ClipError(f"{clips.name}: clips have the labels {labels}; expected {', '.join(PEACEFUL)} and others")
    return _plan("peaceful-violent", clips, settings, {"peaceful": PEACEFUL})


def _plan(protocol: str, clips: ClipSet, settings: Settings, normal: dict[str, Sequence[str]]) -> Plan:
    judged = Judged.prepare(clips, settings, settings.clip_score)
    folds = folds_of(judged.clips, settings.folds)
    made_from = settings.identity()
    jobs: list[Job] = []
    for method, seeds, variant in methods_of(settings):
        for seed in range(seeds):
            for fold in folds:
                for name, labels in normal.items():
                    if method in BASELINES:
                        run = partial(_run_baseline, judged, fold, labels, settings, method)
                        jobs.append(Job(method, name, fold.name, seed, made_from, BASELINE_CODE, run))
                    else:
                        options = settings.train_options(seed, **variant)
                        run = partial(_run_model, judged, fold, labels, settings, method, seed)
                        made = made_from | {"train": asdict(options)}
                        jobs.append(Job(method, name, fold.name, seed, made, _MODEL_CODE, run))
    facts = {
        "clips": len(judged.clips),
        "too short": list(judged.too_short),
        "folds": {f.name: {"train": len(f.train), "test": len(f.test)} for f in folds},
    }
    how = (
        "Each clip is judged whole: played in the frames of one window, whatever its length."
        if settings.clip_score == "whole"
        else "A clip gets the mean score of its windows; one shorter than a window is stretched to one."
    )
    return Plan(protocol, data_digest(clips), jobs, facts, (how,))


def methods_of(settings: Settings) -> list[tuple[str, int, dict]]:
    """Name, seeds and training options of the wanted methods, baselines first.

    Raises:
        ClipError: when a method is wanted that there is not.
    """
    variants = settings.variants or {MODEL: {}}
    every = [*((name, 1, {}) for name in BASELINES), *((n, settings.seeds, dict(v)) for n, v in variants.items())]
    return [m for m in every if not settings.methods or m[0] in settings.methods]


def _figures(
    judged: Judged, fold: Fold, labels: Sequence[str], settings: Settings, rows: Mapping[str, NDArray[np.floating]]
) -> Result:
    """AUROC of each row from the scores of the windows of the test clips."""
    names = [judged.clips[i].label for i in fold.test]
    normal = np.isin(names, list(labels))
    samples = resamplings(names, settings.bootstrap)
    where = np.arange(len(names))
    out = []
    for row, scores in rows.items():
        every = Scored(judged.clip_scores(scores, fold.test), where)
        out.append(figure(row, MEASURE, every.take(normal), every.take(~normal), samples))
    return Result(out)


def _normal_clips(judged: Judged, fold: Fold, labels: Sequence[str]) -> NDArray[np.intp]:
    return fold.train[np.isin([judged.clips[i].label for i in fold.train], list(labels))]


def _run_baseline(
    judged: Judged, fold: Fold, labels: Sequence[str], settings: Settings, method: str, listen: Listener
) -> Result:
    train = _normal_clips(judged, fold, labels)
    if not len(train):
        return Result([])
    score = BASELINES[method](judged.statistics, judged.values[judged.of(train)])
    return _figures(judged, fold, labels, settings, {method: score(judged.values[judged.of(fold.test)])})


def _run_model(
    judged: Judged, fold: Fold, labels: Sequence[str], settings: Settings, method: str, seed: int, listen: Listener
) -> Result:
    train = _normal_clips(judged, fold, labels)
    options = settings.train_options(seed, **settings.variants.get(method, {}))
    score, said = fit_model(judged.clip_set(train), options, listen, method)
    result = _figures(judged, fold, labels, settings, score(judged.windows[judged.of(fold.test)]))
    result.remarks = said
    return result
