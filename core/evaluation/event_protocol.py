"""Do alarms come when they should? Events on clips, through the decision that runs live, levels from training alone."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.evaluation.cache import data_digest
from dyadwatch.core.evaluation.event_baselines import NEAREST, run_nearest, run_trees
from dyadwatch.core.evaluation.event_material import EventTest, alarm_options
from dyadwatch.core.evaluation.event_model import run_model
from dyadwatch.core.evaluation.figures import Result
from dyadwatch.core.evaluation.jobs import Job, Plan
from dyadwatch.core.evaluation.pair_baselines import TREES
from dyadwatch.core.evaluation.scored_clips import folds_of
from dyadwatch.core.evaluation.settings import MODEL, PEACEFUL, Settings


def plan_events(clips: ClipSet, settings: Settings) -> Plan:
    """Trained on the normal training clips, tested on normal clips, edited ones and those of other labels.

    Raises:
        ClipError: when the clips have no splits, or a method is wanted that there is not.
    """
    jobs: list[Job] = []
    made_from = settings.identity() | {"levels": "cross-fitted"}
    trees = {"trees": settings.trees, "tree_windows": settings.tree_windows}
    known = (NEAREST, TREES, *(settings.variants or {MODEL: {}}))
    wanted = settings.chosen_methods("events", known)
    played = {}
    for fold in folds_of(clips, settings.folds):
        test = EventTest(clips, fold, settings)
        for p in test.played:
            played[p.measure] = played.get(p.measure, 0) + 1
        every: list[tuple[str, int, dict, partial[Result]]] = [
            (NEAREST, 0, {}, partial(run_nearest, test)),
            (TREES, 0, trees, partial(run_trees, test)),
        ]
        for seed in range(settings.seeds):
            for name, variant in (settings.variants or {MODEL: {}}).items():
                options = alarm_options(settings, seed, **variant)
                every.append((name, seed, {"train": asdict(options)}, partial(run_model, test, name, options)))
        jobs += [
            Job(name, "", fold.name, seed, made_from | made, run.func.__module__, run)
            for name, seed, made, run in every
            if name in wanted
        ]
    notes = (
        "A figure is the share of clips that raise an event at or after the onset, but for the last rows.",
        "Levels of all methods are from training clips alone, each judged without itself.",
        f"Windows of {settings.window_s:.2f} s every {settings.hop / settings.fps:.2f} s, as by default.",
        "SBU: peaceful categories are normal." if set(PEACEFUL) < {c.label for c in clips} else
        "Edited clips are the normal test clips with one of the two persons changed, see `core/evaluation/edits.py`.",
    )  # fmt: skip
    return Plan("events", data_digest(clips), jobs, {f"test, {k}": n for k, n in played.items()}, notes)
