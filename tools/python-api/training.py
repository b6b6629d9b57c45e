"""From normal clips to the files of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.errors import CollapseError, MissingExtraError, TrainingError
from dyadwatch.core.training.options import Listener, Progress, TrainOptions, silent
from dyadwatch.core.training.time_budget import Budget
from dyadwatch.model_files import check_out, write_model, write_report

if TYPE_CHECKING:
    from dyadwatch.core.training.training_state import TrainerState


@dataclass(frozen=True)
class TrainedModel:
    """The files of a model, and how it was trained.

    Arguments:
        model: the model file (.onnx); its thresholds lie beside it, in `.calibration.yaml`.
        state: the training state (.state.npz), from which `export` writes the model again.
        page: the report as a page (.report.html).
        report: the same figures as plain values; durations in seconds or minutes as their names say.
    """

    model: Path
    state: Path
    page: Path
    report: Mapping[str, Any] = field(repr=False)


def train(
    clips: ClipSet | Sequence[ClipSet],
    out: str | Path,
    *,
    options: TrainOptions | None = None,
    fit_windows: bool | None = None,
    name: str | None = None,
    version: str = "1",
    summary: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = lambda text: None,
    progress: Listener | None = None,
    checkpoint: str | Path | None = None,
    budget: Budget | None = None,
) -> TrainedModel:
    """Learns what is normal and writes a model, its thresholds, its report and its training state.

    Arguments:
        clips: of normal behaviour; `read_poses` gives them. Joints in metres, see `Clip`.
        out: the model file to write, ending in .onnx; the other files have its name with other endings.
        options: of the training, see `TrainOptions`; None is the default recipe. `max_minutes` is for the whole run:
            where there is no time for everything, every stage does less, and `time` of the report says what.
        fit_windows: windows of 0.67 s instead of `options.window_s` from ten minutes of pairs on, and shorter ones
            where most clips are too short; `window` of the report tells of the latter. None does where no options are
            given.
        name: what the model calls itself; None is the name of the file.
        version: that the model gives itself.
        summary: plain values that the model file and the report hold besides.
        tell: called with a line where the window was shortened.
        progress: called with each step.
        checkpoint: file that a stopped run goes on from when it is called again with the same arguments; it is removed
            at the end. None keeps nothing.
        budget: that has begun already, as with the reading of the clips; None begins one of `max_minutes` now.

    Raises:
        TrainingError: too few clips are usable, or nothing can be written to `out`.
        CollapseError: the recipe `paper` has unlearnt everything; `report` says what was seen.
        LayoutError: joints do not map onto the model's layout; names the missing ones.
        MissingExtraError: torch or onnx is not installed.
    """
    chosen = options or TrainOptions()
    budget = budget or Budget(chosen.max_minutes)
    out = Path(out)
    check_out(out)
    sets = [clips] if isinstance(clips, ClipSet) else list(clips)
    for data in sets:
        if not isinstance(data, ClipSet):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TrainingError(f"clips holds {data!r:.60}; expected ClipSets, as read_poses gives them")
    listen = progress or silent
    try:
        from dyadwatch.core.training.recipe import train as learn
        from dyadwatch.core.training.training_state import save_state, state_of
        from dyadwatch.core.training.window_length import fit_window
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "train") from None
    name = name or out.stem
    about = {"name": name, "version": version} | dict(summary or {})
    if fit_windows or (fit_windows is None and options is None):
        chosen, fitted = fit_window(sets, chosen)
        if fitted is not None:
            tell(f"windows of {fitted}")
            about["window"] = fitted.report()
    try:
        trained = learn(sets, chosen, listen, None if checkpoint is None else Path(checkpoint), budget)
    except CollapseError as collapse:
        raise CollapseError(f"{collapse}", collapse.report | about | _time(budget)) from None
    trained.summary.update(summary or {})
    listen(Progress("export", 0, 1))
    write_model(state := state_of(trained), out, name, version)
    listen(Progress("export", 1, 1))
    budget.charge("export")
    kept = out.with_suffix(".state.npz")
    save_state(kept, state)
    report = trained.report | about | _time(budget)
    return TrainedModel(out, kept, write_report(report, out), report)


def _time(budget: Budget) -> dict[str, Any]:
    return {"minutes": round(budget.used / 60, 3), "time": budget.report()}


def export(state: str | Path, out: str | Path, *, name: str | None = None, version: str = "1") -> dict[str, Any]:
    """Writes a model file again from a training state, with a fresh parity check against the network.

    Arguments:
        state: the .state.npz that `train` wrote.
        out: the model file to write, ending in .onnx; its thresholds are written beside it.
        name: what the model calls itself; None is the name of the file.
        version: that the model gives itself.

    Returns:
        `relative`, how far each output is at most from the network's, and `batch_invariant`.

    Raises:
        TrainingError: the state cannot be read, or nothing can be written to `out`.
        ArtefactError: what was exported does not compute what the network does.
        MissingExtraError: torch or onnx is not installed.
    """
    state, out = Path(state), Path(out)
    check_out(out)
    if not state.is_file():
        raise TrainingError(f"{state}: no such file; expected the .state.npz that `dyadwatch train` wrote")
    try:
        from dyadwatch.core.training.training_state import load_state
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "train") from None
    loaded: TrainerState = load_state(state)
    return write_model(loaded, out, name or out.stem, version)
