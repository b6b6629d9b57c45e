"""ONNX Runtime for model files that are only in memory, and the proof that a rewritten one is steady."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ArtefactError
from dyadwatch.core.model_file.onnx_runtime import OnnxSession, engine_errors, onnxruntime, outputs_of
from dyadwatch.exporters.parity import BATCHES, batch_dependence, open_session, random_pairs, window_size

_BATCH = 64


def run_model(
    model: bytes, given: Mapping[str, NDArray[np.float32]], wanted: Sequence[str]
) -> list[NDArray[np.float32]]:
    """Outputs of a model for any number of windows; what it takes is picked from `given` by name.

    Raises:
        MissingExtraError: when ONNX Runtime is not installed.
    """
    session = _open(model, 1)
    feeds = {node.name: given[node.name] for node in session.get_inputs()}
    count = len(next(iter(feeds.values())))
    parts = [
        session.run(list(wanted), {name: value[at : at + _BATCH] for name, value in feeds.items()})
        for at in range(0, count, _BATCH)
    ]
    return [np.concatenate(values) for values in zip(*parts, strict=True)]


def check_steady(model: bytes, what: str, seed: int = 0) -> dict[str, object]:
    """Scores windows in several batch sizes, with one thread and with two.

    Returns:
        What was checked, for the model's description.

    Raises:
        ArtefactError: when an output is not finite, or depends on the size of the batch.
        MissingExtraError: when ONNX Runtime is not installed.
    """
    one, two = (_open(model, threads) for threads in (1, 2))
    windows = random_pairs(max(BATCHES), *window_size(one), seed)
    given = outputs_of(one)
    outputs = {name: np.asarray(v) for name, v in zip(given, one.run(given, {"joints": windows}), strict=True)}
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise ArtefactError(f"{what}: output {name!r} is not finite for an ordinary window")
    unsteady = batch_dependence(one, windows) | batch_dependence(two, windows, outputs)
    if unsteady:
        raise ArtefactError(
            f"{what}: {', '.join(sorted(unsteady))} depend on which windows share a batch, so replays would differ "
            "from the live run"
        )
    return {"windows": len(windows), "batches": BATCHES, "batch_invariant": True}


def _open(model: bytes, threads: int) -> OnnxSession:
    onnxruntime()
    try:
        return open_session(model, threads)
    except engine_errors() as error:
        raise ArtefactError(f"ONNX Runtime cannot run the model: {error}") from None
