"""`dyadwatch export`: write a model file again from the training state."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from dyadwatch import training
from dyadwatch.model_files import check_out


def export(state: Path, /, *, out: Path, name: str | None = None, version: str = "1") -> None:
    """Write a model file again from a training state, with a fresh parity check against the network.

    Parameters
    ----------
    state
        The .state.npz that `dyadwatch train` wrote.
    out
        The model file to write, ending in .onnx; its thresholds are written beside it.
    name
        What the model calls itself; the name of the file if not given.
    version
        Version the model gives itself.
    """
    check_out(out, "--out")
    parity = training.export(state, out, name=name, version=version)
    worst = max(parity["relative"].values())
    Console().print(
        f"{out}: {out.stat().st_size / 1e6:.2f} MB, differs from the network by at most {worst:.1e} of a value"
    )
