"""The distance relation module (DREM): from both persons' joints to features of their distances."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dyadwatch.core.iadnet.attention_blocks import StreamLinear
from dyadwatch.core.iadnet.batch_invariant import steady_log
from dyadwatch.core.iadnet.frame_module import Axes

# Distances level off here: below it joints interpenetrate, which is noise, and log d would run away.
FLOOR = 0.02


def soft_distances(x: Axes, y: Axes, floor: float = FLOOR) -> Tensor:
    """Distances sqrt(|x_i - y_j|^2 + floor^2) from coordinates (..., J) and (..., K) to (..., J, K).

    Differences are taken axis by axis: the Gram form cancels, and a (J, K, 3) array costs three times as
    much.
    """
    total: Tensor | float = floor**2
    for a, b in zip(x, y, strict=True):
        gap = a[..., :, None] - b[..., None, :]
        total = gap * gap + total
    assert isinstance(total, Tensor)
    return total.sqrt()


class Relations(nn.Module):
    """Distance maps of a window, embedded for each person.

    Stream x sees M_t with m_t(i, j) = -|x_t(i) - y_t(j)| (the paper's map: closer is larger) and beside it
    log |x_t(i) - y_t(j)|, which tells 5 cm from 10 cm; stream y sees both transposed, through the same
    parameters, so that swapping the persons swaps the result.

    Arguments:
        streams: 1 shared, 2 separate parameters.
        related: joints whose distances are taken, indices on the J axis.
        joints: J.
        width: channels given out.
    """

    transposition: Tensor

    def __init__(self, streams: int, related: tuple[int, ...], joints: int, width: int) -> None:
        super().__init__()
        self.subset = None if related == tuple(range(joints)) else list(related)
        count = len(related)
        self.inner = StreamLinear(streams, 2 * count**2, width, bias=False)
        self.bias = nn.Parameter(torch.zeros(streams, 1, width))
        self.outer = StreamLinear(streams, width, width)
        order = torch.arange(2 * count**2).view(2, count, count).mT.flatten()
        self.register_buffer("transposition", order, persistent=False)

    def forward(self, x: Axes, y: Axes) -> Tensor:
        """Coordinates of the canonical joints, each (B, T, J), to relation features (B, 2, T, width)."""
        if self.subset is not None:
            x, y = ((a[..., self.subset], b[..., self.subset], c[..., self.subset]) for a, b, c in (x, y))
        d = soft_distances(x, y).flatten(2)  # (B, T, R * R)
        maps = torch.cat([-d, steady_log(d)], dim=-1)
        # A weight with its columns in transposed order does to M what the weight does to M transposed.
        weight = self.inner.weight
        own = functional.linear(maps, weight[0])
        mirrored = functional.linear(maps, weight[-1].index_select(1, self.transposition))
        return self.outer(functional.gelu(torch.stack([own, mirrored], dim=1) + self.bias))
