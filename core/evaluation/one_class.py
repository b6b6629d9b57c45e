"""The H2IAD protocol: one category is normal, every clip of every other is an anomaly. And its peaceful sister."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.baselines import baselines_of
from dyadwatch.core.evaluation.cache import data_digest
from dyadwatch.core.evaluation.clip_baselines import run_baseline
from dyadwatch.core.evaluation.clip_figures import categories_of, facts_of, how_judged
from dyadwatch.core.evaluation.clip_model import run_model
from dyadwatch.core.evaluation.jobs import Job, Plan
from dyadwatch.core.evaluation.scored_clips import ScoredClips, folds_of
from dyadwatch.core.evaluation.settings import MODEL, PEACEFUL, Settings


def plan_one_class(clips: ClipSet, settings: Settings) -> Plan:
    """Each category in turn is normal.

    Raises:
        ClipError: when the clips have fewer than two labels, or lack those that are wanted, or a method is wanted
            that there is not.
    """
    return _plan("one-class", clips, settings, {n: (n,) for n in categories_of(clips, settings)})


def plan_peaceful_violent(clips: ClipSet, settings: Settings) -> Plan:
    """SBU: five peaceful categories together are normal, the other three anomalous.

    Raises:
        ClipError: when the clips have not those categories, or a method is wanted that there is not.
    """
    labels = sorted({c.label for c in clips})
    if not set(PEACEFUL) < set(labels):
        raise ClipError(f"{clips.name}: clips have the labels {labels}; expected {', '.join(PEACEFUL)} and others")
    return _plan("peaceful-violent", clips, settings, {"peaceful": PEACEFUL})


def _plan(protocol: str, clips: ClipSet, settings: Settings, normal: dict[str, Sequence[str]]) -> Plan:
    methods = methods_of(settings, protocol)
    judged = ScoredClips.prepare(clips, settings, settings.clip_score)
    folds = folds_of(judged.clips, settings.folds)
    made_from, baselines = settings.identity(), baselines_of(settings)
    jobs: list[Job] = []
    for method, seeds, variant in methods:
        for seed in range(seeds):
            for fold in folds:
                for name, labels in normal.items():
                    if method in baselines:
                        run = partial(run_baseline, judged, fold, labels, settings, method)
                        kept = method not in settings.baselines
                        jobs.append(Job(method, name, fold.name, seed, made_from, run_baseline.__module__, run, kept))
                    else:
                        run = partial(run_model, judged, fold, labels, settings, method, seed)
                        made = made_from | {"train": asdict(settings.train_options(seed, **variant))}
                        jobs.append(Job(method, name, fold.name, seed, made, run_model.__module__, run))
    return Plan(protocol, data_digest(clips), jobs, facts_of(judged, folds), (how_judged(settings),))


def methods_of(settings: Settings, protocol: str) -> list[tuple[str, int, dict]]:
    """Name, seeds and training options of the wanted methods, baselines first.

    Raises:
        ClipError: when a method is wanted that there is not.
    """
    variants = settings.variants or {MODEL: {}}
    every = [
        *((name, 1, {}) for name in baselines_of(settings)),
        *((n, settings.seeds, dict(v)) for n, v in variants.items()),
    ]
    wanted = settings.chosen_methods(protocol, [name for name, *_ in every])
    return [m for m in every if m[0] in wanted]
