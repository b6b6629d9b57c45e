"""Changes to a window that keep its meaning. Never time reversal: departing is approaching reversed."""

from __future__ import annotations

import torch
from torch import Tensor

_LONGEST_DROP = 0.5  # of a window


def augment(
    windows: Tensor,
    generator: torch.Generator,
    *,
    noise_m: float = 0.0,
    mirror: Tensor | None = None,
    scale: float = 0.0,
    dropped: float = 0.0,
) -> Tensor:
    """Random order of the persons, and whatever else is asked for, each window by itself.

    Arguments:
        windows: metres, shape (B, 2, T, J, 3).
        generator: source of randomness.
        noise_m: standard deviation put on every coordinate, metres.
        mirror: permutation of the J axis that exchanges left and right; half of the windows are mirrored. None leaves
            people as they are.
        scale: both persons and their distance grow or shrink by up to this part.
        dropped: part of the windows in which the sensor lost a joint of one person for a while.
    """
    count = len(windows)
    swap = torch.rand(count, 1, 1, 1, 1, generator=generator) < 0.5
    out = torch.where(swap, windows.flip(1), windows)
    if mirror is not None:
        flipped = out.index_select(3, mirror) * out.new_tensor([-1.0, 1.0, 1.0])
        out = torch.where(torch.rand(count, 1, 1, 1, 1, generator=generator) < 0.5, flipped, out)
    if scale:
        out = out * (1 + scale * (2 * torch.rand(count, 1, 1, 1, 1, generator=generator) - 1))
    if dropped:
        lost = torch.rand(count, generator=generator) < dropped
        out = torch.where(lost[:, None, None, None, None], drop_joint(out, generator), out)
    return out + noise_m * torch.randn(out.shape, generator=generator) if noise_m else out


def drop_joint(windows: Tensor, generator: torch.Generator) -> Tensor:
    """One joint of one person moves in a straight line for up to half of the window.

    That is what the detector makes of a joint that was not seen between two sightings (`core.data.resample`).

    Arguments:
        windows: metres, shape (B, 2, T, J, 3), T >= 3.
    """
    count, _, frames, joints, _ = windows.shape
    row = torch.arange(count)
    person = torch.randint(2, (count,), generator=generator)
    joint = torch.randint(joints, (count,), generator=generator)
    length = torch.randint(2, max(3, int(_LONGEST_DROP * frames) + 1), (count,), generator=generator)
    first = (torch.rand(count, generator=generator) * (frames - length)).long()
    path = windows[row, person, :, joint]  # (B, T, 3)
    start, end = path[row, first], path[row, first + length]
    along = (torch.arange(frames) - first[:, None]) / length[:, None]
    line = start[:, None] + along[..., None] * (end - start)[:, None]
    out = windows.clone()
    out[row, person, :, joint] = torch.where(((along > 0) & (along < 1))[..., None], line, path)
    return out
