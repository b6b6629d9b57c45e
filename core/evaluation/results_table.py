"""From the figures of all jobs to means with intervals and spreads, and to a document for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dyadwatch.core.evaluation.figures import Figure
from dyadwatch.core.evaluation.jobs import Done, Plan
from dyadwatch.core.evaluation.row import Row


@dataclass(frozen=True)
class Entry:
    """One cell of the table: a mean over categories, folds, seeds and draws.

    Arguments:
        value: mean AUROC; None where there is none.
        low, high: 95 % interval by resampling test clips.
        fold_spread, seed_spread, draw_spread: standard deviation of the means of folds, seeds, draws of the test;
            None where there is one only.
        by_category, by_fold: means.
        count: figures that entered.
    """

    row: Row
    measure: str
    value: float | None
    low: float | None
    high: float | None
    fold_spread: float | None
    seed_spread: float | None
    draw_spread: float | None
    by_category: dict[str, float]
    by_fold: dict[str, float]
    count: int


def entries(done: Sequence[Done]) -> list[Entry]:
    """One for each row and measure, in the order of the jobs."""
    groups: dict[tuple[Row, str], list[tuple[Done, Figure]]] = {}
    for job in done:
        for f in job.figures:
            groups.setdefault((f.row, f.measure), []).append((job, f))
    return [_entry(row, measure, group) for (row, measure), group in groups.items()]


def _entry(row: Row, measure: str, group: list[tuple[Done, Figure]]) -> Entry:
    known = [(d, f) for d, f in group if f.value is not None]
    replicates = [f.replicates for _, f in known if f.replicates]
    low = high = None
    if replicates:
        low, high = (round(float(q), 4) for q in np.quantile(np.mean(replicates, axis=0), (0.025, 0.975)))
    return Entry(
        row,
        measure,
        _mean(f.value for _, f in known),
        low,
        high,
        _spread(_means(known, lambda d, f: d.job.fold)),
        _spread(_means(known, lambda d, f: str(d.job.seed))),
        _spread(_means(known, lambda d, f: str(f.draw))),
        _means(known, lambda d, f: d.job.category),
        _means(known, lambda d, f: d.job.fold),
        len(known),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    numbers = [v for v in values if v is not None]
    return round(float(np.mean(numbers)), 4) if numbers else None


def _means(known: list[tuple[Done, Figure]], key: Callable[[Done, Figure], str]) -> dict[str, float]:
    names = sorted({key(d, f) for d, f in known})
    return {n: m for n in names if (m := _mean(f.value for d, f in known if key(d, f) == n)) is not None}


def _spread(means: dict[str, float]) -> float | None:
    return round(float(np.std(list(means.values()))), 4) if len(means) > 1 else None


def as_document(plan: Plan, done: Sequence[Done], about: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, without the resamplings, as plain values.

    Arguments:
        about: what the command adds: the data set, its options.
    """
    return {
        "protocol": plan.protocol,
        "data_sha256": plan.digest,
        **about,
        "facts": plan.facts,
        "notes": list(plan.notes),
        "table": [asdict(e) | {"row": str(e.row)} for e in entries(done)],
        "jobs": [
            {
                **{k: getattr(d.job, k) for k in ("method", "category", "fold", "seed")},
                "seconds": round(d.seconds, 2),
                "error": d.error,
                "remarks": d.remarks,
                "figures": [
                    {"row": str(f.row), **{k: getattr(f, k) for k in ("measure", "draw", "value")}} for f in d.figures
                ],
            }
            for d in done
        ],
    }
