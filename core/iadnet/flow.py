"""The normalizing flow behind the anomaly score: ten layers of a QR-decomposed matrix and a PReLU.

After Mao et al., "Generating Smooth Pose Sequences for Diverse Human Motion Prediction" (ICCV 2021), as
IADNet uses it: f -> s ~ N(0, I), trained and scored by negative log-likelihood.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dyadwatch.core.iadnet.batch_invariant import row_dot

FIRST_SLOPE = 0.9  # at 0.25 ten layers start at a log-determinant of -5.8 per dimension and small data never recover
_FIRST_UPPER = 0.01


def householder_product(vectors: Tensor) -> Tensor:
    """The orthogonal H_1 ... H_k of the reflections along the columns of `vectors`, shape (d, k) -> (d, d).

    Compact WY form: Q = I - V S^-1 V^T with unit columns V and S = strict_upper(V^T V) + I / 2. Exact, and
    ten times faster than a loop over reflections.
    """
    unit = functional.normalize(vectors, dim=0)
    half = 0.5 * torch.eye(unit.shape[1], dtype=unit.dtype, device=unit.device)
    s = (unit.mT @ unit).triu(1) + half
    eye = torch.eye(unit.shape[0], dtype=unit.dtype, device=unit.device)
    return eye - unit @ torch.linalg.solve_triangular(s, unit.mT, upper=True)


class QRLayer(nn.Module):
    """x -> Q R x + b, then a PReLU with slope exp(log_a) unless it is the last layer.

    Q is orthogonal (log-determinant 0), R upper triangular with diagonal exp(d), so log|det QR| = sum d. The
    slope is kept as its logarithm because a raw slope can reach zero, where the density ends in NaN.

    Arguments:
        features: d, dimensions.
        last: leave out the PReLU.
    """

    def __init__(self, features: int, last: bool) -> None:
        super().__init__()
        self.last = last
        self.reflections = nn.Parameter(torch.randn(features, features))
        self.upper = nn.Parameter(_FIRST_UPPER * torch.randn(features, features))
        self.log_diagonal = nn.Parameter(torch.zeros(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.log_slope = None if last else nn.Parameter(torch.tensor(math.log(FIRST_SLOPE)))

    def weight(self) -> Tensor:
        """W = Q R, shape (d, d)."""
        return householder_product(self.reflections) @ self._r()

    def _r(self) -> Tensor:
        return self.upper.triu(1) + self.log_diagonal.exp().diag()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Shape (B, d) to the mapped (B, d) and log|det J| (B,)."""
        y = functional.linear(x, self.weight(), self.bias)
        log_det = self.log_diagonal.sum().expand(x.shape[0])
        if self.log_slope is None:
            return y, log_det
        log_det = log_det + (y < 0).sum(-1).to(y.dtype) * self.log_slope
        return torch.where(y < 0, y * self.log_slope.exp(), y), log_det

    def inverse(self, y: Tensor) -> Tensor:
        """The x of shape (B, d) that `forward` maps onto y."""
        if self.log_slope is not None:
            y = torch.where(y < 0, y * (-self.log_slope).exp(), y)
        turned = (y - self.bias) @ householder_product(self.reflections)  # Q^T (y - b), written for rows
        return torch.linalg.solve_triangular(self._r(), turned.mT, upper=True).mT


class QRFlow(nn.Module):
    """Density of features: log p(f) = log N(s; 0, I) + log|det ds/df|.

    Arguments:
        features: d, dimensions of f.
        layers: number of layers; the last is linear.
    """

    def __init__(self, features: int, layers: int = 10) -> None:
        super().__init__()
        self.layers = nn.ModuleList(QRLayer(features, last=i == layers - 1) for i in range(layers))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, d) to normal variables (B, d) and log|det J| (B,)."""
        log_det = x.new_zeros(x.shape[0])
        for layer in self.stack:
            x, term = layer(x)
            log_det = log_det + term
        return x, log_det

    def inverse(self, z: Tensor) -> Tensor:
        """Normal variables (B, d) to features (B, d)."""
        for layer in reversed(self.stack):
            z = layer.inverse(z)
        return z

    @property
    def stack(self) -> list[QRLayer]:
        """The layers in order."""
        return [layer for layer in self.layers if isinstance(layer, QRLayer)]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of features (B, d), shape (B,), natural logarithm."""
        z, log_det = self(x)
        return _log_normal(z) + log_det

    def folded(self) -> FoldedFlow:
        """The same density with Q R multiplied out, for export: matrix products, PReLUs and sums only."""
        return FoldedFlow(self)


class FoldedFlow(nn.Module):
    """A trained flow as constants, see `QRFlow.folded`; multiplied in float64, kept in the flow's dtype."""

    def __init__(self, flow: QRFlow) -> None:
        super().__init__()
        self.depth = len(flow.stack)
        self.constant = 0.0
        for i, layer in enumerate(flow.stack):
            like = layer.bias.detach()
            exact = {name: p.detach().cpu().double() for name, p in layer.named_parameters()}
            r = exact["upper"].triu(1) + exact["log_diagonal"].exp().diag()
            self.constant += float(exact["log_diagonal"].sum())
            self.register_buffer(f"weight{i}", (householder_product(exact["reflections"]) @ r).to(like))
            self.register_buffer(f"bias{i}", like.clone())
            if not layer.last:
                self.register_buffer(f"slope{i}", exact["log_slope"].exp().reshape(1).to(like))

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of features (B, d), shape (B,), natural logarithm."""
        total: Tensor | None = None
        for i in range(self.depth):
            x = functional.linear(x, self.get_buffer(f"weight{i}"), self.get_buffer(f"bias{i}"))
            if i < self.depth - 1:
                slope = self.get_buffer(f"slope{i}")
                term = (x < 0).to(x.dtype).sum(-1) * slope.log()
                total = term if total is None else total + term
                x = functional.prelu(x, slope)
        log_prob = _log_normal(x) + self.constant
        return log_prob if total is None else log_prob + total

    def forward(self, x: Tensor) -> Tensor:
        """The same as `log_prob`."""
        return self.log_prob(x)


def _log_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I) over the last axis."""
    return -0.5 * row_dot(z, z) - 0.5 * z.shape[-1] * math.log(2 * math.pi)
