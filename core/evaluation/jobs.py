"""An evaluation as a list of jobs, each kept as soon as it is done."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dyadwatch.core.errors import TrainingError
from dyadwatch.core.evaluation.cache import ResultCache, code_digest
from dyadwatch.core.evaluation.figures import Figure, Result
from dyadwatch.core.evaluation.row import Row, RowPart
from dyadwatch.core.training.options import Listener, Progress


@dataclass(frozen=True)
class Job:
    """One method on one fold.

    Arguments:
        method, category, fold, seed: what it is; the category is empty where there is only one.
        made_from: options that change the result, as plain values.
        code: module of `run`; the result depends on it and on all of `dyadwatch.core` that it imports.
        run: does it; may tell how far it is.
        kept: whether its result goes into the cache; not where it depends on code outside of `dyadwatch.core`.
    """

    method: str
    category: str
    fold: str
    seed: int
    made_from: dict[str, Any]
    code: str
    run: Callable[[Listener], Result]
    kept: bool = True

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
        left_s: seconds to go, from what jobs of the same kind took; None while one of an unknown kind is to come.
        step: what the job says of itself.
        part: name of the plan that the job is of, where there are several.
    """

    done: int
    total: int
    job: str
    left_s: float | None
    step: Progress | None = None
    part: str = ""


@dataclass(frozen=True)
class _Task:
    """A job of one of several plans."""

    part: str
    plan: Plan
    job: Job

    @property
    def kind(self) -> tuple[str, str, str]:
        """Jobs of a kind take about as long: same data, same protocol, and the same recipe of training or method.

        A baseline tells nothing of another one: the nearest neighbour takes a second where trees take minutes.
        """
        trained = self.job.made_from.get("train")
        how = self.job.method if trained is None else f"trained, {trained.get('recipe')}"
        return self.plan.digest, self.plan.protocol, how


class _Clock:
    """Guesses the time left: the mean of the same method so far, else of its kind."""

    def __init__(self) -> None:
        self._spent: dict[tuple, list[float]] = defaultdict(list)

    def add(self, task: _Task, seconds: float) -> None:
        for key in ((*task.kind, task.job.method), task.kind):
            self._spent[key].append(seconds)

    def left(self, todo: Sequence[_Task]) -> float | None:
        """Seconds; None while a task of a kind that was never timed is among them."""
        spent = [self._spent.get((*t.kind, t.job.method)) or self._spent.get(t.kind) for t in todo]
        known = [sum(s) / len(s) for s in spent if s]
        return sum(known) if len(known) == len(todo) else None


def identity(plan: Plan, job: Job) -> dict[str, Any]:
    """Everything that a job's result depends on."""
    return {
        "protocol": plan.protocol,
        "data": plan.digest,
        "code": code_digest(job.code),
        "method": job.method,
        "category": job.category,
        "fold": job.fold,
        "seed": job.seed,
        **job.made_from,
    }


def _taken_up(cache: ResultCache, plan: Plan, job: Job) -> dict[str, Any] | None:
    return cache.get(identity(plan, job)) if job.kept else None


def run_plans(
    parts: Sequence[tuple[str, Plan]], cache: ResultCache, tell: Callable[[Status], None]
) -> list[list[Done]]:
    """Does every job of several plans, or takes its result from the cache.

    A training that gives up is reported, not fatal. Plans have a name each and are done one after the other; the time
    left is that of all.

    Returns:
        What was done, in the order of the plans.
    """
    tasks = [_Task(name, plan, job) for name, plan in parts for job in plan.jobs]
    kept = [_taken_up(cache, t.plan, t.job) for t in tasks]
    clock = _Clock()
    for task, document in zip(tasks, kept, strict=True):
        if document is not None:
            clock.add(task, document["seconds"])
    out: list[list[Done]] = [[] for _ in parts]
    which = [i for i, (_, plan) in enumerate(parts) for _ in plan.jobs]
    for i, task in enumerate(tasks):
        left = clock.left([t for t, document in zip(tasks[i:], kept[i:], strict=True) if document is None])
        status = Status(i, len(tasks), task.job.name, left, None, task.part)
        tell(status)
        # another run may have done it in the meantime
        document = kept[i] or _taken_up(cache, task.plan, task.job)
        done = _do(task, status, tell) if document is None else _taken(task.job, document)
        if document is None:
            clock.add(task, done.seconds)
            if task.job.kept:
                cache.put(identity(task.plan, task.job), _plain(done))
        out[which[i]].append(done)
    tell(Status(len(tasks), len(tasks), "", 0.0))
    return out


def count_kept(plans: Sequence[Plan], cache: ResultCache) -> int:
    """How many jobs of the plans have their result in the cache."""
    return sum(_taken_up(cache, plan, job) is not None for plan in plans for job in plan.jobs)


def _do(task: _Task, status: Status, tell: Callable[[Status], None]) -> Done:
    started = time.monotonic()
    error = ""
    try:
        result = task.job.run(lambda step: tell(replace(status, step=step)))
    except TrainingError as e:
        result, error = Result([]), str(e)
    return Done(task.job, result.figures, result.remarks, time.monotonic() - started, False, error)


def _taken(job: Job, kept: dict[str, Any]) -> Done:
    figures = [
        Figure(**{**f, "row": Row(f["row"][0], RowPart(f["row"][1])), "replicates": tuple(f["replicates"])})
        for f in kept["figures"]
    ]
    return Done(job, figures, kept["remarks"], kept["seconds"], True, kept["error"])


def _plain(done: Done) -> dict[str, Any]:
    figures = [
        {
            "row": [f.row.method, f.row.part.value],
            "measure": f.measure,
            "draw": f.draw,
            "value": f.value,
            "replicates": list(f.replicates),
        }
        for f in done.figures
    ]
    return {"figures": figures, "remarks": done.remarks, "seconds": round(done.seconds, 2), "error": done.error}
