"""An evaluation as a list of jobs, each kept as soon as it is done."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dyadwatch.core.errors import TrainingError
from dyadwatch.core.evaluation.cache import ResultCache, code_digest, packages_of
from dyadwatch.core.evaluation.measures import Figure
from dyadwatch.core.training.options import Listener, Progress

# What every job depends on.
_COMMON = ("clips", "evaluation.measures", "evaluation.windows", "auroc")


@dataclass
class Result:
    """What a job gives.

    Arguments:
        figures: AUROCs.
        remarks: anything else worth keeping, as plain values.
    """

    figures: list[Figure]
    remarks: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One method on one fold.

    Arguments:
        method, category, fold, seed: what it is; the category is empty where there is only one.
        made_from: options that change the result, as plain values.
        code: modules of `dyadwatch.core` that the result depends on, beside the common ones.
        run: does it; may tell how far it is.
    """

    method: str
    category: str
    fold: str
    seed: int
    made_from: dict[str, Any]
    code: tuple[str, ...]
    run: Callable[[Listener], Result]

    @property
    def name(self) -> str:
        """For people."""
        return ", ".join(x for x in (self.method, self.category, self.fold, f"seed {self.seed}") if x)


@dataclass(frozen=True)
class Done:
    """A finished job; `error` says why there are no figures."""

    job: Job
    figures: list[Figure]
    remarks: dict[str, Any]
    seconds: float
    cached: bool
    error: str = ""


@dataclass(frozen=True)
class Plan:
    """What a protocol wants done on a data set.

    Arguments:
        protocol: its name.
        digest: of the data.
        jobs: in the order they are done.
        facts: of the test, as plain values for the report.
        notes: sentences for the report.
    """

    protocol: str
    digest: str
    jobs: list[Job]
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Status:
    """How far an evaluation is.

    Arguments:
        done, total: jobs.
        job: the one being done.
        left_s: seconds to go, from what jobs of the same method took; None while nothing is known.
        step: what the job says of itself.
    """

    done: int
    total: int
    job: str
    left_s: float | None
    step: Progress | None = None


class _Clock:
    """Guesses the time left: the mean of the same method so far, else of all methods."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = defaultdict(list)

    def left(self, todo: Sequence[Job]) -> float | None:
        every = [s for spent in self.spent.values() for s in spent]
        if not every:
            return None
        known = {m: sum(s) / len(s) for m, s in self.spent.items()}
        return sum(known.get(j.method, sum(every) / len(every)) for j in todo)


def identity(plan: Plan, job: Job) -> dict[str, Any]:
    """Everything that a job's result depends on."""
    return {
        "protocol": plan.protocol,
        "data": plan.digest,
        "code": code_digest(tuple(packages_of(*_COMMON, *job.code))),
        "method": job.method,
        "category": job.category,
        "fold": job.fold,
        "seed": job.seed,
        **job.made_from,
    }


def run_jobs(plan: Plan, cache: ResultCache, tell: Callable[[Status], None]) -> list[Done]:
    """Does every job, or takes its result from the cache; a training that gives up is told, not fatal."""
    done: list[Done] = []
    clock = _Clock()
    for i, job in enumerate(plan.jobs):
        left = clock.left(plan.jobs[i:])

        def listen(step: Progress, i: int = i, name: str = job.name, left: float | None = left) -> None:
            tell(Status(i, len(plan.jobs), name, left, step))

        tell(Status(i, len(plan.jobs), job.name, left))
        made_from = identity(plan, job)
        kept = cache.get(made_from)
        if kept is None:
            started = time.monotonic()
            error = ""
            try:
                result = job.run(listen)
            except TrainingError as e:
                result, error = Result([]), str(e)
            seconds = time.monotonic() - started
            clock.spent[job.method].append(seconds)
            done.append(Done(job, result.figures, result.remarks, seconds, False, error))
            cache.put(made_from, _plain(done[-1]))
        else:
            figures = [Figure(**{**f, "replicates": tuple(f["replicates"])}) for f in kept["figures"]]
            done.append(Done(job, figures, kept["remarks"], kept["seconds"], True, kept["error"]))
    tell(Status(len(plan.jobs), len(plan.jobs), "", 0.0))
    return done


def _plain(done: Done) -> dict[str, Any]:
    figures = [
        {"row": f.row, "measure": f.measure, "draw": f.draw, "value": f.value, "replicates": list(f.replicates)}
        for f in done.figures
    ]
    return {"figures": figures, "remarks": done.remarks, "seconds": round(done.seconds, 2), "error": done.error}
