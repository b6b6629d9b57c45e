"""The whole score of a pair window as one module: what is exported and runs live.

    joints -> canonical frame -> relational statistics -> nearest normal windows -----> unusual --.
                     |                     '-----------------------> critic --.                  |
                     '-> IADNet encoder -> pooled features -> broken-pair logit +-----> relation -+-> score
                                                  '----------------------------> flow -----------'
    one earlier or later -> relational statistics -> critic, beside the two as they are -> timing

Every arrow to the right of a part passes a `TailCalibration` map, fitted on normal windows that the part did not see;
the logits of critic and encoder are summed before theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from dyadwatch.core.iadnet.batch_invariant import row_dot
from dyadwatch.core.iadnet.flow import FoldedFlow
from dyadwatch.core.iadnet.frame_module import Axes, PairFrame
from dyadwatch.core.iadnet.mismatch_classifier import MismatchClassifier
from dyadwatch.core.iadnet.sizes import IADNetConfig
from dyadwatch.core.iadnet.statistics_module import Neighbours, RelationalStatistics
from dyadwatch.core.iadnet.tasm import IADNetEncoder, pool
from dyadwatch.core.iadnet.timing import TimingGain
from dyadwatch.core.scoring.memory_bank import NearestNeighbour
from dyadwatch.core.scoring.tail_calibration import TailCalibration


class SurpriseMap(nn.Module):
    """`core.scoring.tail_calibration.Surprise` as a sum of ReLUs."""

    knots: Tensor
    slopes: Tensor

    def __init__(self, surprise: TailCalibration) -> None:
        super().__init__()
        self.register_buffer("knots", torch.from_numpy(surprise.knots).float())
        self.register_buffer("slopes", torch.from_numpy(surprise.slopes).float())

    def forward(self, scores: Tensor) -> Tensor:
        """Raw scores (B,) to surprise (B,)."""
        return row_dot((scores[:, None] - self.knots).relu(), self.slopes.expand(scores.shape[0], -1))


class PairEncoder(nn.Module):
    """IADNet encoder with a head that tells pairs that belong together from broken ones.

    Arguments:
        config: sizes of the network.
    """

    def __init__(self, config: IADNetConfig) -> None:
        super().__init__()
        self.config = config
        self.frame = PairFrame(config.anchors)
        self.encoder = IADNetEncoder(config)
        self.head = nn.Sequential(nn.Linear(config.pooled, 64), nn.GELU(), nn.Linear(64, 1))

    def features(self, placed: Axes) -> tuple[Tensor, Tensor]:
        """Canonical coordinates, each (B, 2, T, J), to pooled features (B, F) in both orders of the persons."""
        f = self.encoder.encode(placed)
        return pool(f[:, 0], f[:, 1]), pool(f[:, 1], f[:, 0])

    def logit(self, forth: Tensor, back: Tensor) -> Tensor:
        """How surely the pair is broken, from both features; shape (B,)."""
        return 0.5 * (self.head(forth) + self.head(back)).squeeze(-1)

    def forward(self, joints: Tensor) -> Tensor:
        """Broken-pair logit of raw windows (B, 2, T, J, 3); shape (B,)."""
        return self.logit(*self.features(self.frame(joints)))


class FeatureDensity(nn.Module):
    """Negative log-likelihood of pooled features: a fixed whitening to few dimensions, then a folded flow.

    Arguments:
        mean: shape (F,).
        whiten: shape (D, F), rows scaled so that normal features come out with unit variance.
        flow: the density there; None is the standard normal itself (a shrunken Gaussian on the features).
    """

    mean: Tensor
    whiten: Tensor

    def __init__(self, mean: Tensor, whiten: Tensor, flow: FoldedFlow | None) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("whiten", whiten)
        self.flow = flow

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, F) to nats (B,), up to a constant."""
        z = (features - self.mean) @ self.whiten.mT
        return 0.5 * row_dot(z, z) if self.flow is None else -self.flow.log_prob(z)


@dataclass(frozen=True)
class Weights:
    """How much each part's surprise counts; 0 leaves the part out of the graph.

    Arguments:
        neighbours, whitened: towards *unusual*, which is the larger of both: a hand that shoots forward shows in one of
            the two distances, and beside the other it would be halved.
        encoder, critic: of the logits, towards *relation*.
        unusual, relation, flow: towards the joined score. The features that the flow knows were learnt to tell who
            belongs together, so an odd walk has to be found by the other parts.
        timing: of the surprise of `TimingGain`, which stands beside the score and is no part of it.
    """

    neighbours: float = 1.0
    whitened: float = 0.0
    flow: float = 0.0
    encoder: float = 0.0
    critic: float = 0.0
    unusual: float = 1.0
    relation: float = 0.0
    timing: float = 0.0


@dataclass(frozen=True)
class Maps:
    """The surprise map of each part and of each sum of parts."""

    neighbours: TailCalibration
    unusual: TailCalibration
    score: TailCalibration
    whitened: TailCalibration = field(default_factory=TailCalibration.zero)
    flow: TailCalibration = field(default_factory=TailCalibration.zero)
    relation: TailCalibration = field(default_factory=TailCalibration.zero)
    timing: TailCalibration = field(default_factory=TailCalibration.zero)


class PairScorer(nn.Module):
    """Scores windows of two people; symmetric in who is person 0.

    Arguments:
        bank: the support set of normal windows.
        distances: their mean joint-pair distances, metres, shape (N, R, R).
        joints, frames: J and T of the windows.
        maps, weights: calibration, see `Maps` and `Weights`.
        encoder, density, critic: the learnt parts; None where there is too little data to learn from.
    """

    def __init__(
        self,
        *,
        bank: NearestNeighbour,
        distances: np.ndarray,
        joints: int,
        frames: int,
        maps: Maps,
        weights: Weights,
        encoder: PairEncoder | None = None,
        density: FeatureDensity | None = None,
        critic: MismatchClassifier | None = None,
    ) -> None:
        super().__init__()
        statistics = bank.statistics
        self.bank = bank
        self.weights = weights
        self.frame = PairFrame(statistics.at)
        self.statistics = RelationalStatistics(statistics, frames)
        self.neighbours = Neighbours(bank, distances, joints)
        self.encoder = encoder if weights.encoder or weights.flow else None
        self.density = density if weights.flow else None
        self.critic = critic if weights.critic else None
        self.timing = TimingGain(critic, statistics, frames) if critic is not None and weights.timing else None
        self.neighbours_map = SurpriseMap(maps.neighbours)
        self.whitened_map = SurpriseMap(maps.whitened)
        self.flow_map = SurpriseMap(maps.flow)
        self.unusual_map = SurpriseMap(maps.unusual)
        self.relation_map = SurpriseMap(maps.relation)
        self.score_map = SurpriseMap(maps.score)
        self.timing_map = SurpriseMap(maps.timing)

    def forward(self, joints: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Raw windows to scores and their explanation.

        Arguments:
            joints: metres, shape (B, 2, T, J, 3).

        Returns:
            score, relation, unusual, timing: surprise, each (B,); joint_pairs: contributions >= 0 of joint i of
            person 0 with joint j of person 1 to being unusual (B, J, J); shift: mean distance of that joint pair less
            that of the nearest normal window, metres (B, J, J).
        """
        placed = self.frame(joints)
        values, mean_distances = self.statistics(joints, placed)
        distance, whitened, joint_pairs, shift = self.neighbours(values, mean_distances)
        unusual = self.weights.neighbours * self.neighbours_map(distance)
        if self.weights.whitened:
            unusual = torch.maximum(unusual, self.weights.whitened * self.whitened_map(whitened))
        logit = joined = torch.zeros_like(distance)
        if self.critic is not None:
            logit = logit + self.weights.critic * self.critic(values)
        if self.encoder is not None:
            forth, back = self.encoder.features(placed)
            if self.weights.encoder:
                logit = logit + self.weights.encoder * self.encoder.logit(forth, back)
            if self.density is not None:
                nll = 0.5 * (self.density(forth) + self.density(back))
                joined = self.weights.flow * self.flow_map(nll)
        related = bool(self.weights.encoder or self.weights.critic)
        relation = self.relation_map(logit) if related else torch.zeros_like(distance)
        unusual = self.unusual_map(unusual)
        score = self.score_map(joined + self.weights.unusual * unusual + self.weights.relation * relation)
        timing = torch.zeros_like(distance)
        if self.timing is not None:
            timing = self.weights.timing * self.timing_map(self.timing(joints))
        return score, relation, unusual, timing, joint_pairs, shift
