"""The density of features: whitening, and a flow only where it is better than a Gaussian."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dyadwatch.core.iadnet.score_module import PairEncoder
from dyadwatch.core.iadnet.sizes import IADNetConfig
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.training import density as module
from dyadwatch.core.training.density import feature_nll, fit_density, whitening
from dyadwatch.core.training.options import Progress, silent


@pytest.fixture(scope="module")
def encoder() -> PairEncoder:
    torch.manual_seed(0)
    return PairEncoder(IADNetConfig.for_layout(UPPER11, 8, width=8, heads=2, units=1, features=8)).eval()


def people(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    body = rng.normal(scale=0.3, size=(count, 2, 1, 11, 3))
    body[:, 1] += [1.0, 0, 0.4]
    return (body + 0.02 * rng.normal(size=(count, 2, 8, 11, 3))).astype(np.float32)


def test_whitened_features_have_unit_variance_and_no_correlation() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(500, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 3
    mean, whiten = whitening(features, 4)
    z = (features - mean) @ whiten.mT
    torch.testing.assert_close(z.mT.cov(), torch.eye(4), atol=0.05, rtol=0)
    torch.testing.assert_close(z.mean(0), torch.zeros(4), atol=1e-4, rtol=0)


def test_a_direction_that_never_varied_does_not_explode() -> None:
    features = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    features[:, 3] = 2.0
    _, whiten = whitening(features, 4)
    assert float(whiten.abs().max()) < 100


def test_few_windows_get_a_gaussian_of_few_dimensions(encoder: PairEncoder) -> None:
    density = fit_density(encoder, people(60, 0), people(20, 1), 0, silent)
    assert density.flow is None
    assert density.whiten.shape == (6, encoder.config.pooled)


def test_strange_windows_are_less_likely_and_the_order_of_the_persons_does_not_matter(encoder: PairEncoder) -> None:
    density = fit_density(encoder, people(200, 0), people(20, 1), 0, silent)
    fresh = people(50, 2)
    strange = fresh + np.random.default_rng(3).normal(scale=0.5, size=fresh.shape).astype(np.float32)
    nll = feature_nll(density, encoder, fresh)
    np.testing.assert_allclose(feature_nll(density, encoder, np.ascontiguousarray(fresh[:, ::-1])), nll, rtol=1e-4)
    assert np.median(feature_nll(density, encoder, strange)) > 2 * np.median(nll)


@pytest.mark.parametrize(("two_heaps", "flow"), [(True, True), (False, False)])
def test_the_flow_must_beat_the_gaussian(
    encoder: PairEncoder, monkeypatch: pytest.MonkeyPatch, two_heaps: bool, flow: bool
) -> None:
    def features(_: PairEncoder, windows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        z = torch.randn(len(windows), 2, generator=torch.Generator().manual_seed(len(windows)))
        if two_heaps:
            z[:, 0] = 0.2 * z[:, 0] + z[:, 0].sign()
        return z[: len(z) // 2], z[len(z) // 2 :]

    monkeypatch.setattr(module, "pooled_features", features)
    monkeypatch.setattr(module, "_STEPS", 300 if two_heaps else 50)
    told: list[Progress] = []
    density = fit_density(encoder, np.zeros((1200, 1), np.float32), np.zeros((1000, 1), np.float32), 0, told.append)
    assert (density.flow is not None) is flow
    assert {p.stage for p in told} == {"flow"}
    assert {"loss", "held out"} == told[0].values.keys()
