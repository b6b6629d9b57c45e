"""The files of a trained model, side by side: model, thresholds, training state and report; and models by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dyadwatch.core.decision.calibration_file import Calibration, calibration_path, write_calibration
from dyadwatch.core.errors import ArtefactError, DyadwatchError, TrainingError
from dyadwatch.core.files.atomic import write_atomically
from dyadwatch.core.model_file.artefact import ArtefactInfo, file_sha256

if TYPE_CHECKING:
    from dyadwatch.core.training.training_state import TrainerState

SHIPPED = "shipped"
SIMULATED = "simulated"  # the same: what it knows


def shipped_model() -> Path:
    """The model that comes with the package, trained on simulated normal behaviour."""
    return Path(str(files("dyadwatch.exporters") / "models" / "simulated.onnx"))


def named_model(name: str | Path) -> Path:
    """The model file that a user names: `simulated` or `shipped` is the one that comes with the package, else a file.

    A file that is really called so is named as `./simulated`.

    Arguments:
        name: as given on the command line, or as `scorer.model` of the configuration.

    Raises:
        ArtefactError: there is no such file; the message says what else may be named.
    """
    if str(name) in (SHIPPED, SIMULATED):
        return shipped_model()
    path = Path(name)
    try:
        path.open("rb").close()
    except OSError as error:
        raise ArtefactError(
            f"model {path} cannot be read: {error.strerror}; expected a model file (.onnx), or {SHIPPED} for the one "
            "that comes with dyadwatch"
        ) from None
    return path


def check_out(out: Path, argument: str = "out", error: type[DyadwatchError] = TrainingError) -> None:
    """Before anything that takes long.

    Arguments:
        argument: what errors call it.
        error: what is raised.

    Raises:
        DyadwatchError: `error`, when no model can be written to `out`.
    """
    if out.suffix != ".onnx":
        raise error(f"{argument} is {out}; expected a name that ends in .onnx")
    if not out.parent.is_dir():
        raise error(f"{argument} is {out}, but there is no folder {out.parent}; make it first")


def write_model(state: TrainerState, out: Path, name: str, version: str) -> dict[str, Any]:
    """Exports a scorer with its parity check and writes the calibration bound to the file.

    Returns:
        `relative`, how far each output is from the network's at most, and `batch_invariant`.
    """
    from dyadwatch.exporters.onnx_export import export

    info = ArtefactInfo(
        name=name,
        version=version,
        layout=state.layout,
        joints=state.joints,
        frames=state.frames,
        fps=state.fps,
        lead=state.lead,
        training=state.summary,
    )
    report = export(state.scorer, info, out)
    write_calibration(calibration_path(out), Calibration.of(file_sha256(out), state.calibration))
    return {"relative": report.relative, "batch_invariant": report.batch_invariant}


def write_report(report: Mapping[str, Any], out: Path) -> Path:
    """Writes the report of the model `out` as JSON and as a page; returns the page."""
    from dyadwatch.core.training.report_page import report_page

    write_atomically(out.with_suffix(".report.json"), json.dumps(report, indent=1).encode())
    page = out.with_suffix(".report.html")
    # A clip may be called anything, half a surrogate pair included.
    write_atomically(page, report_page(report).encode("utf8", "xmlcharrefreplace"))
    return page
