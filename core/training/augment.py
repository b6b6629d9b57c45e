"""Changes to a window that keep its meaning. Never time reversal: departing is approaching reversed."""

from __future__ import annotations

import torch
from torch import Tensor


def augment(windows: Tensor, noise_m: float, mirror: Tensor | None, generator: torch.Generator) -> Tensor:
    """Random order of the persons, noise on every joint, and perhaps left exchanged with right.

    Arguments:
        windows: metres, shape (B, 2, T, J, 3).
        noise_m: standard deviation, metres.
        mirror: permutation of the J axis that exchanges left and right; None leaves people as they are.
        generator: source of randomness.
    """
    count = len(windows)
    swap = torch.rand(count, 1, 1, 1, 1, generator=generator) < 0.5
    out = torch.where(swap, windows.flip(1), windows)
    if mirror is not None:
        flipped = out.index_select(3, mirror) * out.new_tensor([-1.0, 1.0, 1.0])
        out = torch.where(torch.rand(count, 1, 1, 1, 1, generator=generator) < 0.5, flipped, out)
    return out + noise_m * torch.randn(out.shape, generator=generator)
