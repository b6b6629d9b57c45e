"""A trained scorer as plain arrays in one `.npz`, from which it can be built again. No pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from dyadwatch.core.errors import TrainingError
from dyadwatch.core.features.pair_frame import Anchors
from dyadwatch.core.features.pair_statistics import Scaling, Statistics
from dyadwatch.core.files.atomic import written_atomically
from dyadwatch.core.files.npz import read_npz
from dyadwatch.core.iadnet.flow import FoldedFlow, QRFlow
from dyadwatch.core.iadnet.mismatch_classifier import MismatchClassifier
from dyadwatch.core.iadnet.score_module import FeatureDensity, Maps, PairEncoder, PairScorer, Weights
from dyadwatch.core.iadnet.sizes import IADNetConfig
from dyadwatch.core.scoring.memory_bank import NearestNeighbour
from dyadwatch.core.scoring.tail_calibration import TailCalibration
from dyadwatch.core.training.material import Trained

_FORMAT = 4  # since 4 with timing
_MAPS = ("neighbours", "whitened", "flow", "unusual", "relation", "score", "timing")
# Made again of the bank, and of the critic.
_MADE_AGAIN = ("neighbours.", "timing.")

_Arrays = dict[str, NDArray[Any]]


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    """Everything about a scorer that is not an array."""

    format: int
    layout: str
    joint_names: tuple[str, ...]
    frames: int
    fps: float
    related: tuple[int, ...]
    pelvis: tuple[int, int]
    neck: tuple[int, int]
    weights: Weights
    network: IADNetConfig | None
    flow_layers: int | None
    flow_constant: float
    summary: dict[str, Any]
    calibration: dict[str, Any]
    trunk: float = 1.0
    lead: int = 0


class TrainerState(msgspec.Struct, frozen=True):
    """A scorer and what its model file says of it.

    Arguments:
        scorer: the module to export.
        layout, joints, frames, fps, lead: what it takes, see `ArtefactInfo`.
        summary: of its training.
        calibration: `raise_at`, `clear_at`, `rules` and `evidence`.
    """

    scorer: PairScorer
    layout: str
    joints: tuple[str, ...]
    frames: int
    fps: float
    summary: dict[str, Any]
    calibration: dict[str, Any]
    lead: int = 0


def state_of(trained: Trained) -> TrainerState:
    """What of a training result is kept."""
    options = trained.options
    return TrainerState(
        trained.scorer,
        trained.layout.name,
        trained.layout.joints,
        options.frames,
        options.fps,
        trained.summary,
        trained.calibration,
        options.lead,
    )


def save_state(path: str | Path, state: TrainerState) -> None:
    """Writes a scorer; `load_state` gives it back, bit for bit."""
    scorer = state.scorer
    statistics = scorer.bank.statistics
    flow = None if scorer.density is None else scorer.density.flow
    document = _Document(
        format=_FORMAT,
        layout=state.layout,
        joint_names=state.joints,
        frames=state.frames,
        fps=state.fps,
        related=statistics.joints,
        pelvis=statistics.at.pelvis,
        neck=statistics.at.neck,
        weights=scorer.weights,
        network=None if scorer.encoder is None else scorer.encoder.config,
        flow_layers=None if flow is None else flow.depth,
        flow_constant=0.0 if flow is None else flow.constant,
        summary=state.summary,
        calibration=state.calibration,
        trunk=statistics.at.trunk,
        lead=state.lead,
    )
    arrays: _Arrays = {
        f"scorer.{name}": value.numpy()
        for name, value in scorer.state_dict().items()
        if not name.startswith(_MADE_AGAIN)
    }
    bank = scorer.bank
    arrays |= {"bank.centre": bank.scaling.centre, "bank.scale": bank.scaling.scale}
    arrays |= {"bank.support": bank.support.astype(np.float16)}
    arrays |= {"bank.distances": scorer.neighbours.distances.numpy()}
    if bank.axes is not None:
        arrays["bank.axes"] = bank.axes
    if bank.precision is not None:
        arrays["bank.precision"] = bank.precision
    arrays["document"] = np.frombuffer(msgspec.json.encode(document), np.uint8)
    with written_atomically(Path(path)) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]


def load_state(path: str | Path) -> TrainerState:
    """The scorer in a file that `save_state` wrote.

    Raises:
        TrainingError: when the file cannot be read or is something else; names the file.
    """
    try:
        arrays: _Arrays = read_npz(Path(path))
        document = msgspec.json.decode(arrays.pop("document").tobytes(), type=_Document)
        if document.format != _FORMAT:
            older = ": train it again" if document.format < _FORMAT else ""
            raise TrainingError(f"{path} has format {document.format}; this dyadwatch reads format {_FORMAT}{older}")
        scorer = _build(document, {name.removeprefix("scorer."): a for name, a in arrays.items()})
    except (ValueError, KeyError, RuntimeError) as error:
        raise TrainingError(f"{path} is not a training state of dyadwatch, or is damaged: {error}") from None
    return TrainerState(
        scorer,
        document.layout,
        document.joint_names,
        document.frames,
        document.fps,
        document.summary,
        document.calibration,
        document.lead,
    )


def _build(document: _Document, arrays: _Arrays) -> PairScorer:
    statistics = Statistics(document.related, Anchors(document.pelvis, document.neck, document.trunk), document.fps)
    encoder = None if document.network is None else PairEncoder(document.network)
    density = None
    if "density.mean" in arrays:
        mean, whiten = (torch.from_numpy(arrays[f"density.{name}"]) for name in ("mean", "whiten"))
        flow = None
        if document.flow_layers is not None:
            flow = FoldedFlow(QRFlow(len(whiten), document.flow_layers))
            flow.constant = document.flow_constant
        density = FeatureDensity(mean, whiten, flow)
    maps = {
        name: TailCalibration(arrays[f"{name}_map.knots"].astype(float), arrays[f"{name}_map.slopes"].astype(float))
        for name in _MAPS
    }
    bank = NearestNeighbour(
        statistics,
        Scaling(arrays["bank.centre"], arrays["bank.scale"]),
        arrays["bank.support"].astype(np.float32),
        arrays.get("bank.axes"),
        arrays.get("bank.precision"),
    )
    critic = None
    if "critic.centre" in arrays:
        critic = MismatchClassifier(statistics, arrays["critic.centre"], arrays["critic.spread"])
    scorer = PairScorer(
        bank=bank,
        distances=arrays["bank.distances"],
        joints=len(document.joint_names),
        frames=document.frames,
        maps=Maps(**maps),
        weights=document.weights,
        encoder=encoder,
        density=density,
        critic=critic,
    )
    tensors = {name: torch.from_numpy(a) for name, a in arrays.items() if not name.startswith("bank.")}
    missing, unexpected = scorer.load_state_dict(tensors, strict=False)
    lost = [name for name in missing if not name.startswith(_MADE_AGAIN)]
    if lost or unexpected:
        raise ValueError(f"its arrays do not fit its sizes: {', '.join(lost + unexpected):.200}")
    return scorer.eval()
