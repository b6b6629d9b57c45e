"""Building blocks that hold one set of parameters for both persons, or one each.

Tokens are (B, 2, T, C): person on axis 1. Parameters have a leading stream axis of length 1 (shared, as in
the paper) or 2 (the ablation), so one code path serves both and shared weights run once over both persons.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class StreamLinear(nn.Module):
    """A linear map of the channels, for each stream or shared by both.

    Arguments:
        streams: 1 shared, 2 separate.
        inputs, outputs: channels in and out.
        bias: add a constant to each channel.
    """

    def __init__(self, streams: int, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(streams, outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(streams, 1, outputs).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, 2, T, inputs) to (B, 2, T, outputs)."""
        if self.weight.shape[0] == 1:
            return functional.linear(x, self.weight[0], None if self.bias is None else self.bias[0, 0])
        y = x @ self.weight.mT
        return y if self.bias is None else y + self.bias


class StreamNorm(nn.Module):
    """Layer normalisation of the channels, for each stream or shared by both."""

    def __init__(self, streams: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(streams, 1, width))
        self.bias = nn.Parameter(torch.zeros(streams, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, 2, T, width), unchanged."""
        shape = x.shape[-1:]
        if self.weight.shape[0] == 1:
            return functional.layer_norm(x, shape, self.weight[0, 0], self.bias[0, 0])
        return functional.layer_norm(x, shape) * self.weight + self.bias


class StreamMLP(nn.Sequential):
    """Linear, GELU, linear; for each stream or shared by both."""

    def __init__(self, streams: int, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__(StreamLinear(streams, inputs, hidden), nn.GELU(), StreamLinear(streams, hidden, outputs))


class MultiHeadAttention(nn.Module):
    """Multi-head attention over time: softmax(Q K^T / sqrt(C)) V, one window and person at a time.

    With the tokens themselves as source it is self-attention, with those of the other person the motion
    cross-attention (MCA), with relation features the distance cross-attention (DCA). Queries, keys and values
    have no bias: the normalisation before them has one, softmax ignores that of the keys, and that of the
    values comes out as the last one. Three maps instead of a fused one spare the graph three copies.

    Arguments:
        streams: 1 shared, 2 separate parameters.
        width: channels.
        heads: heads; divides `width`.
    """

    def __init__(self, streams: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = StreamLinear(streams, width, width, bias=False)
        self.key = StreamLinear(streams, width, width, bias=False)
        self.value = StreamLinear(streams, width, width, bias=False)
        self.out = StreamLinear(streams, width, width)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """Tokens that ask and tokens that answer, both (B, 2, T, width), to (B, 2, T, width)."""
        query, key, value = self._heads(self.query, x), self._heads(self.key, source), self._heads(self.value, source)
        scale = 1 / math.sqrt(query.shape[-1])
        weights = ((query @ key.mT) * scale).softmax(-1)
        return self.out((weights @ value).transpose(2, 3).flatten(3))

    def _heads(self, linear: StreamLinear, x: Tensor) -> Tensor:
        """(B, 2, T, width) to (B, 2, heads, T, width / heads)."""
        if torch.compiler.is_exporting():
            # ONNX Runtime transposes with one thread; a product of its own gives each head where it belongs
            return x.unsqueeze(2) @ linear.weight.unflatten(1, (self.heads, -1)).mT
        return linear(x).unflatten(-1, (self.heads, -1)).transpose(2, 3)


def swap_persons(x: Tensor) -> Tensor:
    """Exchanges the persons on axis 1, which is 2 long."""
    return torch.cat([x[:, 1:], x[:, :1]], dim=1)
