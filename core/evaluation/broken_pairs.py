"""Does a method see that two people belong together? Windows of the test split against the same ones broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.evaluation.baselines import baselines_of
from dyadwatch.core.evaluation.cache import data_digest
from dyadwatch.core.evaluation.figures import Result
from dyadwatch.core.evaluation.jobs import Job, Plan
from dyadwatch.core.evaluation.pair_baselines import (
    CURVATURE,
    LENGTH,
    TREES,
    run_baseline,
    run_plain_cues,
    run_trees,
)
from dyadwatch.core.evaluation.pair_material import MEAN_OF_SIX, VARIATIONS, PairMaterial
from dyadwatch.core.evaluation.pair_model import run_model
from dyadwatch.core.evaluation.perturbations import HELD_BACK, SIX
from dyadwatch.core.evaluation.settings import MODEL, Settings
from dyadwatch.core.training.options import Listener


def plan_broken_pairs(clips: ClipSet, settings: Settings) -> Plan:
    """Trained on the training split, tested on windows of normal test clips and the same ones broken.

    Raises:
        ClipError: when there is no training and test split, or a method is wanted that there is not.
    """
    material = PairMaterial(clips, settings)
    made_from = settings.identity() | {"draws": settings.draws}
    trees = {"trees": settings.trees, "tree_windows": settings.tree_windows}
    every: list[tuple[str, int, dict, str, Callable[[Listener], Result]]] = [
        *((n, 0, {}, run_baseline.__module__, partial(run_baseline, material, n)) for n in baselines_of(settings)),
        *((n, 0, {}, run_plain_cues.__module__, partial(run_plain_cues, material, n)) for n in (LENGTH, CURVATURE)),
        (TREES, 0, trees, run_trees.__module__, partial(run_trees, material)),
    ]
    for seed in range(settings.seeds):
        for name, variant in (settings.variants or {MODEL: {}}).items():
            made = {"train": asdict(settings.train_options(seed, **variant))}
            every.append((name, seed, made, run_model.__module__, partial(run_model, material, name, seed)))
    wanted = settings.chosen_methods("broken-pairs", [name for name, *_ in every])
    jobs = [
        Job(name, "", "test", seed, made_from | made, code, run, name not in settings.baselines)
        for name, seed, made, code, run in every
        if name in wanted
    ]
    facts = {
        "training clips": len(material.train),
        "test clips": len(material.test.clips),
        "intact windows": len(material.test.clip),
        "clips of variations": len(material.variations.clips) if material.variations else 0,
    }
    notes = (
        "One of the two persons, drawn at random, is broken off; each alone stays as he was.",
        "Windows that are shifted, delayed or played at another tempo are compared with the same windows intact.",
        f"{MEAN_OF_SIX}: {', '.join(SIX)}. Held back from training and tuning: {', '.join(HELD_BACK)}.",
        f"{VARIATIONS}: windows of the authors' odd clips; clip length and path curvature alone tell many of them.",
    )
    return Plan("broken-pairs", data_digest(clips), jobs, facts, notes)
