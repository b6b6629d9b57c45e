"""The protocols by name."""

from __future__ import annotations

from collections.abc import Callable

from dyadwatch.core.clips import ClipSet
from dyadwatch.core.evaluation.broken_pairs import plan_broken_pairs
from dyadwatch.core.evaluation.few_shot import plan_few_shot
from dyadwatch.core.evaluation.jobs import Plan
from dyadwatch.core.evaluation.one_class import plan_one_class, plan_peaceful_violent
from dyadwatch.core.evaluation.settings import Settings

PROTOCOLS: dict[str, Callable[[ClipSet, Settings], Plan]] = {
    "one-class": plan_one_class,
    "peaceful-violent": plan_peaceful_violent,
    "broken-pairs": plan_broken_pairs,
    "few-shot": plan_few_shot,
}
