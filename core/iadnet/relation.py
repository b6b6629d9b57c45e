"""The distance relation module (DREM): from both persons' joints to features of their distances."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dyadwatch.core.iadnet.attention import StreamMLP

# Distances level off here: below it joints interpenetrate, which is noise, and log d would run away.
FLOOR = 0.02


def soft_distances(x: Tensor, y: Tensor, floor: float = FLOOR) -> Tensor:
    """Distances sqrt(|x_i - y_j|^2 + floor^2), shapes (..., J, 3) and (..., K, 3) to (..., J, K).

    Differences are taken axis by axis: the Gram form cancels, and a (J, K, 3) array costs three times as
    much.
    """
    total = torch.full((), floor**2, dtype=x.dtype, device=x.device)
    for a, b in zip(x.unbind(-1), y.unbind(-1), strict=True):
        total = total + (a[..., :, None] - b[..., None, :]).square()
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

    def __init__(self, streams: int, related: tuple[int, ...], joints: int, width: int) -> None:
        super().__init__()
        self.subset = None if related == tuple(range(joints)) else related
        self.mlp = StreamMLP(streams, 2 * len(related) ** 2, width, width)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Canonical joints x, y (B, T, J, 3) to relation features (B, 2, T, width)."""
        if self.subset is not None:
            index = torch.tensor(self.subset, device=x.device)
            x, y = x.index_select(-2, index), y.index_select(-2, index)
        d = soft_distances(x, y)  # (B, T, R, R)
        both = torch.stack([d, d.mT], dim=1).flatten(3)
        return self.mlp(torch.cat([-both, both.log()], dim=-1))
