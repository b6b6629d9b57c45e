"""`dyadwatch evaluate`: how well the model tells interactions apart, with baselines in the same table."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from dyadwatch.core.errors import DyadwatchError, MissingExtraError
from dyadwatch.core.readers.declared import Declared
from dyadwatch.core.readers.read import read_dataset
from dyadwatch.tools.files import NO_FLAGS, FileFlags
from dyadwatch.tools.progress import span

if TYPE_CHECKING:
    from dyadwatch.core.evaluation.jobs import Status

Protocol = Literal["one-class", "peaceful-violent", "broken-pairs", "few-shot", "live"]

# One fold, one seed, and less of everything that takes long: minutes on two cores.
_QUICK: dict[str, Any] = {
    "seeds": 1, "draws": 1, "shot_draws": 3, "bootstrap": 200, "pair_hop": 10, "fit_hop": 10, "trees": 100,
    "tree_windows": 3000,
}  # fmt: skip
_QUICK_STEPS, _QUICK_MINUTES = 300, 4.0


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Arguments:
        data: file or folder of a data set.
        protocol: its name.
        quick: one fold, one seed, fewer steps.
        ablation: variants of the model instead of the baselines.
        settings: what was set by hand, by the names in `core.evaluation.settings.Settings`.
        cache: where results are kept; None keeps nothing.
        tell: called with a line about what goes on.
        declared: what the user says of files that do not say it themselves.
    """

    data: Path
    protocol: str
    quick: bool = False
    ablation: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    cache: Path | None = None
    tell: Callable[[str], None] = lambda text: None
    console: Console | None = None
    declared: Declared | None = None


@dataclass(frozen=True)
class Report:
    """What came out, for people and for programs."""

    markdown: str
    json: str


def run_offline(request: Request) -> Report:
    """Any protocol of `core.evaluation`."""
    from dyadwatch.core.evaluation.ablation import variants_of
    from dyadwatch.core.evaluation.cache import ResultCache
    from dyadwatch.core.evaluation.jobs import run_jobs
    from dyadwatch.core.evaluation.protocols import PROTOCOLS
    from dyadwatch.core.evaluation.settings import Settings
    from dyadwatch.core.evaluation.table import as_json, as_markdown
    from dyadwatch.core.evaluation.windows import folds_of

    data = read_dataset(request.data, request.declared)
    chosen = dict(request.settings)
    if request.quick:
        train = {"steps": _QUICK_STEPS, "max_minutes": _QUICK_MINUTES} | chosen.get("train", {})
        quick: dict[str, Any] = _QUICK | {"folds": (folds_of(data)[0].name,)}
        chosen = quick | chosen | {"train": train}
    settings = Settings(**chosen)
    if request.ablation:
        if request.protocol == "few-shot":
            raise DyadwatchError("--ablation with --protocol few-shot: expected one of the other protocols")
        variants = variants_of(request.protocol)
        settings = replace(settings, variants=variants, methods=settings.methods or tuple(variants))
    plan = PROTOCOLS[request.protocol](data, settings)
    if not plan.jobs:
        raise DyadwatchError(f"nothing to do: no method of {request.protocol} is called {', '.join(settings.methods)}")
    with _Bar(request) as bar:
        done = run_jobs(plan, ResultCache(request.cache), bar)
    kept = sum(d.cached for d in done)
    facts = ", ".join(f"{v} {k}" for k, v in plan.facts.items() if isinstance(v, int))
    about = [
        f"Data: {data.name or request.data.name} ({data.kind}), {len(data)} clips, {len(data.skipped)} skipped"
        + (f", such as {data.skipped[0].name}: {data.skipped[0].reason}" if data.skipped else "")
        + f"; {facts}.",
        f"Seeds of training: {settings.seeds}. Intervals: {settings.bootstrap} resamplings of the test clips."
        + (" A quick run: one fold, one seed, fewer steps." if request.quick else ""),
    ]
    extra = {
        "data": {"name": data.name, "kind": data.kind, "clips": len(data),
                 "skipped": {s.name: s.reason for s in data.skipped}},
        "settings": settings.identity() | {"seeds": settings.seeds, "train": dict(settings.train)},
        "quick": request.quick,
        "from_cache": kept,
    }  # fmt: skip
    request.tell(f"{len(done)} jobs, {kept} of them from the cache; {sum(d.seconds for d in done):.0f} s of work")
    return Report(as_markdown(plan, done, about), as_json(plan, done, extra))


def run_live(request: Request) -> Report:
    """Real clips through the running detector, see `tools.evaluate_live`."""
    from dyadwatch.tools.evaluate_live import evaluate_live

    folds = tuple(request.settings.get("folds", ()))
    steps = request.settings.get("train", {}).get("steps")
    if request.quick:
        folds = folds or (min(c.split for c in read_dataset(request.data, request.declared)),)
        steps = steps or _QUICK_STEPS
    found = evaluate_live(request.data, declared=request.declared, folds=folds, steps=steps, tell=request.tell)
    return Report(live_markdown(found), json_module.dumps({"protocol": "live", **found}, indent=1) + "\n")


def live_markdown(found: dict[str, Any]) -> str:
    """The tables of the live evaluation: folds, categories, every clip."""
    means = found["auroc"]
    lines = ["## live", "", "| fold | live | nearest neighbour, whole clips |", "|---|---|---|"]
    lines += [f"| {f['fold']} | {f['live']:.3f} | {f['baseline']:.3f} |" for f in found["folds"]]
    lines += ["| mean +- spread | " + " | ".join(f"{m['mean']:.3f} +- {m['std']:.3f}" for m in means.values()) + " |"]
    lines += ["", "| category | clips | too short | raised an alarm | median peak |", "|---|---|---|---|---|"]
    lines += [
        f"| {c['label']} | {c['clips']} | {c['too_short']} | {c['alarm_rate']} | {c['peak_median']} |"
        for c in found["classes"]
    ]
    lines += ["", "| clip | category | highest live score | alarm |", "|---|---|---|---|"]
    lines += [f"| {c['clip']} | {c['label']} | {c['peak']} | {'yes' if c['alarm'] else ''} |" for c in found["clips"]]
    return "\n".join([*lines, ""])


RUNNERS: dict[str, Callable[[Request], Report]] = {
    "one-class": run_offline,
    "peaceful-violent": run_offline,
    "broken-pairs": run_offline,
    "few-shot": run_offline,
    "live": run_live,
}


class _Bar:
    """Shows jobs done, the time left and what the job of the moment says; a line a job where nobody watches."""

    def __init__(self, request: Request) -> None:
        self._console = request.console or Console(stderr=True, quiet=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._bars = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task: TaskID | None = None

    def __enter__(self) -> _Bar:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, status: Status) -> None:
        left = "" if status.left_s is None else f"about {span(status.left_s)} left"
        if not self._console.is_terminal:
            if status.step is None and status.job:
                self._console.print(f"{status.done + 1}/{status.total} {status.job} {left}", soft_wrap=True)
            return
        if self._task is None:
            self._task = self._bars.add_task("", total=status.total, left="")
        step = status.step
        doing = "" if step is None else f"  {step.stage} {step.done}/{step.total}"
        self._bars.update(self._task, completed=status.done, description=status.job + doing, left=left)


def evaluate(
    data: Path,
    /,
    *,
    protocol: Protocol,
    quick: Annotated[bool, Parameter(negative=())] = False,
    ablation: Annotated[bool, Parameter(negative=())] = False,
    fold: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    category: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    method: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    seeds: int | None = None,
    steps: int | None = None,
    layout: str | None = None,
    fps: float | None = None,
    window_s: float | None = None,
    clip_score: Literal["whole", "windows"] | None = None,
    cache: Path | None = None,
    no_cache: Annotated[bool, Parameter(name="--no-cache", negative=())] = False,
    out: Path | None = None,
    json: Path | None = None,
    threads: int = 2,
    flags: FileFlags = NO_FLAGS,
) -> None:
    """Measure how well interactions are told apart, on data nothing was tuned on, with baselines in the same table.

    Reads what `publish file` reads: clips in the shared format, SBU's text files, NTU RGB+D 120's .skeleton files,
    Inter-X's folders, and folders of BVH, C3D, TRC, CSV or JSON frames with a folder a label inside. A result is kept
    as soon as it is there, by what it was made from, so a stopped run goes on where it was.

    Parameters
    ----------
    data
        File or folder of the data set.
    protocol
        one-class: each category in turn is normal. peaceful-violent: SBU. broken-pairs: does it see who belongs
        together. few-shot: a new normal from 1, 5 and 20 clips. live: real clips through the running detector.
    quick
        One fold, one seed, fewer steps: within ten minutes on two cores.
    ablation
        Compare variants of the model instead of baselines.
    fold, category, method
        Only these; may be repeated.
    seeds
        Trainings with different seeds; three if not given.
    steps
        Optimiser steps of the encoder.
    layout
        Skeleton layout to map the clips onto, such as upper11; their own if not given.
    fps, window_s
        Of the windows; 15 and 2 if not given.
    clip_score
        How a clip is judged where clips are: whole, played in one window, or by the mean of its windows.
    cache
        Folder that results are kept in; ~/.cache/dyadwatch/evaluate if not given.
    no_cache
        Keep and take no results.
    out, json
        Also write the table as Markdown, and everything measured as JSON.
    threads
        Processor threads to use.
    """
    for file in (out, json):
        if file is not None and not file.parent.is_dir():
            raise DyadwatchError(f"cannot write {file}: there is no folder {file.parent}; make it first")
    try:
        import torch

        from dyadwatch.core.evaluation.cache import default_cache
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "train") from None
    torch.set_num_threads(threads)
    given = {"folds": fold, "categories": category, "methods": method, "seeds": seeds, "layout": layout, "fps": fps,
             "window_s": window_s, "clip_score": clip_score}  # fmt: skip
    settings: dict[str, Any] = {k: v for k, v in given.items() if v not in (None, ())}
    if steps is not None:
        settings["train"] = {"steps": steps}
    console = Console(stderr=True)
    request = Request(
        data,
        protocol,
        quick,
        ablation,
        settings,
        None if no_cache else cache or default_cache(),
        lambda text: console.print(text, soft_wrap=True),
        console,
        flags.declared,
    )
    report = RUNNERS[protocol](request)
    sys.stdout.write(report.markdown + "\n")
    for file, text in ((out, report.markdown), (json, report.json)):
        if file is not None:
            file.write_text(text, "utf8")
