"""The critic learns from statistics who belongs together, whoever is person 0."""

from dataclasses import replace

import numpy as np
import torch

from dyadwatch.core.features.pair_frame import anchors
from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.iadnet.mismatch_classifier import MismatchClassifier
from dyadwatch.core.scoring.auroc import auroc
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.training.mismatched_pairs import PairSampler, ValidationKind
from dyadwatch.core.training.options import Progress, TrainOptions
from dyadwatch.core.training.train_classifier import critic_logits, train_critic
from dyadwatch.core.training.training_data import CleanRecording

STATISTICS = Statistics.of_layout(UPPER11, 15)
OPTIONS = TrainOptions(steps=TrainOptions.steps // 10, layout="upper11")


def mimics(count: int, seed: int) -> list[CleanRecording]:
    """Person 1 does at once what person 0 does: another partner or a shift is plain to see."""
    rng = np.random.default_rng(seed)
    body = np.random.default_rng(9).uniform([-0.3, 0, -0.2], [0.3, 1.6, 0.2], (11, 3))
    out = []
    for i in range(count):
        way = 0.08 * rng.normal(size=(60, 1, 3)).cumsum(axis=0) * [1, 0, 1]
        pair = np.stack([body + way, body + way + [1.0, 0, 0]], axis=1)
        out.append(CleanRecording((pair + rng.normal(scale=0.003, size=pair.shape)).astype(np.float32), i, f"clip {i}"))
    return out


def sampler(seed: int) -> PairSampler:
    return PairSampler(mimics(12, seed), OPTIONS.frames, OPTIONS.fps, anchors(UPPER11))


def test_it_tells_pairs_that_belong_together_and_says_how_far_it_is() -> None:
    heard: list[Progress] = []
    critic = train_critic(sampler(1), STATISTICS, OPTIONS, heard.append)
    for kind in (ValidationKind.PARTNER, ValidationKind.SHIFTED_1_S):
        intact, broken = (critic_logits(critic, STATISTICS(w)) for w in sampler(2).validation_set(kind, 60, 0))
        assert auroc(intact, broken) > 0.85, kind
    assert {p.stage for p in heard} == {"broken pairs", "critic"}
    last = [p for p in heard if p.stage == "critic"][-1]
    assert last.done == last.total == 400  # a tenth of the usual steps
    assert last.values["loss"] < 0.6


def test_the_same_seed_learns_the_same() -> None:
    values = STATISTICS(sampler(2).validation_set(ValidationKind.PARTNER, 10, 0)[0])
    few = replace(OPTIONS, steps=8)
    first, second = (critic_logits(train_critic(sampler(1), STATISTICS, few, print), values) for _ in range(2))
    assert (first == second).all()


def test_it_does_not_matter_who_is_person_0() -> None:
    torch.manual_seed(0)
    values = np.random.default_rng(0).normal(size=(8, len(STATISTICS))).astype(np.float32)
    critic = MismatchClassifier(STATISTICS, values.mean(0), values.std(0)).eval()
    swapped = values[:, STATISTICS.swap]
    np.testing.assert_allclose(critic_logits(critic, values), critic_logits(critic, swapped), atol=1e-5)
    assert np.ptp(critic_logits(critic, values)) > 1e-4
