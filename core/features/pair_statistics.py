"""Relational statistics of a window: what two people's distances, speeds and shapes did, in one vector.

Per joint pair (i of person 0, j of person 1), seven numbers, from the distance d(t) in metres: the logarithm of
d in four quarters of the window, the standard deviation of log d, and the logarithms of the mean and the root
mean square of |d'|. Per person: the logarithms of each joint's mean and root mean square speed, the mean
distance between every two joints of his own, and the quarters of each joint's place in the pair's canonical
frame, seen with the partner towards +X. Logarithms, because 5 cm more is much for two hands and nothing for two
people across a room; quarters, because approaching is departing reversed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.features.distance import distance_maps, lengths
from dyadwatch.core.features.pair_frame import Anchors, anchors_said, canonical
from dyadwatch.core.skeletons.layout import Layout

SEGMENTS = 4
PER_PAIR = SEGMENTS + 3
DISTANCE_FLOOR_M = 0.1  # log(d + floor): what differs below this is sensor noise
SPEED_FLOOR_M_S = 0.05  # log(v + floor): a joint slower than this is at rest

# In a richer layout only these enter, in this order of preference: faces and fingers are noisy, and the cost
# grows with the square of the number of joints.
_PREFERRED = ("head", "neck", "pelvis", "torso", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "hand", "foot")
_MOST_JOINTS = 16
_CHUNK = 32  # windows at a time: what is made of them fits the processor's cache; changes nothing else


def plain_log(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """The natural logarithm within 2 % from 0.02 to 50, as `core.iadnet.batch_invariant` computes it."""
    r = np.sqrt(np.sqrt(np.sqrt(x)))
    return 16 * (r - 1) / (r + 1)


def plain_exp(y: NDArray[np.floating]) -> NDArray[np.floating]:
    """The inverse of `plain_log`, for y within -16 and 16."""
    r = (16 + y) / (16 - y)
    return r**8


def statistics_joints(layout: Layout) -> tuple[int, ...]:
    """The joints that enter the statistics, as indices on the J axis: all up to 16, else the preferred ones."""
    if len(layout) <= _MOST_JOINTS:
        return tuple(range(len(layout)))
    found: list[int] = []
    for name in _PREFERRED:
        for joint in (name, f"left_{name}", f"right_{name}"):
            if joint in layout.index and len(found) < _MOST_JOINTS:
                found.append(layout.index[joint])
    return tuple(sorted(found)) if len(found) >= 8 else tuple(range(_MOST_JOINTS))


def segment_weights(steps: int, segments: int = SEGMENTS) -> NDArray[np.float64]:
    """Averages over equal parts of `steps` samples, shape (segments, steps); a sample on a border counts in both."""
    edges = np.linspace(0, steps, segments + 1)
    first = np.arange(steps)
    overlap = np.minimum(first + 1, edges[1:, None]) - np.maximum(first, edges[:-1, None])
    weights = np.maximum(overlap, 0)
    return weights / weights.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Statistics:
    """The statistics vector of windows of one layout and rate.

    The vector is [7 x R x R of joint pairs | P of person 0 | P of person 1] with R joints; exchanging the
    persons exchanges the axes of the first part and the other two parts (`swap`).

    Arguments:
        joints: indices of the R joints that enter.
        at: joints that place the pair, see `core.features.pair_frame`.
        fps: frames per second of the windows.
    """

    joints: tuple[int, ...]
    at: Anchors
    fps: float

    @classmethod
    def of_layout(cls, layout: Layout, fps: float, said: object = None) -> Statistics:
        """For windows of `layout`; `said` is what a model file says it places pairs by.

        Raises:
            LayoutError: when the layout has no joints to place a pair by, or not those.
        """
        return cls(statistics_joints(layout), anchors_said(layout, said), fps)

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """Length of the joint-pair part and of one person's part."""
        r = len(self.joints)
        return PER_PAIR * r * r, 2 * r + r * (r - 1) // 2 + SEGMENTS * 3 * r

    def __len__(self) -> int:
        return self.sizes[0] + 2 * self.sizes[1]

    @cached_property
    def swap(self) -> NDArray[np.intp]:
        """Permutation of the vector when the persons swap; its own inverse."""
        r = len(self.joints)
        pairs, person = self.sizes
        index = np.arange(len(self))
        maps = index[:pairs].reshape(PER_PAIR, r, r).transpose(0, 2, 1).reshape(-1)
        return np.concatenate([maps, index[pairs + person :], index[pairs : pairs + person]])

    @cached_property
    def blocks(self) -> NDArray[np.intp]:
        """Which kind of number each entry is, 0..6; entries of one kind share a scale."""
        r = len(self.joints)
        maps = np.repeat([0] * SEGMENTS + [1, 2, 3], r * r)
        person = np.repeat([4, 5, 6], [2 * r, r * (r - 1) // 2, SEGMENTS * 3 * r])
        return np.concatenate([maps, person, person])

    def __call__(self, windows: NDArray[np.floating]) -> NDArray[np.float32]:
        """The vectors of windows.

        Arguments:
            windows: raw metres, shape (B, 2, T, J, 3), T >= 2, without NaN.

        Returns:
            Shape (B, len(self)).
        """
        if not len(windows):
            return np.zeros((0, len(self)), np.float32)
        parts = [self._chunk(windows[i : i + _CHUNK]) for i in range(0, len(windows), _CHUNK)]
        return np.concatenate(parts)

    def _chunk(self, windows: NDArray[np.floating]) -> NDArray[np.float32]:
        windows = np.asarray(windows, np.float64)
        placed = canonical(windows, self.at)[..., self.joints, :]
        windows = windows[..., self.joints, :]
        batch, _, steps, r, _ = windows.shape
        quarters = segment_weights(steps)

        d = distance_maps(windows).reshape(batch, steps, r * r)
        log_d = plain_log(d + DISTANCE_FLOOR_M)
        change = np.abs(np.diff(d, axis=1)) * self.fps
        pair = np.concatenate(
            [quarters @ log_d, log_d.std(axis=1, keepdims=True), *_mean_and_rms(change, axis=1)], axis=1
        )

        speed = lengths(np.diff(windows, axis=2)) * self.fps  # (B, 2, T - 1, R)
        first, second = np.triu_indices(r, 1)
        own = lengths(windows[..., first, :] - windows[..., second, :]).mean(axis=2)
        facing = np.ones((2, 1, 1, 3))
        facing[1, ..., ::2] = -1  # half a turn: each person sees the partner towards +X
        place = quarters @ (placed * facing).reshape(batch, 2, steps, r * 3)
        person = np.concatenate(
            [*(m[:, :, 0] for m in _mean_and_rms(speed, axis=2)), own, place.reshape(batch, 2, -1)], axis=2
        )
        return np.concatenate([pair.reshape(batch, -1), person.reshape(batch, -1)], axis=1).astype(np.float32)


def _mean_and_rms(speed: NDArray[np.floating], axis: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Logarithms of mean and root mean square over `axis`, which stays with length 1."""
    mean = speed.mean(axis=axis, keepdims=True)
    rms = np.sqrt(np.square(speed).mean(axis=axis, keepdims=True))
    return plain_log(mean + SPEED_FLOOR_M_S), plain_log(rms + SPEED_FLOOR_M_S)


def mean_distances(windows: NDArray[np.floating], joints: tuple[int, ...]) -> NDArray[np.float32]:
    """Mean distance over the window of each pair of `joints`, metres; (B, 2, T, J, 3) to (B, R, R)."""
    chunks = [
        distance_maps(windows[i : i + _CHUNK][..., joints, :]).mean(axis=1) for i in range(0, len(windows), _CHUNK)
    ]
    r = len(joints)
    return np.concatenate([np.zeros((0, r, r)), *chunks]).astype(np.float32)


@dataclass(frozen=True)
class Scaling:
    """Makes statistics comparable: asinh((s - centre) / scale), entry by entry.

    One scale a kind of statistic, not one an entry: from five clips nobody can tell one entry's spread, and an
    entry that never moved in training would otherwise drown the others. asinh lets a jump of a lost limb count,
    but not more than everything else together.

    Arguments:
        centre, scale: shape (F,).
    """

    centre: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def fit(cls, values: NDArray[np.floating], statistics: Statistics) -> Scaling:
        """Centre: the median over both orders of the persons. Scale: the root mean square spread of each kind.

        Arguments:
            values: normal statistics, shape (N, F), N >= 1.
        """
        both = np.concatenate([values, values[:, statistics.swap]]).astype(np.float64)
        centre = np.median(both, axis=0)
        spread = np.square(both - both.mean(axis=0)).mean(axis=0)
        kinds = statistics.blocks
        total = np.bincount(kinds, weights=spread) / np.bincount(kinds)
        scale = np.sqrt(np.maximum(total, 1e-6))[kinds]
        return cls(centre.astype(np.float32), scale.astype(np.float32))

    def __call__(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Scaled statistics, shape (..., F)."""
        return np.arcsinh((values - self.centre) / self.scale).astype(np.float32)
