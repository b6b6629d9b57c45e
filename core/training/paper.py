"""The published recipe: the whole network by negative log-likelihood, watched for the collapse it is prone to."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dyadwatch.core.errors import CollapseError, TrainingError
from dyadwatch.core.features.pair_statistics import mean_distances
from dyadwatch.core.iadnet.network import IADNet
from dyadwatch.core.iadnet.score_module import FeatureDensity, Maps, PairEncoder, PairScorer, Weights
from dyadwatch.core.scoring.auroc import auroc
from dyadwatch.core.scoring.memory_bank import NearestNeighbour
from dyadwatch.core.scoring.tail_calibration import TailCalibration
from dyadwatch.core.training.augment_window import augment
from dyadwatch.core.training.calibrate_scores import thresholds
from dyadwatch.core.training.encoder import encoder_config
from dyadwatch.core.training.material import Material, Trained, summarise
from dyadwatch.core.training.options import Listener, Progress, TrainOptions
from dyadwatch.core.training.report import make_report
from dyadwatch.core.training.time_budget import Budget, RateSchedule
from dyadwatch.core.words import counted

_RATES = (1e-3, 1e-5)  # first and last epoch
_BATCH = 32
_CHUNK = 256
_WATCH_FROM = 5  # epochs; before, nothing has been learnt that could collapse
_LEAST_SPREAD = 0.1  # of the spread before training
_LEAST_GAP = 0.3  # nats between broken and intact held-out pairs
_IN_A_ROW = 2
_LEAST_SHARE = 0.1  # of a budget: what the epochs have even where other stages used more than was foreseen
_FEW_WINDOWS = 30  # held back; what is measured on fewer is noisy


@dataclass(frozen=True)
class Epoch:
    """What the collapse monitor sees after an epoch; 0 is before training.

    Arguments:
        epoch: number.
        nll: mean training loss, nats.
        spread: root mean square deviation of the flow's input over held-out normal windows.
        gap: median NLL of held-out broken pairs less that of intact ones, nats.
        auroc: of broken against intact.
    """

    epoch: int
    nll: float
    spread: float
    gap: float
    auroc: float


def collapsed(history: list[Epoch]) -> str:
    """What has collapsed in the last epochs, in words; empty while nothing has."""
    if len(history) <= _WATCH_FROM + _IN_A_ROW:
        return ""
    first, last = history[0], history[-_IN_A_ROW:]
    if all(e.spread < _LEAST_SPREAD * first.spread for e in last):
        return f"the features' spread fell from {first.spread:.2g} to {last[-1].spread:.2g}"
    if all(not e.gap >= _LEAST_GAP for e in last):
        return f"broken pairs lie only {last[-1].gap:.2g} nats above intact ones; expected {_LEAST_GAP:g} or more"
    return ""


def measured_on(material: Material) -> str:
    """How much was held back for the monitor to look at, and whether that is little."""
    judges = material.windows.take(material.held)
    clips = {material.prepared.recordings[i].clip for i in judges.recording.tolist()}
    noisy = ", which is noisy" if len(judges) < _FEW_WINDOWS else ""
    return f"measured on {counted(len(judges), 'window')} of {counted(len(clips), 'clip')}{noisy}"


def train_paper(material: Material, options: TrainOptions, listen: Listener, budget: Budget) -> Trained:
    """End-to-end NLL with Adam, 1e-3 falling to 1e-5.

    Raises:
        CollapseError: when features collapse and `options.stop_on_collapse` is set; says what was seen.
        TrainingError: when there is too little to watch for that, or the likelihood is not finite.
    """
    layout = material.prepared.layout
    if not material.broken:
        raise TrainingError(
            f"{material.prepared.units} clips are too few to hold some back and watch for a collapse; give more, or "
            "train with --recipe default"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = IADNet(encoder_config(layout, options))
    rng = np.random.default_rng([options.seed, 5])
    generator = torch.Generator().manual_seed(options.seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=_RATES[0])
    decay = (_RATES[1] / _RATES[0]) ** (1 / max(options.epochs - 1, 1))
    rates = torch.optim.lr_scheduler.ExponentialLR(optimiser, decay)
    train = material.windows.joints[~material.held]
    history = [_watch(network, material, 0, float("nan"))]
    verdict = ""
    batches = math.ceil(len(train) / _BATCH)
    total = options.epochs * batches
    pace = budget.pace(total, max(budget.left - material.rest_s, _LEAST_SHARE * budget.seconds))
    position = taken = 0
    order: list[int] = []
    losses: list[float] = []
    rate = _RATES[0]
    while position < total and not (verdict and options.stop_on_collapse):
        epoch = position // batches + 1
        order = order or rng.permutation(len(train)).tolist()
        windows = augment(torch.from_numpy(train[order[:_BATCH]]), generator)
        order = order[_BATCH:]
        loss = network.nll(windows).mean()
        if not torch.isfinite(loss):
            raise TrainingError(f"the likelihood is not finite in epoch {epoch}; train with --recipe default")
        rate = optimiser.param_groups[0]["lr"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        position, taken = pace.after(position), taken + 1
        ended = position // batches
        for _ in range(epoch - 1, ended):  # more than one where a budget leaves some out
            rates.step()
        if ended < epoch:
            continue
        history.append(_watch(network, material, ended, float(np.mean(losses))))
        losses.clear()
        latest = asdict(history[-1])
        listen(Progress("paper", ended, options.epochs, {k: latest[k] for k in ("nll", "spread", "gap", "auroc")}))
        if not verdict and (seen := collapsed(history)):
            verdict = f"{seen} ({measured_on(material)})"
    budget.schedules["paper"] = RateSchedule(total, taken, rate)
    budget.charge("paper")
    trained = _assemble(network.eval(), material, options, history, verdict, budget)
    if verdict and options.stop_on_collapse:
        raise CollapseError(
            f"collapsed in epoch {history[-1].epoch} of {options.epochs}: {verdict}, while the training loss fell from "
            f"{history[1].nll:.1f} to {history[-1].nll:.1f} nats; such a model tells nothing apart, train with "
            "--recipe default",
            trained.report | {"stopped": True},
        )
    return trained


@torch.no_grad()
def _nll(network: IADNet, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    parts = [network.nll(torch.from_numpy(windows[i : i + _CHUNK])) for i in range(0, len(windows), _CHUNK)]
    return torch.cat(parts).double().numpy()


@torch.no_grad()
def _watch(network: IADNet, material: Material, epoch: int, nll: float) -> Epoch:
    network.eval()
    held = torch.from_numpy(material.windows.joints[material.held][:_CHUNK])
    spread = float(network.narrow(network.features(held)[0]).std(0).square().mean().sqrt())
    intact, broken = (np.concatenate([pair[i] for pair in material.broken.values()]) for i in (0, 1))
    low, high = _nll(network, intact), _nll(network, broken)
    network.train()
    return Epoch(epoch, nll, spread, float(np.median(high) - np.median(low)), auroc(low, high))


def _assemble(
    network: IADNet,
    material: Material,
    options: TrainOptions,
    history: list[Epoch],
    verdict: str,
    budget: Budget,
) -> Trained:
    """The scorer with nothing but the likelihood in its score; the support set serves the explanation."""
    judges = material.windows.take(material.held)
    nll = _nll(network, judges.joints)
    flow_map = TailCalibration.fit(nll)
    surprise = flow_map(nll)
    identity = TailCalibration(np.zeros(1), np.ones(1))
    encoder = PairEncoder(network.config)
    encoder.encoder = network.encoder
    whiten = network.narrow.weight.detach()
    offset = -torch.linalg.pinv(whiten) @ network.narrow.bias.detach()  # W (f - m) = W f + b
    bank = NearestNeighbour.fit(material.statistics, material.values, most=options.support, seed=options.seed)
    weights = Weights(neighbours=0.0, unusual=0.0, flow=1.0)
    scorer = PairScorer(
        bank=bank,
        distances=mean_distances(material.windows.joints[bank.chosen], material.statistics.joints),
        joints=len(material.prepared.layout),
        frames=options.frames,
        maps=Maps(neighbours=TailCalibration.zero(), unusual=identity, score=identity, flow=flow_map),
        weights=weights,
        encoder=encoder,
        density=FeatureDensity(offset, whiten, network.flow.folded()),
    ).eval()
    held_back = "normal recordings that were held back"
    calibration = thresholds({"score": surprise}, judges, material.hop / options.fps, options.budget_per_h, held_back)
    figures: dict[str, Any] = {
        "weights": asdict(weights),
        "broken_pairs": {},
        "broken_pairs_mean": {"flow": history[-1].auroc},
        "curve": [asdict(e) for e in history],
        "collapse": verdict,
        "monitor": {"spread": _LEAST_SPREAD * history[0].spread, "gap": _LEAST_GAP},
        "calibration": calibration,
        "windows": len(material.windows),
        "support": len(bank.support),
        "whitened": False,
        "minutes": round(budget.used / 60, 3),
    }
    budget.charge("calibration")
    scores = {"score": surprise, "relation": np.zeros(len(nll)), "unusual": np.zeros(len(nll))}
    report = make_report(material.prepared, judges, options, scores, figures)
    budget.charge("report")
    report["time"] = budget.report()
    return Trained(scorer, material.prepared.layout, options, summarise(report, options), calibration, report)
