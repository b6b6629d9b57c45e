"""The encoder and the whole network: symmetries, switches, sizes."""

import dataclasses

import numpy as np
import pytest
import torch

from dyadwatch.core.errors import TrainingError
from dyadwatch.core.features.pair_frame import canonical
from dyadwatch.core.iadnet.attention_blocks import MultiHeadAttention, swap_persons
from dyadwatch.core.iadnet.batch_invariant import mean_over_time, row_dot, steady_asinh, steady_log
from dyadwatch.core.iadnet.frame_module import PairFrame
from dyadwatch.core.iadnet.network import IADNet
from dyadwatch.core.iadnet.relation import Relations, soft_distances
from dyadwatch.core.iadnet.sizes import IADNetConfig
from dyadwatch.core.iadnet.tasm import IADNetEncoder, pool
from dyadwatch.core.skeletons.layouts import SBU15, UPPER11

SMALL = {"width": 16, "heads": 2, "features": 8, "flow_features": 6, "flow_layers": 3}


def config(**sizes) -> IADNetConfig:
    return IADNetConfig.for_layout(UPPER11, 10, **{**SMALL, **sizes})


def windows(count: int = 3, joints: int = 11, frames: int = 10, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    start = rng.normal(scale=0.3, size=(count, 2, 1, joints, 3)) + np.array([0, 1, 0])
    start[:, 1, ..., 0] += 1
    return torch.from_numpy((start + rng.normal(scale=0.02, size=(count, 2, frames, joints, 3)).cumsum(2)).astype("f"))


def build(cls, *args):
    torch.manual_seed(1)
    return cls(*args).eval()


class TestFrame:
    def test_is_the_numpy_one(self):
        for layout in (UPPER11, SBU15):  # SBU's pelvis is a middle of two
            at = IADNetConfig.for_layout(layout, 10).anchors
            joints = windows(joints=len(layout))
            expected = canonical(joints.double().numpy(), at)
            np.testing.assert_allclose(torch.stack(PairFrame(at)(joints), -1).numpy(), expected, atol=2e-6)

    def test_gradients_are_finite_even_where_persons_and_joints_coincide(self):
        joints = torch.zeros(1, 2, 4, 11, 3, requires_grad=True)
        torch.stack(PairFrame(config().anchors)(joints)).sum().backward()
        assert joints.grad is not None
        assert torch.isfinite(joints.grad).all()


class TestEncoder:
    @pytest.mark.parametrize("switch", [{}, {"relations": False}, {"position": "sinusoidal"}, {"velocities": False}])
    def test_swapping_the_persons_swaps_the_features(self, switch):
        network = build(IADNet, config(**switch))
        joints = windows()
        with torch.inference_mode():
            forth, back = network.features(joints)
            swapped_forth, swapped_back = network.features(joints.flip(1))
        torch.testing.assert_close(swapped_forth, back, atol=2e-6, rtol=0)
        torch.testing.assert_close(swapped_back, forth, atol=2e-6, rtol=0)
        assert (forth - back).abs().max() > 0.01, "features that are the same either way would pass emptily"

    @pytest.mark.parametrize("switch", [{"sharing": False}, {"position": "unsynchronised"}])
    def test_separate_parameters_break_the_swap(self, switch):
        network = build(IADNet, config(**switch))
        joints = windows()
        with torch.inference_mode():
            _, back = network.features(joints)
            swapped, _ = network.features(joints.flip(1))
        assert (swapped - back).abs().max() > 0.01

    def test_the_score_is_the_same_in_either_order(self):
        network = build(IADNet, config())
        with torch.inference_mode():
            torch.testing.assert_close(network.nll(windows().flip(1)), network.nll(windows()))

    def test_another_order_of_joints_with_weights_in_that_order_changes_nothing(self):
        order = torch.from_numpy(np.random.default_rng(0).permutation(11))
        place = {int(old): new for new, old in enumerate(order)}
        plain = config()
        moved = dataclasses.replace(
            plain,
            pelvis=tuple(place[j] for j in plain.pelvis),
            neck=tuple(place[j] for j in plain.neck),
        )
        one, other = build(IADNet, plain), build(IADNet, moved)
        with torch.no_grad():
            weight = one.encoder.embed.get_parameter("0.weight")  # columns: position and velocity, by axis, by joint
            other.encoder.embed.get_parameter("0.weight").copy_(
                weight.unflatten(-1, (2, 3, 11))[..., order].flatten(-3)
            )
            maps = one.encoder.relations.inner.weight.unflatten(-1, (2, 11, 11))
            other.encoder.relations.inner.weight.copy_(maps[..., order, :][..., order].flatten(-3))
            joints = windows()
            torch.testing.assert_close(other.nll(joints[..., order, :]), one.nll(joints), atol=1e-4, rtol=0)
            assert (one.nll(joints[..., order, :]) - one.nll(joints)).abs().max() > 1e-3

    def test_without_relations_distances_have_no_module(self):
        assert not hasattr(build(IADNetEncoder, config(relations=False)), "relations")

    @pytest.mark.parametrize(
        "switch",
        [
            {"relations": False},
            {"sharing": False},
            {"position": "unsynchronised"},
            {"position": "sinusoidal"},
            {"velocities": False},
            {"relation_joints": (0, 2, 7, 8)},
        ],
        ids=str,
    )
    def test_every_switch_runs_trains_and_differs(self, switch):
        joints = windows()
        network = build(IADNet, config(**switch)).train()
        score = network.nll(joints)
        assert (score - build(IADNet, config()).nll(joints)).abs().max() > 1e-3
        score.sum().backward()
        for name, p in network.named_parameters():
            assert p.grad is not None, name
            assert torch.isfinite(p.grad).all(), name

    def test_features_depend_on_what_the_other_person_does(self):
        encoder = build(IADNetEncoder, config(relations=False))
        placed = torch.stack(PairFrame(config().anchors)(windows()), -1)
        x, y = placed[:, 0], placed[:, 1]
        with torch.inference_mode():
            assert (encoder(x, y)[0] - encoder(x, y.flip(1))[0]).abs().max() > 1e-3

    def test_frames_of_both_persons_matter_in_their_order(self):
        network = build(IADNet, config())
        with torch.inference_mode():
            assert (network.nll(windows().flip(2)) - network.nll(windows())).abs().max() > 1e-3

    def test_paper_size(self):
        sizes = IADNetConfig.paper()
        assert (sizes.joints, sizes.frames, sizes.units, sizes.width) == (64, 64, 8, 512)
        with torch.inference_mode():
            encoder = build(IADNetEncoder, sizes)
            fx, fy = encoder(torch.randn(1, 64, 64, 3), torch.randn(1, 64, 64, 3))
        assert fx.shape == fy.shape == (1, 64, 128)
        assert pool(fx, fy).shape == (1, sizes.pooled)
        assert torch.isfinite(fx).all()


class TestParts:
    def test_attention_is_softmax_of_scaled_products(self):
        torch.manual_seed(0)
        layer, x, source = MultiHeadAttention(1, 8, 2), torch.randn(2, 2, 5, 8), torch.randn(2, 2, 5, 8)
        q, k, v = x @ layer.query.weight[0].T, source @ layer.key.weight[0].T, source @ layer.value.weight[0].T
        out = torch.zeros(2, 5, 8)
        for head in (slice(0, 4), slice(4, 8)):
            weights = (q[:, 0, :, head] @ k[:, 0, :, head].mT / 2).softmax(-1)
            out[..., head] = weights @ v[:, 0, :, head]
        assert layer.out.bias is not None
        expected = out @ layer.out.weight[0].T + layer.out.bias[0, 0]
        torch.testing.assert_close(layer(x, source)[:, 0], expected)

    @pytest.mark.parametrize("streams", [1, 2])
    def test_attention_computes_the_same_when_it_is_exported(self, streams):
        torch.manual_seed(0)
        layer, x, source = MultiHeadAttention(streams, 8, 2), torch.randn(3, 2, 5, 8), torch.randn(3, 2, 5, 8)
        exported = torch.export.export(layer, (x, source)).module()
        torch.testing.assert_close(exported(x, source), layer(x, source))

    def test_swap_persons(self):
        x = torch.arange(12).view(1, 2, 3, 2)
        assert torch.equal(swap_persons(x), x.flip(1))

    def test_relations_of_the_second_person_are_those_of_the_transposed_map(self):
        relations = build(Relations, 1, (0, 1, 3), 4, 8)
        x, y = (torch.randn(2, 5, 4, 3).unbind(-1) for _ in range(2))
        with torch.inference_mode():
            out, swapped = relations(x, y), relations(y, x)
        torch.testing.assert_close(out.flip(1), swapped)

    def test_soft_distances_level_off_at_the_floor(self):
        x = torch.zeros(1, 1).expand(1, 2), torch.zeros(1, 2), torch.tensor([[0.0, 3.0]])
        torch.testing.assert_close(soft_distances(x, x, 0.02), torch.tensor([[[0.02, 3.0000667], [3.0000667, 0.02]]]))

    def test_pool_is_mean_and_maximum_of_one_person_after_the_other(self):
        fx, fy = torch.randn(2, 7, 3), torch.randn(2, 7, 3)
        expected = torch.cat([fx.mean(1), fx.max(1).values, fy.mean(1), fy.max(1).values], 1)
        torch.testing.assert_close(pool(fx, fy), expected)

    def test_steady_sums_are_the_plain_ones(self):
        x = torch.randn(3, 2, 7, 5)
        torch.testing.assert_close(mean_over_time(x), x.mean(-2))
        torch.testing.assert_close(row_dot(x, 2 * x), 2 * x.square().sum(-1))

    def test_steady_asinh_is_the_inverse_of_sinh(self):
        size = torch.logspace(-8, 3, 2001)
        x = torch.cat([-size.flip(0), torch.zeros(1), size])
        assert (steady_asinh(x) - x.asinh()).abs().max() <= 1e-5
        assert torch.equal(steady_asinh(-x), -steady_asinh(x))

    def test_steady_log_is_within_two_percent_of_the_logarithm(self):
        x = torch.logspace(-1.69, 1.69, 200)
        assert ((steady_log(x) - x.log()).abs() <= 0.02 * x.log().abs() + 1e-5).all()
        assert (steady_log(x).diff() > 0).all()


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ({"heads": 3}, "network size heads = 3: expected a divisor of width 16"),
        ({"width": 0}, "network size width = 0: expected at least 1"),
        ({"width": 15, "heads": 3}, "network size width = 15: expected an even number"),
        ({"frames": 1}, "network size frames = 1: expected at least 2"),
        (
            {"position": "learnt"},
            "network size position = 'learnt': expected synchronised or unsynchronised or sinusoidal",
        ),
        ({"pooling": "last"}, "network size pooling = 'last': expected mean.max"),
        ({"relation_joints": (0, 11)}, r"network size relation_joints = \(0, 11\): expected indices from 0 to 10"),
        ({"relation_joints": ()}, r"network size relation_joints = \(\): expected indices from 0 to 10"),
        ({"neck": (0, 40)}, r"network size neck = \(0, 40\): expected indices from 0 to 10"),
    ],
)
def test_wrong_sizes_are_named(sizes, text):
    with pytest.raises(TrainingError, match=text):
        dataclasses.replace(config(), **sizes)
