"""The encoder learns what belongs together: intact pairs against broken ones."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dyadwatch.core.features.pair_statistics import statistics_joints
from dyadwatch.core.iadnet.score_module import PairEncoder
from dyadwatch.core.iadnet.sizes import IADNetConfig
from dyadwatch.core.scoring.auroc import auroc
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.training.augment_window import augment
from dyadwatch.core.training.checkpoint import Checkpoint, EncoderProgress
from dyadwatch.core.training.mismatched_pairs import PairSampler
from dyadwatch.core.training.options import Listener, Progress, TrainOptions
from dyadwatch.core.training.time_budget import Budget, RateSchedule

_LEARNING_RATE = 2e-3
_WARM_UP = 0.15  # part of the steps in which the one-cycle rate rises
_WEIGHT_DECAY = 0.01
_LOOKS = 10  # times the validation pairs are looked at
_CHUNK = 256
_SAVE_EVERY_S = 20.0
_LEAST_SHARE = 0.1  # of a budget: what the encoder has even where other stages used more than was foreseen

BrokenPairs = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class EvalPoint:
    """The state of the encoder at one moment of its training.

    Arguments:
        step: positions of the schedule that lie behind; optimiser steps, unless a budget made them fewer.
        loss: mean over the steps since the last look; ln 2 = 0.69 is guessing.
        spread: root mean square deviation of the pooled features of intact validation windows.
        auroc: broken against intact validation windows, by kind of breaking.
    """

    step: int
    loss: float
    spread: float
    auroc: dict[str, float]


def encoder_config(layout: Layout, options: TrainOptions) -> IADNetConfig:
    """Sizes of the encoder: distances between the same joints that the statistics use."""
    return IADNetConfig.for_layout(
        layout,
        options.frames,
        width=options.width,
        units=options.units,
        features=options.width,
        position=options.position,
        relations=options.relations,
        sharing=options.sharing,
        relation_joints=statistics_joints(layout),
    )


def train_encoder(
    sampler: PairSampler,
    validation: BrokenPairs,
    layout: Layout,
    options: TrainOptions,
    listen: Listener,
    checkpoint: Checkpoint | None = None,
    budget: Budget | None = None,
    kept_back_s: float = 0.0,
) -> tuple[PairEncoder, list[EvalPoint]]:
    """Trains on pairs drawn from `sampler`; the validation pairs are only looked at.

    AdamW with a one-cycle rate; every step sees `options.batch` intact windows and the same ones broken. With a
    checkpoint a run that was stopped goes on, and ends as it would have. With a budget the rate's schedule ends in what
    is left of it but for `kept_back_s`, in as many steps as there is time for; a tenth of the budget it always has.
    """
    budget = budget or Budget()
    now = _begin(layout, options)
    if checkpoint is not None and checkpoint.restore(now):
        listen(Progress("encoder", now.step, options.steps, {"gone on from step": float(now.step)}))
    looks = [EvalPoint(**look) for look in now.metadata.setdefault("looks", [])]
    losses: list[float] = now.metadata.setdefault("losses", [])
    network = now.network
    assert isinstance(network, PairEncoder)
    mirror = torch.tensor(layout.mirror) if options.mirror else None
    target = torch.cat([torch.zeros(options.batch), torch.ones(options.batch)])
    taken: int = now.metadata.get("taken", now.step)
    position, saved, rate = now.step, budget.clock(), float(now.metadata.get("rate", 0.0))
    pace = budget.pace(options.steps, max(budget.left - kept_back_s, _LEAST_SHARE * budget.seconds), position)
    every = math.ceil(options.steps / _LOOKS)
    while position < options.steps:
        intact, broken = sampler.training_batch(options.batch, now.rng)
        windows = augment(
            torch.from_numpy(np.concatenate([intact, broken])),
            now.generator,
            noise_m=options.noise_m,
            mirror=mirror,
            scale=options.scale,
            dropped=options.dropped,
        )
        loss = functional.binary_cross_entropy_with_logits(network(windows), target)
        now.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        rate = now.optimiser.param_groups[0]["lr"]
        now.optimiser.step()
        before, position, taken = position, pace.after(position), taken + 1
        now.rates.last_epoch = position - 1  # what strides leave out
        now.rates.step()
        losses.append(float(loss.detach()))
        ended = position == options.steps
        if position // every > before // every or ended:
            looks.append(_look(network, validation, position, float(np.mean(losses))))
            losses.clear()
        if position // 10 > before // 10 or ended:
            values = {"loss": losses[-1] if losses else looks[-1].loss}
            if looks:
                values |= {"spread": looks[-1].spread, "auroc": float(np.mean(list(looks[-1].auroc.values())))}
            listen(Progress("encoder", position, options.steps, values))
        if checkpoint is not None and (budget.clock() - saved > _SAVE_EVERY_S or ended):
            now.step, now.metadata["looks"], saved = position, [asdict(look) for look in looks], budget.clock()
            now.metadata |= {"taken": taken, "rate": rate, "used_s": budget.used}
            checkpoint.save(now)
    budget.schedules["encoder"] = RateSchedule(options.steps, taken, rate)
    return network.eval(), looks


def _begin(layout: Layout, options: TrainOptions) -> EncoderProgress:
    """A fresh network and what trains it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = PairEncoder(encoder_config(layout, options))
    optimiser = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _LEARNING_RATE, total_steps=options.steps, pct_start=_WARM_UP
    )
    generator = torch.Generator().manual_seed(options.seed)
    return EncoderProgress(network, optimiser, rates, np.random.default_rng([options.seed, 1]), generator)


def _look(network: PairEncoder, validation: BrokenPairs, step: int, loss: float) -> EvalPoint:
    network.eval()
    by_kind: dict[str, float] = {}
    spread = 0.0
    for kind, (intact, broken) in validation.items():
        forth, _ = pooled_features(network, intact)
        spread = float(forth.std(0).square().mean().sqrt()) if len(forth) > 1 else 0.0
        by_kind[kind] = auroc(broken_logits(network, intact), broken_logits(network, broken))
    network.train()
    return EvalPoint(step, loss, spread, by_kind)


@torch.no_grad()
def broken_logits(network: PairEncoder, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """How surely each window (B, 2, T, J, 3) is broken; shape (B,)."""
    parts = [network(torch.from_numpy(windows[i : i + _CHUNK])) for i in range(0, len(windows), _CHUNK)]
    return torch.cat([torch.zeros(0), *parts]).double().numpy()


@torch.no_grad()
def pooled_features(network: PairEncoder, windows: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
    """Pooled features of windows in both orders of the persons, each (B, F)."""
    pairs = [
        network.features(network.frame(torch.from_numpy(windows[i : i + _CHUNK])))
        for i in range(0, len(windows), _CHUNK)
    ]
    return torch.cat([p[0] for p in pairs]), torch.cat([p[1] for p in pairs])
