"""The joined scorer, put together by hand: which parts count, and who is person 0."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dyadwatch.core.features.pair_statistics import Statistics, mean_distances
from dyadwatch.core.iadnet.flow import QRFlow
from dyadwatch.core.iadnet.mismatch_classifier import MismatchClassifier
from dyadwatch.core.iadnet.score_module import FeatureDensity, Maps, PairEncoder, PairScorer, Weights
from dyadwatch.core.iadnet.sizes import IADNetConfig
from dyadwatch.core.scoring.memory_bank import NearestNeighbour
from dyadwatch.core.scoring.tail_calibration import TailCalibration
from dyadwatch.core.skeletons.layouts import UPPER11

FRAMES = 8
STATISTICS = Statistics.of_layout(UPPER11, 15)
IDENTITY = TailCalibration(np.zeros(1), np.ones(1))
EVERYTHING = Weights(
    neighbours=0.5, whitened=0.25, flow=0.8, encoder=0.9, critic=0.3, unusual=0.7, relation=0.6, timing=0.4
)  # fmt: skip
_MAPS = ("neighbours", "whitened", "flow", "unusual", "relation", "score", "timing")


def all_maps(surprise: TailCalibration) -> Maps:
    return Maps(**dict.fromkeys(_MAPS, surprise))


def people(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    body = rng.uniform([-0.3, 0, -0.2], [0.3, 1.6, 0.2], (count, 2, 1, 11, 3))
    body[:, 1] += [1.0, 0, 0.4]
    return (body + 0.02 * rng.normal(size=(count, 2, FRAMES, 11, 3)).cumsum(axis=2)).astype(np.float32)


def scorer(weights: Weights, *, flow: bool = True, maps: Maps | None = None) -> PairScorer:
    torch.manual_seed(0)
    encoder = PairEncoder(IADNetConfig.for_layout(UPPER11, FRAMES, width=8, heads=2, units=1, features=8))
    features = encoder.config.pooled
    density = FeatureDensity(
        torch.randn(features), torch.randn(4, features), QRFlow(4, 2).folded() if flow else None
    )  # fmt: skip
    normal = people(12, 1)
    values = STATISTICS(normal)
    bank = NearestNeighbour.fit(STATISTICS, values, whiten=True)
    return PairScorer(
        bank=bank,
        distances=mean_distances(normal[bank.chosen], STATISTICS.joints),
        joints=11,
        frames=FRAMES,
        # straight lines that begin far below every score: the plain sums of the parts come through
        maps=maps or all_maps(TailCalibration(np.full(1, -1e3), np.ones(1))),
        weights=weights,
        encoder=encoder,
        density=density,
        critic=MismatchClassifier(STATISTICS, values.mean(0), values.std(0)),
    ).eval()


@torch.no_grad()
def outputs(model: PairScorer, windows: np.ndarray) -> list[torch.Tensor]:
    return list(model(torch.from_numpy(np.ascontiguousarray(windows))))


@pytest.mark.parametrize("flow", [True, False])
def test_swapping_the_persons_keeps_the_scores_and_turns_the_explanation(flow):
    model, windows = scorer(EVERYTHING, flow=flow, maps=all_maps(IDENTITY)), people(6, 2)
    forth, back = outputs(model, windows), outputs(model, windows[:, ::-1])
    assert [t.shape for t in forth] == [(6,)] * 4 + [(6, 11, 11)] * 2
    for a, b in zip(forth[:4], back[:4], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    for a, b in zip(forth[4:], back[4:], strict=True):
        torch.testing.assert_close(a, b.mT, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(a, b, atol=1e-3)  # the turn is needed


@pytest.mark.parametrize("whitened", [0.25, 0.75])
def test_the_parts_are_weighed_and_joined(whitened: float) -> None:
    windows = people(5, 3)
    model = scorer(replace(EVERYTHING, whitened=whitened))
    score, relation, unusual, *_ = outputs(model, windows)
    raw = torch.from_numpy(windows)
    with torch.no_grad():
        placed = model.frame(raw)
        assert model.encoder is not None
        assert model.density is not None
        forth, back = model.encoder.features(placed)
        nll = 0.5 * (model.density(forth) + model.density(back))
        assert model.critic is not None
        logit = 0.9 * model.encoder(raw) + 0.3 * model.critic(torch.from_numpy(STATISTICS(windows)))
    found = model.bank(STATISTICS(windows))
    near, white = torch.from_numpy(found.distance), torch.from_numpy(found.whitened)
    expected = torch.maximum(0.5 * (near + 1e3), whitened * (white + 1e3)) + 1e3
    torch.testing.assert_close(relation, logit + 1e3, rtol=1e-5, atol=2e-2)
    torch.testing.assert_close(unusual, expected, rtol=1e-5, atol=2e-2)
    joined = 0.7 * expected + 0.6 * (logit + 1e3) + 0.8 * (nll + 1e3)
    torch.testing.assert_close(score, joined + 1e3, rtol=1e-5, atol=2e-2)


@pytest.mark.parametrize(
    ("weights", "encoder", "density", "critic"),
    [
        (Weights(), False, False, False),
        (Weights(encoder=1.0, relation=0.5), True, False, False),
        (Weights(critic=1.0, relation=0.5), False, False, True),
        (Weights(flow=0.5), True, True, False),
        (EVERYTHING, True, True, True),
    ],
)
def test_a_part_without_weight_is_left_out_of_the_graph(weights, encoder, density, critic):
    model = scorer(weights, maps=all_maps(IDENTITY))
    assert (model.encoder is not None) is encoder
    assert (model.density is not None) is density
    assert (model.critic is not None) is critic
    score, relation, unusual, *_ = outputs(model, people(4, 4))
    if not weights.relation:
        assert (relation == 0).all()
    if not weights.relation and not weights.flow:
        assert torch.equal(score, unusual)


def test_one_window_scores_as_it_does_among_others() -> None:
    model, windows = scorer(EVERYTHING, maps=all_maps(IDENTITY)), people(7, 5)
    together = outputs(model, windows)
    for i in range(7):
        for a, b in zip(outputs(model, windows[i : i + 1]), together, strict=True):
            torch.testing.assert_close(a[0], b[i], rtol=1e-4, atol=1e-5)


def test_a_density_without_a_flow_is_a_gaussian() -> None:
    torch.manual_seed(0)
    mean, whiten, features = torch.randn(6), torch.randn(3, 6), torch.randn(9, 6)
    z = (features - mean) @ whiten.mT
    torch.testing.assert_close(FeatureDensity(mean, whiten, None)(features), 0.5 * z.square().sum(1))


def test_a_density_with_a_flow_follows_the_flow() -> None:
    torch.manual_seed(0)
    mean, whiten, features, flow = torch.randn(6), torch.randn(3, 6), torch.randn(9, 6), QRFlow(3, 4)
    nll = FeatureDensity(mean, whiten, flow.folded())(features)
    torch.testing.assert_close(nll, -flow.log_prob((features - mean) @ whiten.mT), rtol=1e-4, atol=1e-4)


def test_timing_stands_beside_the_score() -> None:
    windows = people(5, 6)
    with_it, without = scorer(EVERYTHING), scorer(replace(EVERYTHING, timing=0.0))
    assert without.timing is None
    score, *_, timing, _, _ = outputs(with_it, windows)
    assert with_it.timing is not None
    with torch.no_grad():
        gain = with_it.timing(torch.from_numpy(windows))
    torch.testing.assert_close(timing, 0.4 * (gain + 1e3), rtol=1e-5, atol=2e-2)
    others = outputs(without, windows)
    assert torch.equal(others[0], score)
    assert not others[3].any()
