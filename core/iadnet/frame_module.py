"""The canonical pair frame of `core.features.pair_frame` as a differentiable module that exports into the graph."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dyadwatch.core.features.pair_frame import COINCIDENT_M, TRUNK_M, TRUNK_RANGE_M, Anchors
from dyadwatch.core.iadnet.batch_invariant import mean_over_time

# Three coordinates (..., J) of joints: arithmetic on arrays whose last axis is 3 long runs at a fraction of the speed.
Axes = Sequence[Tensor]


class PairFrame(nn.Module):
    """Both persons in the pair's own frame; the same numbers as `core.features.pair_frame.canonical`, axis by axis.

    Arguments:
        at: joints that give pelvis and neck.
    """

    def __init__(self, at: Anchors) -> None:
        super().__init__()
        self.at = at

    def forward(self, joints: Tensor) -> Axes:
        """Raw metres, shape (B, 2, T, J, 3), to coordinates in the canonical frame, each (B, 2, T, J)."""
        pelvis, neck = self._middle(joints, self.at.pelvis), self._middle(joints, self.at.neck)
        # from the first place of person 0, because sums of large numbers lose digits (most of all in TF32 on a GPU)
        start = pelvis[:, :1, :1]
        centre = mean_over_time(pelvis - start)  # (B, 2, 3)
        first, second = centre[:, 0], centre[:, 1]
        line = second - first
        length = (line[:, 0] * line[:, 0] + line[:, 2] * line[:, 2] + COINCIDENT_M**2).sqrt()
        tx, ty, tz = (neck - pelvis).flatten(1, 2).split(1, dim=-1)
        # the floor keeps the gradient finite where neck and pelvis coincide; it is far below TRUNK_RANGE_M
        trunk = mean_over_time((tx * tx + ty * ty + tz * tz).clamp_min(1e-8).sqrt()).squeeze(-1)
        part = self.at.trunk
        scale = part * TRUNK_M / trunk.clamp(part * TRUNK_RANGE_M[0], part * TRUNK_RANGE_M[1])
        cos, sin = scale * line[:, 0] / length, scale * line[:, 2] / length
        cos, sin, scale = (v[:, None, None, None] for v in (cos, sin, scale))
        origin = start[:, 0, 0] + 0.5 * (first + second)
        x, y, z = (joints[..., k] - origin[:, k, None, None, None] for k in range(3))
        return cos * x + sin * z, scale * y, cos * z - sin * x

    @staticmethod
    def _middle(joints: Tensor, pair: tuple[int, int]) -> Tensor:
        if pair[0] == pair[1]:
            return joints[..., pair[0], :]
        return 0.5 * (joints[..., pair[0], :] + joints[..., pair[1], :])
