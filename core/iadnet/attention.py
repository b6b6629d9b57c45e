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
    """

    def __init__(self, streams: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(streams, outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(streams, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, 2, T, inputs) to (B, 2, T, outputs)."""
        if self.weight.shape[0] == 1:
            return functional.linear(x, self.weight[0], self.bias[0, 0])
        return x @ self.weight.mT + self.bias


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


class Attention(nn.Module):
    """Multi-head attention over time: softmax(Q K^T / sqrt(C)) V, one window and person at a time.

    Arguments:
        streams: 1 shared, 2 separate parameters.
        width: channels.
        heads: heads; divides `width`.
        source: where keys and values come from: the `own` tokens, those of the `other` person (motion
            cross-attention, MCA), or `given` ones (distance cross-attention, DCA).
    """

    def __init__(self, streams: int, width: int, heads: int, source: str) -> None:
        super().__init__()
        self.heads, self.source = heads, source
        if source == "given":
            self.query = StreamLinear(streams, width, width)
            self.key_value = StreamLinear(streams, width, 2 * width)
        else:
            self.query_key_value = StreamLinear(streams, width, 3 * width)
        self.out = StreamLinear(streams, width, width)

    def forward(self, x: Tensor, given: Tensor | None = None) -> Tensor:
        """Tokens (B, 2, T, width), and those to attend to if the source is `given`, to (B, 2, T, width)."""
        if given is None:
            query, key, value = self._split(self.query_key_value(x), 3)
            if self.source == "other":
                key, value = swap_persons(key), swap_persons(value)
        else:
            (query,) = self._split(self.query(x), 1)
            key, value = self._split(self.key_value(given), 2)
        scale = 1 / math.sqrt(query.shape[-1])
        weights = ((query * scale) @ key.mT).softmax(-1)
        return self.out((weights @ value).transpose(2, 3).flatten(3))

    def _split(self, x: Tensor, parts: int) -> list[Tensor]:
        """(B, 2, T, parts * width) to `parts` tensors (B, 2, heads, T, width / heads)."""
        pieces = x.unflatten(-1, (parts * self.heads, -1)).transpose(2, 3)
        return list(pieces.split(self.heads, dim=2))


def swap_persons(x: Tensor) -> Tensor:
    """Exchanges the persons on axis 1, which is 2 long."""
    return torch.cat([x[:, 1:], x[:, :1]], dim=1)
