"""The flow: exact densities, whatever its depth and width."""

import math

import pytest
import torch

from dyadwatch.core.iadnet.flow import QRFlow, QRLayer, householder_product

SIZES = [(1, 2), (2, 3), (3, 8), (10, 16), (10, 5)]


@pytest.fixture
def flow(request) -> QRFlow:
    layers, features = request.param
    torch.manual_seed(layers * 100 + features)
    flow = QRFlow(features, layers).double()
    with torch.no_grad():  # away from the start, where the diagonal is one and the bias nothing
        for p in flow.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return flow


@pytest.mark.parametrize("flow", SIZES, indirect=True, ids=str)
class TestEverySize:
    def test_log_det_is_autograds(self, flow):
        features = flow.stack[0].bias.shape[0]
        x = torch.randn(6, features, dtype=torch.float64)
        _, log_det = flow(x)
        for row, expected in zip(x, log_det, strict=True):
            jacobian = torch.autograd.functional.jacobian(lambda r: flow(r[None])[0][0], row)
            assert isinstance(jacobian, torch.Tensor)
            torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, expected, atol=1e-10, rtol=0)

    def test_inverse_undoes_forward_both_ways(self, flow):
        x = torch.randn(32, flow.stack[0].bias.shape[0], dtype=torch.float64)
        torch.testing.assert_close(flow.inverse(flow(x)[0]), x, atol=1e-8, rtol=0)
        torch.testing.assert_close(flow(flow.inverse(x))[0], x, atol=1e-8, rtol=0)

    def test_log_prob_is_the_change_of_variables(self, flow):
        features = flow.stack[0].bias.shape[0]
        x = torch.randn(4, features, dtype=torch.float64)
        z, log_det = flow(x)
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
        torch.testing.assert_close(flow.log_prob(x), normal + log_det)

    def test_folded_flow_scores_the_same(self, flow):
        x = 2 * torch.randn(32, flow.stack[0].bias.shape[0], dtype=torch.float64)
        torch.testing.assert_close(flow.folded()(x), flow.log_prob(x), atol=1e-9, rtol=0)

    def test_gradients_are_finite_and_reach_every_parameter(self, flow):
        flow.log_prob(torch.randn(32, flow.stack[0].bias.shape[0], dtype=torch.float64)).sum().backward()
        for name, p in flow.named_parameters():
            assert p.grad is not None, name
            assert torch.isfinite(p.grad).all(), name
        assert flow.stack[-1].log_slope is None


def test_density_integrates_to_one() -> None:
    torch.manual_seed(0)
    flow = QRFlow(2, 4).double()
    axis = torch.linspace(-9, 9, 361, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    mass = flow.log_prob(grid).exp().sum() * (axis[1] - axis[0]) ** 2
    assert mass.item() == pytest.approx(1.0, abs=0.01)


def test_compact_wy_is_the_product_of_reflections() -> None:
    vectors = torch.randn(7, 5, dtype=torch.float64)
    product = torch.eye(7, dtype=torch.float64)
    for u in vectors.T:
        product = product @ (torch.eye(7, dtype=torch.float64) - 2 * torch.outer(u, u) / (u @ u))
    torch.testing.assert_close(householder_product(vectors), product)


def test_slope_starts_near_one_so_that_ten_layers_do_not_start_by_shrinking() -> None:
    torch.manual_seed(0)
    layer = QRLayer(4, last=False)
    assert layer.log_slope is not None
    assert math.exp(layer.log_slope.item()) == pytest.approx(0.9)
    _, log_det = QRFlow(32, 10)(torch.randn(64, 32))
    assert (log_det / 32).mean().item() > -1


def test_fitting_moves_a_flow_onto_its_data() -> None:
    torch.manual_seed(0)
    data = torch.randn(512, 2, dtype=torch.float64) @ torch.tensor([[2.0, 1.0], [0.0, 0.3]]).double() + 3
    flow = QRFlow(2, 4).double()
    optimiser = torch.optim.Adam(flow.parameters(), 0.05)
    for _ in range(150):
        optimiser.zero_grad()
        (-flow.log_prob(data).mean()).backward()
        optimiser.step()
    normal = torch.distributions.MultivariateNormal(data.mean(0), data.T.cov())
    assert flow.log_prob(data).mean() > normal.log_prob(data).mean() - 0.05
