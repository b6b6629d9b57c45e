"""The canonical pair frame of `core.frame` as a differentiable module that exports into the graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dyadwatch.core.frame import COINCIDENT_M, TRUNK_M, TRUNK_RANGE_M, Anchors


class PairFrame(nn.Module):
    """Both persons in the pair's own frame; the same numbers as `core.frame.canonical`.

    Arguments:
        at: joints that give pelvis and neck.
    """

    def __init__(self, at: Anchors) -> None:
        super().__init__()
        self.at = at

    def forward(self, joints: Tensor) -> Tensor:
        """Raw metres, shape (..., 2, T, J, 3), to the canonical frame, same shape."""
        pelvis, neck = self._middle(joints, self.at.pelvis), self._middle(joints, self.at.neck)
        centre = pelvis.mean(-2)  # (..., 2, 3)
        first, second = centre[..., 0, :], centre[..., 1, :]
        origin = (0.5 * (first + second))[..., None, None, None, :]
        line = second - first
        length = (line[..., 0] ** 2 + line[..., 2] ** 2 + COINCIDENT_M**2).sqrt()
        # the floor keeps the gradient finite where neck and pelvis coincide; it is far below TRUNK_RANGE_M
        trunk = (neck - pelvis).square().sum(-1).clamp_min(1e-8).sqrt().mean((-1, -2))
        scale = TRUNK_M / trunk.clamp(*TRUNK_RANGE_M)
        cos, sin = scale * line[..., 0] / length, scale * line[..., 2] / length
        cos, sin, scale = (v[..., None, None, None] for v in (cos, sin, scale))
        x, y, z = (joints - origin).unbind(-1)
        return torch.stack([cos * x + sin * z, scale * y, cos * z - sin * x], -1)

    @staticmethod
    def _middle(joints: Tensor, pair: tuple[int, int]) -> Tensor:
        if pair[0] == pair[1]:
            return joints[..., pair[0], :]
        return 0.5 * (joints[..., pair[0], :] + joints[..., pair[1], :])
