"""The relational statistics of `core.features.pair_statistics` as a module that exports into the graph."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from dyadwatch.core.features.pair_statistics import (
    DISTANCE_FLOOR_M,
    PER_PAIR,
    SPEED_FLOOR_M_S,
    Statistics,
    segment_weights,
)
from dyadwatch.core.iadnet.batch_invariant import mean_over_time, row_dot, steady_asinh, steady_log
from dyadwatch.core.iadnet.frame_module import Axes
from dyadwatch.core.scoring.memory_bank import NearestNeighbour, nearest_of


class RelationalStatistics(nn.Module):
    """The same numbers as `core.features.pair_statistics.Statistics`, from torch operations that ONNX knows.

    Arguments:
        statistics: which joints, frame and rate.
        frames: T of the windows; fixed, because the quarters are.
    """

    quarters: Tensor
    joints: Tensor
    first: Tensor
    second: Tensor
    facing: Tensor

    def __init__(self, statistics: Statistics, frames: int) -> None:
        super().__init__()
        self.fps = statistics.fps
        r = len(statistics.joints)
        first, second = np.triu_indices(r, 1)
        facing = torch.ones(2, 1, 1, 3)
        facing[1, ..., ::2] = -1  # seen with the partner towards +X
        for name, value in (
            ("quarters", torch.from_numpy(segment_weights(frames)).float()),
            ("joints", torch.tensor(statistics.joints)),
            ("first", torch.from_numpy(first)),
            ("second", torch.from_numpy(second)),
            ("facing", facing),
        ):
            self.register_buffer(name, value, persistent=False)

    def forward(self, windows: Tensor, placed: Axes) -> tuple[Tensor, Tensor]:
        """Statistics, and the mean distance of each joint pair.

        Arguments:
            windows: raw metres, shape (B, 2, T, J, 3).
            placed: coordinates in the canonical frame, each (B, 2, T, J).

        Returns:
            Shapes (B, F) and (B, R, R), metres.
        """
        if windows.shape[3] != self.joints.shape[0]:
            windows = windows.index_select(3, self.joints)
            placed = [axis.index_select(3, self.joints) for axis in placed]
        batch, _, steps, r, _ = windows.shape
        d = _distances(windows[:, 0, :, :, None], windows[:, 1, :, None]).reshape(batch, steps, r * r)
        log_d = steady_log(d + DISTANCE_FLOOR_M)
        middle = mean_over_time(log_d).unsqueeze(1)
        spread = mean_over_time((log_d - middle).square()).sqrt().unsqueeze(1)
        change = (d[:, 1:] - d[:, :-1]).abs() * self.fps
        pair = torch.cat([self.quarters @ log_d, spread, *_mean_and_rms(change)], 1)

        speed = _distances(windows[:, :, 1:], windows[:, :, :-1]) * self.fps
        own = _distances(windows.index_select(3, self.first), windows.index_select(3, self.second))
        place = torch.stack([self.quarters @ axis for axis in placed], -1) * self.facing
        mean, rms = _mean_and_rms(speed)
        person = torch.cat([mean[:, :, 0], rms[:, :, 0], mean_over_time(own), place.flatten(2)], 2)
        return torch.cat([pair.flatten(1), person.flatten(1)], 1), mean_over_time(d).reshape(batch, r, r)


class Neighbours(nn.Module):
    """Nearest normal windows, and how joint pairs differ from the nearest; `core.scoring.memory_bank` in the graph.

    Arguments:
        bank: scaling, support set, directions.
        distances: mean distance of each joint pair in the support windows, metres, shape (N, R, R).
        joints: J of the windows; pairs of joints that do not enter contribute nothing.

    Raises:
        ValueError: when the bank has no directions.
    """

    centre: Tensor
    scale: Tensor
    support: Tensor
    compared: Tensor
    residual: Tensor
    half_norm: Tensor
    axes: Tensor
    precision: Tensor | None
    whitened_norm: Tensor | None
    distances: Tensor
    swap: Tensor
    spread: Tensor

    def __init__(self, bank: NearestNeighbour, distances: np.ndarray, joints: int) -> None:
        super().__init__()
        if bank.axes is None:
            raise ValueError("a support set without directions does not enter a graph; fit it with project=True")
        statistics = bank.statistics
        self.related = len(statistics.joints)
        self.pairs = statistics.sizes[0]
        self.nearest = nearest_of(len(bank.support))
        spread = np.zeros((joints, self.related), np.float32)
        spread[list(statistics.joints), range(self.related)] = 1
        compared = torch.from_numpy(bank.compared(bank.support))
        self.register_buffer("centre", torch.from_numpy(bank.scaling.centre))
        self.register_buffer("scale", torch.from_numpy(bank.scaling.scale))
        # what explanation needs: the joint pairs only
        self.register_buffer("support", torch.from_numpy(np.ascontiguousarray(bank.support[:, : self.pairs])).half())
        self.register_buffer("axes", torch.from_numpy(bank.axes))
        self.register_buffer("compared", compared[:, :-1].contiguous())
        self.register_buffer("residual", compared[:, -1].contiguous())
        self.register_buffer("half_norm", 0.5 * compared.square().sum(1))
        precision = None if bank.precision is None else torch.from_numpy(bank.precision)
        norm = None if precision is None else 0.5 * (self.compared * precision).square().sum(1)
        self.register_buffer("precision", precision)
        self.register_buffer("whitened_norm", norm)
        self.register_buffer("distances", torch.from_numpy(np.ascontiguousarray(distances, np.float32)).half())
        self.register_buffer("swap", torch.from_numpy(statistics.swap))
        self.register_buffer("spread", torch.from_numpy(spread))

    def forward(self, values: Tensor, mean_distances: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Distances to the nearest support windows, in whichever order of the persons is nearer.

        Arguments:
            values: statistics, shape (B, F).
            mean_distances: metres, shape (B, R, R).

        Returns:
            Mean over the nearest of the root mean square difference (B,); distance to the nearest in directions of
            equal spread (B,), zeros where not whitened; each joint pair's part of the mean square difference of the
            scaled statistics from the nearest (B, J, J); mean distance less that of the nearest, metres (B, J, J).
        """
        scaled = steady_asinh((values - self.centre) / self.scale)
        swapped = scaled.index_select(1, self.swap)
        inside = torch.stack([scaled, swapped], 1) @ self.axes.mT  # (B, 2, D)
        left = row_dot(scaled, scaled).unsqueeze(1) - row_dot(inside, inside)
        left = left.clamp_min(0).sqrt()  # (B, 2), what the directions leave over
        cost = self.half_norm - inside @ self.compared.mT - left.unsqueeze(-1) * self.residual
        rows, swaps = self._nearest(cost, self.nearest)
        entry, turned = rows[:, 0], swaps[:, 0]
        # the differences themselves, because the matrix product loses the last digits of small distances
        gaps = self._gaps(inside, rows, swaps)
        over = torch.where(swaps, left[:, 1:], left[:, :1]) - self._rows(self.residual, rows)
        distance = ((row_dot(gaps, gaps) + over.square()) / values.shape[1]).sqrt()
        distance = mean_over_time(distance.unsqueeze(-1)).squeeze(-1)
        whitened = torch.zeros_like(distance)
        if self.precision is not None and self.whitened_norm is not None:
            cost = self.whitened_norm - (inside * self.precision.square()) @ self.compared.mT
            near = self._gaps(inside, *self._nearest(cost, 1)) * self.precision
            whitened = (row_dot(near, near) / near.shape[-1]).sqrt().squeeze(-1)

        r, flip = self.related, turned[:, None, None]
        pairs = torch.where(turned[:, None], swapped, scaled)[:, : self.pairs]
        square = (pairs - self.support.index_select(0, entry).float()).square()
        maps = mean_over_time(square.unflatten(1, (PER_PAIR, r * r))).unflatten(1, (r, r))
        maps = PER_PAIR / values.shape[1] * torch.where(flip, maps.mT, maps)
        reference = self.distances.index_select(0, entry).float()
        shift = mean_distances - torch.where(flip, reference.mT, reference)
        return distance, whitened, self._all_joints(maps), self._all_joints(shift)

    @staticmethod
    def _nearest(cost: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Support rows of least cost (B, 2, N) over both orders of the persons: rows, and in which order; (B, count).

        Each order by itself first: the graph must not depend on how many rows there are, which `enrol` changes.
        """
        each = cost.topk(count, largest=False)
        near = each.values.flatten(1).topk(count, largest=False).indices
        return each.indices.flatten(1).gather(1, near), near >= count

    def _gaps(self, inside: Tensor, rows: Tensor, swaps: Tensor) -> Tensor:
        """Differences of coordinates (B, 2, D) from support rows, (B, count, D)."""
        return torch.where(swaps.unsqueeze(-1), inside[:, 1:], inside[:, :1]) - self._rows(self.compared, rows)

    @staticmethod
    def _rows(table: Tensor, rows: Tensor) -> Tensor:
        """Rows (B, count) of a table (N, ...), shape (B, count, ...)."""
        return table.index_select(0, rows.flatten()).unflatten(0, (-1, rows.shape[1]))

    def _all_joints(self, maps: Tensor) -> Tensor:
        if self.spread.shape[0] == self.related:
            return maps
        return self.spread @ maps @ self.spread.mT


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances over the last axis of arrays that broadcast."""
    x, y, z = ((p - q).square() for p, q in zip(a.unbind(-1), b.unbind(-1), strict=True))
    return (x + y + z).sqrt()


def _mean_and_rms(speed: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithms of mean and root mean square over time, (..., T, C) to (..., 1, C) twice."""
    mean, rms = mean_over_time(speed), mean_over_time(speed.square()).sqrt()
    log_mean, log_rms = (steady_log(m + SPEED_FLOOR_M_S).unsqueeze(-2) for m in (mean, rms))
    return log_mean, log_rms
