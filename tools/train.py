"""`dyadwatch train`: learn what is normal from clips and write a model."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from dyadwatch.core.clips import ClipSet
from dyadwatch.core.errors import MissingExtraError, TrainingError
from dyadwatch.tools.files import NO_FLAGS, FileFlags, select_sets

if TYPE_CHECKING:
    from dyadwatch.core.training.material import Trained
    from dyadwatch.core.training.options import Progress as Step
    from dyadwatch.core.training.state import State

_Flag = Parameter(negative=())


def train(
    paths: Annotated[list[Path] | None, Parameter(negative=())] = None,
    /,
    *,
    out: Path,
    layout: str | None = None,
    fps: float = 15.0,
    window_s: float = 2.0,
    hop: int = 3,
    label: Annotated[tuple[str, ...], _Flag] = (),
    split: Annotated[tuple[str, ...], _Flag] = (),
    flags: FileFlags = NO_FLAGS,
    recipe: Literal["default", "paper"] = "default",
    steps: int = 2000,
    seed: int = 0,
    minutes: float | None = None,
    mirror: Annotated[bool, _Flag] = False,
    simulated: float | None = None,
    support: int = 1024,
    least_trust: float = 0.0,
    name: str | None = None,
    version: str = "1",
    threads: int = 2,
    json: Annotated[bool, _Flag] = False,
) -> None:
    """Learn what is normal from clips of normal behaviour, and write a model that the detector runs.

    Writes OUT.onnx, its thresholds OUT.calibration.yaml, what was measured OUT.report.json, and OUT.state.npz, from
    which `dyadwatch export` writes the model again. Clips need no labels; all of them should be normal. One bad clip
    is skipped and counted.

    Parameters
    ----------
    paths
        Pose files and folders of any format that `publish file` reads, see docs/sources.md.
    out
        The model file to write, ending in .onnx.
    layout
        Skeleton layout of the model, such as upper11; the layout of the first clips if not given.
    fps
        Frames per second of the model's time grid; clips and live poses are resampled to it.
    window_s
        Length of a window in seconds.
    hop
        Frames from one training window to the next.
    label
        Only clips of this label; may be repeated.
    split
        Only clips of this split; may be repeated.
    recipe
        `default`, or `paper`: end to end by likelihood as published, which stops when it collapses.
    steps
        Optimiser steps of the encoder.
    seed
        The same seed on the same machine gives the same model.
    minutes
        The encoder stops learning after this many minutes.
    mirror
        Also learn from left-right mirrored people.
    simulated
        Train on this many minutes of simulated normal behaviour, besides clips or instead of them.
    support
        Most normal windows that the model keeps to compare with; fewer make a smaller file.
    least_trust
        Smallest weight of the learnt parts, even where they learnt nothing; for models that only demonstrate.
    name
        What the model calls itself; the name of the file if not given.
    version
        Version the model gives itself.
    threads
        Processor threads to use.
    json
        Print the report as JSON on standard output.
    """
    _check(out, paths, simulated)
    try:
        import torch

        from dyadwatch.core.training.options import TrainOptions
        from dyadwatch.core.training.recipe import train as learn
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "train") from None
    options = TrainOptions(
        layout=layout,
        fps=fps,
        window_s=window_s,
        hop=hop,
        recipe=recipe,
        steps=steps,
        seed=seed,
        mirror=mirror,
        max_minutes=minutes,
        support=support,
        least_trust=least_trust,
    )
    torch.set_num_threads(threads)
    clip_sets: list[ClipSet] = [*select_sets(paths or [], label, split, flags)]
    if simulated is not None:
        from dyadwatch.stream.publishers.simulator.samples import normal_clips

        clip_sets.append(normal_clips(seed, simulated))
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description:12s}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[values]}"),
        console=console,
    ) as bars:
        trained = learn(clip_sets, options, _Bars(bars))
    if simulated is not None:
        trained.summary["simulated_minutes"] = simulated
    write(trained, out, name or out.stem, version)
    report = out.with_suffix(".report.json")
    report.write_text(json_module.dumps(trained.report, indent=1), "utf8")
    if json:
        sys.stdout.write(json_module.dumps(trained.report) + "\n")
    else:
        show(trained, out, Console())


class _Bars:
    """Shows a training run as one bar a stage."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, step: Step) -> None:
        values = "  ".join(f"{k} {v:.3g}" for k, v in step.values.items())
        if step.stage not in self._tasks:
            self._tasks[step.stage] = self._bars.add_task(step.stage, total=step.total, values=values)
        self._bars.update(self._tasks[step.stage], completed=step.done, total=step.total, values=values)


def _check(out: Path, paths: list[Path] | None, simulated: float | None) -> None:
    if out.suffix != ".onnx":
        raise TrainingError(f"--out is {out}; expected a name that ends in .onnx")
    if not paths and simulated is None:
        raise TrainingError("nothing to train on: give clip files, or --simulated MINUTES")
    if simulated is not None and not 0 < simulated <= 24 * 60:
        raise TrainingError(f"--simulated is {simulated:g}; expected minutes, more than 0 and at most a day")
    if not out.parent.is_dir():
        raise TrainingError(f"--out is {out}, but there is no folder {out.parent}; make it first")


def write(trained: Trained, out: Path, name: str, version: str) -> None:
    """Writes model, calibration and training state side by side."""
    from dyadwatch.core.training.state import save_state, state_of

    state = state_of(trained)
    write_model(state, out, name, version)
    save_state(out.with_suffix(".state.npz"), state)


def write_model(state: State, out: Path, name: str, version: str) -> dict[str, Any]:
    """Exports a scorer with its parity check and writes the calibration bound to the file."""
    from dyadwatch.core.artefact import ArtefactInfo, file_sha256
    from dyadwatch.core.calibration import Calibration, calibration_path, write_calibration
    from dyadwatch.exporters.onnx_export import export

    info = ArtefactInfo(
        name=name,
        version=version,
        layout=state.layout,
        joints=state.joints,
        frames=state.frames,
        fps=state.fps,
        training=state.summary,
    )
    report = export(state.scorer, info, out)
    write_calibration(calibration_path(out), Calibration(model_sha256=file_sha256(out), **state.calibration))
    return {"relative": report.relative, "batch_invariant": report.batch_invariant}


def show(trained: Trained, out: Path, console: Console) -> None:
    """The final table."""
    report, calibration = trained.report, trained.calibration
    table = Table("what", "value", title=f"model {out}", title_justify="left")
    table.add_row("clips used / skipped", f"{report['clips']} / {report['skipped_clips']}")
    for reason, names in report["skipped"].items():
        table.add_row("  skipped", f"{len(names)} {reason}, such as {names[0]}")
    table.add_row("pair time, windows", f"{report['hours'] * 60:.1f} min, {report['windows']}")
    for part, value in report["broken_pairs_mean"].items():
        said = "not trained" if value is None else f"AUROC {value:.3f} on broken pairs held back"
        table.add_row(f"  {part}", said)
    table.add_row("weights", ", ".join(f"{k} {v:.2f}" for k, v in report["weights"].items()))
    table.add_row("alarm raised, cleared at", f"{calibration['raise_at']:.2f}, {calibration['clear_at']:.2f}")
    evidence = calibration["evidence"]
    table.add_row("  from", f"{evidence['windows']} normal windows held back, {60 * evidence['hours']:.0f} min")
    table.add_row("size", f"{out.stat().st_size / 1e6:.2f} MB")
    table.add_row("time", f"{report['minutes']:.1f} min")
    console.print(table)
