"""The encoder learns what belongs together: intact pairs against broken ones."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dyadwatch.core.auroc import auroc
from dyadwatch.core.iadnet.config import IADNetConfig
from dyadwatch.core.iadnet.scorer import PairEncoder
from dyadwatch.core.skeleton import Layout
from dyadwatch.core.statistics import statistics_joints
from dyadwatch.core.training.augment import augment
from dyadwatch.core.training.broken import PairSampler
from dyadwatch.core.training.checkpoint import Checkpoint, Standing
from dyadwatch.core.training.options import Listener, Progress, TrainOptions

_LEARNING_RATE = 2e-3
_WARM_UP = 0.15  # part of the steps in which the one-cycle rate rises
_WEIGHT_DECAY = 0.01
_LOOKS = 10  # times the validation pairs are looked at
_CHUNK = 256
_SAVE_EVERY_S = 20.0

BrokenPairs = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Look:
    """The state of the encoder at one moment of its training.

    Arguments:
        step: optimiser steps taken.
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
) -> tuple[PairEncoder, list[Look]]:
    """Trains on pairs drawn from `sampler`; the validation pairs are only looked at.

    AdamW with a one-cycle rate; every step sees `options.batch` intact windows and the same ones broken. With a
    checkpoint a run that was stopped goes on, and ends as it would have.
    """
    now = _begin(layout, options)
    if checkpoint is not None and checkpoint.restore(now):
        listen(Progress("encoder", now.step, options.steps, {"gone on from step": float(now.step)}))
    looks = [Look(**look) for look in now.told.setdefault("looks", [])]
    losses: list[float] = now.told.setdefault("losses", [])
    network = now.network
    assert isinstance(network, PairEncoder)
    mirror = torch.tensor(layout.mirror) if options.mirror else None
    target = torch.cat([torch.zeros(options.batch), torch.ones(options.batch)])
    started = saved = time.monotonic()
    for step in range(now.step + 1, options.steps + 1):
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
        now.optimiser.step()
        now.rates.step()
        losses.append(float(loss.detach()))
        late = options.max_minutes is not None and time.monotonic() - started > 60 * options.max_minutes
        if late or step % math.ceil(options.steps / _LOOKS) == 0 or step == options.steps:
            looks.append(_look(network, validation, step, float(np.mean(losses))))
            losses.clear()
        if step % 10 == 0 or late or step == options.steps:
            values = {"loss": losses[-1] if losses else looks[-1].loss}
            if looks:
                values |= {"spread": looks[-1].spread, "auroc": float(np.mean(list(looks[-1].auroc.values())))}
            listen(Progress("encoder", step, options.steps, values))
        if late:
            break
        if checkpoint is not None and (time.monotonic() - saved > _SAVE_EVERY_S or step == options.steps):
            now.step, now.told["looks"], saved = step, [asdict(look) for look in looks], time.monotonic()
            checkpoint.save(now)
    return network.eval(), looks


def _begin(layout: Layout, options: TrainOptions) -> Standing:
    """A fresh network and what trains it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = PairEncoder(encoder_config(layout, options))
    optimiser = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _LEARNING_RATE, total_steps=options.steps, pct_start=_WARM_UP
    )
    generator = torch.Generator().manual_seed(options.seed)
    return Standing(network, optimiser, rates, np.random.default_rng([options.seed, 1]), generator)


def _look(network: PairEncoder, validation: BrokenPairs, step: int, loss: float) -> Look:
    network.eval()
    by_kind: dict[str, float] = {}
    spread = 0.0
    for kind, (intact, broken) in validation.items():
        forth, _ = pooled_features(network, intact)
        spread = float(forth.std(0).square().mean().sqrt()) if len(forth) > 1 else 0.0
        by_kind[kind] = auroc(broken_logits(network, intact), broken_logits(network, broken))
    network.train()
    return Look(step, loss, spread, by_kind)


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
