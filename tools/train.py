"""`dyadwatch train`: learn what is normal from clips and write a model."""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dyadwatch import training
from dyadwatch.core.decision.thresholds import rules_of
from dyadwatch.core.errors import CollapseError, MissingExtraError, TrainingError
from dyadwatch.core.training.options import Progress
from dyadwatch.core.training.report_words import vouched
from dyadwatch.core.training.time_budget import Budget
from dyadwatch.core.words import counted
from dyadwatch.model_files import check_out, write_report
from dyadwatch.tools.files import NO_FLAGS, FileFlags, select_sets, tell_events
from dyadwatch.tools.learning_flags import AS_IT_IS, LearningFlags
from dyadwatch.tools.progress import shown, span

_Flag = Parameter(negative=())
_MOST_REASONS = 5  # lines of the final table


def train(
    paths: Annotated[list[Path] | None, Parameter(negative=())] = None,
    /,
    *,
    out: Path,
    label: Annotated[tuple[str, ...], _Flag] = (),
    split: Annotated[tuple[str, ...], _Flag] = (),
    flags: FileFlags = NO_FLAGS,
    simulated: float | None = None,
    learning: LearningFlags = AS_IT_IS,
    name: str | None = None,
    version: str = "1",
    threads: int = 2,
    fresh: Annotated[bool, _Flag] = False,
    json: Annotated[bool, _Flag] = False,
) -> None:
    """Learn what is normal from clips of normal behaviour, and write a model that the detector runs.

    Writes OUT.onnx, its thresholds OUT.calibration.yaml, OUT.report.html to look at with the same figures in
    OUT.report.json, and OUT.state.npz, from which `dyadwatch export` writes the model again. Clips need no labels; all
    of them should be normal. One bad clip is skipped and counted. A run that was stopped goes on from
    OUT.checkpoint.npz when the same command is given again.

    Parameters
    ----------
    paths
        Pose files and folders of any format that `publish file` reads, see `dyadwatch docs sources`.
    out
        The model file to write, ending in .onnx.
    label
        Only clips of this label; may be repeated.
    split
        Only clips of this split; may be repeated.
    simulated
        Train on this many minutes of simulated normal behaviour, besides clips or instead of them.
    name
        What the model calls itself; the name of the file if not given.
    version
        Version the model gives itself.
    threads
        Processor threads to use.
    fresh
        Start over, also where a stopped run could go on.
    json
        Print the report as JSON on standard output.
    """
    began = time.monotonic()
    _check(out, paths, simulated, learning)
    clip_sets = select_sets(paths or [], label, split, flags)  # before the seconds that torch takes to load
    tell_events(paths or [])
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "train") from None
    options = learning.options()
    torch.set_num_threads(threads)
    budget = Budget(options.max_minutes, began=began)
    budget.charge("reading")
    about: dict[str, Any] = {} if simulated is None else {"simulated_minutes": simulated}
    console = Console(stderr=True)
    checkpoint = out.with_suffix(".checkpoint.npz")
    if fresh:
        checkpoint.unlink(missing_ok=True)
    try:
        with shown(console) as listener:
            if simulated is not None:
                from dyadwatch.stream.publishers.simulator.samples import normal_clips

                listener(Progress("simulation", 0, 1))
                clip_sets.append(normal_clips(learning.seed, simulated))
                listener(Progress("simulation", 1, 1))
                budget.charge("simulation")
            trained = training.train(
                clip_sets,
                out,
                options=options,
                fit_windows=learning.window_s is None,
                name=name,
                version=version,
                summary=about,
                tell=lambda text: console.print(f"{text}; --window-s says otherwise", soft_wrap=True, highlight=False),
                progress=listener,
                checkpoint=checkpoint,
                budget=budget,
            )
    except CollapseError as collapse:
        page = write_report(collapse.report, out)
        if json:
            _print(collapse.report)
        console.print(f"what was seen is in {page}; no model was written", soft_wrap=True, markup=False)
        raise
    if json:
        _print(trained.report)
    else:
        show(trained.report, out, trained.page, Console())


def _check(out: Path, paths: list[Path] | None, simulated: float | None, learning: LearningFlags) -> None:
    check_out(out, "--out")
    if learning.epochs is not None and learning.recipe != "paper":
        raise TrainingError(f"--epochs is {learning.epochs}; only the recipe paper has epochs; the default has --steps")
    if learning.keep_going and learning.recipe != "paper":
        raise TrainingError("--keep-going is for --recipe paper; the default recipe has no collapse to stop for")
    if not paths and simulated is None:
        raise TrainingError("nothing to train on: give clip files, or --simulated MINUTES")
    if simulated is not None and not 0 < simulated <= 24 * 60:
        raise TrainingError(f"--simulated is {simulated:g}; expected minutes, more than 0 and at most a day")


def _print(report: Mapping[str, Any]) -> None:
    sys.stdout.write(json_module.dumps(report) + "\n")


def time_words(minutes: float, told: Mapping[str, Any]) -> str:
    """How the time went, by stage, and what a budget left out."""
    given, before = told["budget_minutes"], told["used_before_s"]
    text = f"{minutes:.1f} min" + (f" of {given:g}" if given is not None else "")
    text += f", {before / 60:.1f} of them before a stop" if before else ""
    text += ": " + ", ".join(f"{stage} {span(seconds)}" for stage, seconds in told["seconds"].items())
    fewer = [
        f"{name} {s['taken']} of {s['steps']} steps" for name, s in told["schedules"].items() if s["taken"] < s["steps"]
    ]
    return text + (f"; for want of time {', '.join(fewer)}" if fewer else "")


def show(report: Mapping[str, Any], out: Path, page: Path, console: Console) -> None:
    """The final table."""
    calibration = report["calibration"]
    evidence = calibration["evidence"]
    rows = [("clips used / skipped", f"{report['clips']} / {report['skipped_clips']}")]
    lost = [f"{len(names)} {reason}, such as {names[0]}" for reason, names in report["skipped"].items()]
    rows += [("  skipped", text) for text in lost[:_MOST_REASONS]]
    if lost[_MOST_REASONS:]:
        rows.append(("  skipped", f"for {len(lost) - _MOST_REASONS} more reasons, see the report"))
    if report.get("window"):
        chosen = report["window"]
        text = f"{chosen['window_s']:g} s; {chosen['usual_clips']} clips are long enough for {chosen['usual_s']:.3g} s"
        rows.append(("window", text))
    rows.append(("pair time, windows", f"{report['hours'] * 60:.1f} min, {report['windows']}"))
    for part, value in report["broken_pairs_mean"].items():
        said = "not trained" if value is None else f"AUROC {value:.3f} on broken pairs held back"
        rows.append((f"  {part}", said))
    rows += [
        ("weights", ", ".join(f"{k} {v:.2f}" for k, v in report["weights"].items())),
        ("alarm raised by", " or ".join(map(str, rules_of(calibration["rules"])))),
        (
            "  from",
            f"{counted(evidence['events'], 'event')} in {span(3600 * evidence['hours'])} of {evidence['method']}",
        ),
        ("  vouches for", vouched(evidence)),
        ("size", f"{out.stat().st_size / 1e6:.2f} MB"),
        ("time", time_words(report["minutes"], report["time"])),
        ("report", str(page)),
    ]
    table = Table("what", "value", title=Text(f"model {out}"), title_justify="left")
    for what, value in rows:
        table.add_row(what, Text(value))  # clips may be called anything, [/] too
    console.print(table)
