"""Proof that a graph computes what its network computes, and the same whatever else is in the batch."""

# pyright: reportUnknownMemberType=false
# torch's own types are unknown in part.
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ArtefactError, MissingExtraError
from dyadwatch.core.model_file.artefact import OUTPUTS
from dyadwatch.core.model_file.onnx_runtime import OnnxSession, onnxruntime, outputs_of

if TYPE_CHECKING:
    from torch import nn

BATCHES = (1, 2, 7, 32)
TOLERANCE = 1e-3  # of |difference| / (1 + |value|)

Outputs = dict[str, NDArray[np.float32]]


class ParityReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared, and how far apart the two were at worst.

    Arguments:
        windows: windows compared, both orders of the persons counted.
        batches: batch sizes they were computed in.
        absolute, relative: for each output, the largest |difference|, and that over 1 + |value|.
        tolerance: of `relative`.
        batch_invariant: every window gave the same bits in every batch size, with one thread and with two.
        torch, onnxruntime: versions.
    """

    windows: int
    batches: tuple[int, ...]
    absolute: dict[str, float]
    relative: dict[str, float]
    tolerance: float
    batch_invariant: bool
    torch: str
    onnxruntime: str


def random_pairs(count: int, frames: int, joints: int, seed: int) -> NDArray[np.float32]:
    """Windows of two upright bodies that drift, turn and wave somewhere in a room, metres.

    Bodies, not noise: standing 0.3 to 3 m apart, joints within a body, speeds of people, so that the comparison
    covers what a graph meets in use.

    Returns:
        Shape (count, 2, T, J, 3).
    """
    rng = np.random.default_rng(seed)
    body = rng.uniform([-0.3, 0.0, -0.15], [0.3, 1.7, 0.15], size=(count, 2, 1, joints, 3))
    place = rng.uniform(-3, 3, size=(count, 1, 1, 1, 3)) * [1, 0.1, 1]
    heading, gap = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.3, 3, count)
    line = np.stack([gap * np.cos(heading), np.zeros(count), gap * np.sin(heading)], axis=-1)
    place = place + line[:, None, None, None, :] * np.array([-0.5, 0.5]).reshape(2, 1, 1, 1)
    drift = rng.normal(size=(count, 2, 1, 1, 3)) * [0.03, 0, 0.03] * np.arange(frames)[:, None, None]
    wave = np.cumsum(rng.normal(scale=0.02, size=(count, 2, frames, joints, 3)), axis=2)
    return (body + place + drift + wave).astype(np.float32)


def parity(module: nn.Module, path: str | Path, seed: int = 0, tolerance: float = TOLERANCE) -> ParityReport:
    """Compares a network and the graph exported from it, in several batch sizes and both orders of the persons.

    Arguments:
        module: joints (B, 2, T, J, 3) to the outputs.
        path: the ONNX file.
        seed: of the windows that are compared.
        tolerance: how far apart they may be, of |difference| / (1 + |value|).

    Raises:
        ArtefactError: when an output differs by more, is not finite, or depends on the size of the batch.
        MissingExtraError: when torch or ONNX Runtime is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "train") from None
    engine = onnxruntime("train")
    one, two = (open_session(path, threads) for threads in (1, 2))
    windows = random_pairs(max(BATCHES), *window_size(one), seed)
    absolute: dict[str, float] = dict.fromkeys(OUTPUTS, 0.0)
    relative: dict[str, float] = dict.fromkeys(OUTPUTS, 0.0)
    for pairs in (windows, windows[:, ::-1]):
        given = np.ascontiguousarray(pairs)
        with torch.inference_mode():
            expected = [t.numpy() for t in module(torch.from_numpy(given))]
        for name, want, have in zip(OUTPUTS, expected, _run(one, given).values(), strict=True):
            if not np.isfinite(have).all():
                raise ArtefactError(f"model {path}: output {name!r} is not finite for an ordinary window")
            gap = np.abs(have - want)
            absolute[name] = max(absolute[name], float(gap.max()))
            relative[name] = max(relative[name], float((gap / (1 + np.abs(want))).max()))
    worst = max(OUTPUTS, key=lambda name: relative[name])
    if relative[worst] > tolerance:
        raise ArtefactError(
            f"model {path}: output {worst!r} differs from the network by {relative[worst]:.2g} of 1 + its value "
            f"(absolute {absolute[worst]:.2g}); expected at most {tolerance:g}"
        )
    unsteady = batch_dependence(one, windows) | batch_dependence(two, windows, _run(one, windows))
    if unsteady:
        raise ArtefactError(
            f"model {path}: {', '.join(sorted(unsteady))} depend on which windows share a batch, so replays would "
            "differ from the live run; see core.iadnet.steady"
        )
    return ParityReport(
        windows=2 * len(windows),
        batches=BATCHES,
        absolute=absolute,
        relative=relative,
        tolerance=tolerance,
        batch_invariant=True,
        torch=str(torch.__version__),
        onnxruntime=str(engine.__version__),
    )


def batch_dependence(session: OnnxSession, windows: NDArray[np.float32], reference: Outputs | None = None) -> set[str]:
    """Outputs that give a window other bits when it is scored in a batch of another size or at another place.

    Arguments:
        session: an ONNX Runtime session of an artefact.
        windows: shape (N, 2, T, J, 3).
        reference: outputs to compare with; those of all windows in one batch where it is None.
    """
    expected = _run(session, windows) if reference is None else reference
    changed: set[str] = set()
    for batch in BATCHES:
        parts = [_run(session, windows[at : at + batch]) for at in range(0, len(windows), batch)]
        for name in expected:
            if not np.array_equal(np.concatenate([part[name] for part in parts]), expected[name]):
                changed.add(name)
    return changed


def open_session(model: str | Path | bytes, threads: int) -> OnnxSession:
    """A session of ONNX Runtime on the CPU, from a file or its bytes."""
    engine = onnxruntime()
    options = engine.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # few windows, far apart
    return engine.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )


def window_size(session: OnnxSession) -> tuple[int, int]:
    """Frames and joints of the windows that an artefact takes, shape (batch, 2, T, J, 3)."""
    _, _, frames, joints, _ = session.get_inputs()[0].shape
    if not (isinstance(frames, int) and isinstance(joints, int)):
        raise ArtefactError(f"the graph takes windows of {frames} frames and {joints} joints; expected two numbers")
    return frames, joints


def _run(session: OnnxSession, windows: NDArray[np.float32]) -> Outputs:
    given = outputs_of(session)
    return dict(zip(given, session.run(given, {"joints": windows}), strict=True))
