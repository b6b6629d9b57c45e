"""The protocols by name, and which of them a data set can do."""

from __future__ import annotations

from collections.abc import Callable

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.broken_pairs import plan_broken_pairs
from dyadwatch.core.evaluation.event_protocol import plan_events
from dyadwatch.core.evaluation.explanation import plan_explanation
from dyadwatch.core.evaluation.few_shot import plan_few_shot
from dyadwatch.core.evaluation.jobs import Plan
from dyadwatch.core.evaluation.one_class import plan_one_class, plan_peaceful_violent
from dyadwatch.core.evaluation.scored_clips import folds_of
from dyadwatch.core.evaluation.settings import PEACEFUL, Settings

PROTOCOLS: dict[str, Callable[[ClipSet, Settings], Plan]] = {
    "one-class": plan_one_class,
    "peaceful-violent": plan_peaceful_violent,
    "broken-pairs": plan_broken_pairs,
    "few-shot": plan_few_shot,
    "events": plan_events,
    "explanation": plan_explanation,
}


def able(clips: ClipSet) -> list[str]:
    """Names of the protocols that have what they need in these clips, in the order of `PROTOCOLS`.

    A split into train and test allows broken-pairs and explanation; two or more categories with training clips in
    every fold allow one-class and few-shot; SBU's categories allow peaceful-violent; SBU or a split into train and test
    allow events.
    """
    try:
        folds = folds_of(clips)
    except ClipError:
        return []
    learnable = set.intersection(*({clips[i].label for i in f.train} for f in folds))
    can = {
        "one-class": len(learnable) >= 2,
        "peaceful-violent": set(PEACEFUL) < learnable,
        "broken-pairs": len(folds) == 1,
        "few-shot": len(learnable) >= 2,
        "events": len(folds) == 1 or set(PEACEFUL) < learnable,
        "explanation": len(folds) == 1,
    }
    return [name for name in PROTOCOLS if can[name]]
