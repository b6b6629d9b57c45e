"""A density of frozen features: whitened onto few dimensions, then a small flow where it earns its keep."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dyadwatch.core.iadnet.flow import FoldedFlow, QRFlow
from dyadwatch.core.iadnet.score_module import FeatureDensity, PairEncoder
from dyadwatch.core.training.encoder import pooled_features
from dyadwatch.core.training.options import Listener, Progress
from dyadwatch.core.training.time_budget import Budget

_DIMENSIONS = 32
_LAYERS = 4
_NOISE = 0.3  # put on whitened features, so that the flow cannot sharpen round single windows
_STEPS = 1500
_LOOK_EVERY = 50
_PATIENCE = 6  # looks without a better held-out likelihood
_LEARNING_RATE = 2e-3
_BATCH = 256
_WINDOWS_PER_DIMENSION = 10  # fewer, and the covariance is noise
FLOW_SHARE = 0.05  # of a budget
_FLOW_FROM = 1000  # windows; below, ten layers only memorise and the Gaussian stays


def fit_density(
    network: PairEncoder,
    train: NDArray[np.float32],
    held_out: NDArray[np.float32],
    seed: int,
    listen: Listener,
    budget: Budget | None = None,
) -> FeatureDensity:
    """A density of the features of normal windows; early stop on windows held out, or when its share of time is used.

    Arguments:
        network: frozen.
        train, held_out: normal windows, shape (N, 2, T, J, 3).
    """
    features, fresh = (torch.cat(pooled_features(network, w)) for w in (train, held_out))
    mean, whiten = whitening(features, min(_DIMENSIONS, max(1, len(train) // _WINDOWS_PER_DIMENSION)))
    gaussian = FeatureDensity(mean, whiten, None)
    if len(train) < _FLOW_FROM or len(held_out) < 2:
        return gaussian
    flow = _fit_flow((features - mean) @ whiten.mT, (fresh - mean) @ whiten.mT, seed, listen, budget or Budget())
    return gaussian if flow is None else FeatureDensity(mean, whiten, flow)


def whitening(features: Tensor, dimensions: int) -> tuple[Tensor, Tensor]:
    """Mean (F,) and a map (D, F) onto the leading directions with unit variance, small variances kept from exploding.

    Arguments:
        features: shape (N, F), N >= 2.
        dimensions: D; at most F.
    """
    exact = features.double()
    mean = exact.mean(0)
    _, singular, directions = torch.linalg.svd(exact - mean, full_matrices=False)
    variance = (singular**2 / max(len(features) - 1, 1))[:dimensions]
    floor = 1e-3 * variance[0] + 1e-12
    return mean.float(), (directions[:dimensions] / (variance + floor).sqrt()[:, None]).float()


def _fit_flow(train: Tensor, held_out: Tensor, seed: int, listen: Listener, budget: Budget) -> FoldedFlow | None:
    """The flow with the best held-out likelihood; None where the standard normal is no worse."""
    until = budget.clock() + FLOW_SHARE * budget.seconds
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        flow = QRFlow(train.shape[1], _LAYERS)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(flow.parameters(), lr=_LEARNING_RATE, weight_decay=1e-3)
    normal = 0.5 * held_out.square().sum(-1).mean() + 0.5 * held_out.shape[1] * math.log(2 * math.pi)
    best, best_state, waited = float(normal), None, 0
    for step in range(1, _STEPS + 1):
        batch = train[torch.randint(len(train), (_BATCH,), generator=generator)]
        batch = batch + _NOISE * torch.randn(batch.shape, generator=generator)
        loss = -flow.log_prob(batch).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        optimiser.step()
        if step % _LOOK_EVERY:
            continue
        with torch.no_grad():
            nll = float(-flow.log_prob(held_out).mean())
        listen(Progress("flow", step, _STEPS, {"loss": float(loss.detach()), "held out": nll}))
        waited += 1
        if math.isfinite(nll) and nll < best:
            best, best_state, waited = nll, copy.deepcopy(flow.state_dict()), 0
        if waited >= _PATIENCE or budget.clock() >= until:
            break
    if best_state is None:
        return None
    flow.load_state_dict(best_state)
    return flow.folded()


@torch.no_grad()
def feature_nll(density: FeatureDensity, network: PairEncoder, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Negative log-likelihood of windows (B, 2, T, J, 3), the mean of both orders of the persons; shape (B,)."""
    forth, back = pooled_features(network, windows)
    return (0.5 * (density(forth) + density(back))).double().numpy()
