"""Which limb of whom is odd: the one without which all the rest of the two people is normal.

The places of the joints of both people in the four quarters of a window, their speeds, and how far the joints of a limb
are from each other and from the trunk, have, over normal windows, a density: a mixture of a few normal distributions.
For each limb of each person the question is how likely the window is if that limb alone
does what it likes: the density of everything but the limb, in closed form, times a wide density of how such a limb
hangs on its body. The largest names person and limb. A limb is so never compared with neighbours that it chose itself,
and one that moves freely in normal life is not blamed for doing so.

Normal windows are those of the support set, as a model file keeps them: nothing has to be learnt or stored for this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.features.pair_statistics import SEGMENTS, Scaling, Statistics
from dyadwatch.core.scoring.memory_bank import spread_subset, squared_distances
from dyadwatch.core.skeletons.limbs import Limb, LimbJoints, members

# Chosen on training clips of handovers, 550 fitted to and 150 with a limb altered; windows of one second.
_MOST_PARTS = 8  # of the mixture
_WINDOWS_A_PART = 100  # at least, for more parts than one
_COMMON = 0.1  # of the covariance of every part is that of all windows
_NOISE = 4.0e-5  # variance, m^2 of a body with a trunk of 0.5 m: 6 mm, what sensors and the directions leave open
_TAIL = 10.0  # degrees of freedom of what a limb does when it does what it likes
_SPEED = 0.05  # of a unit of the logarithm of a joint's speed counts like a metre of its place
_LED_BY = 10  # directions in which windows are grouped
_ROUNDS = 30

Limbs = NDArray[np.float64]


@dataclass(frozen=True)
class FoundLimb:
    """The limb that explains most of what is odd.

    Arguments:
        person: 0 or 1, of the window.
        limb: which.
        share: how much more probable it is than the others, 0..1; the limbs of both people sum up to 1.
        off_m: how far its end is, on average over the window, from where the rest of the two would have it, metres.
    """

    person: int
    limb: Limb
    share: float
    off_m: float


@dataclass(frozen=True)
class _Part:
    """One normal distribution of the mixture, with what leaving each limb out takes."""

    mean: NDArray[np.float64]
    precision: NDArray[np.float64]
    blocks: tuple[NDArray[np.float64], ...]  # covariance of each limb given all the rest
    without: NDArray[np.float64]  # log of weight and norm of the density of the rest, shape (limbs,)


class LimbReference:
    """What the limbs of two people do in normal windows.

    Arguments:
        statistics: how windows become vectors.
        joints: names of the model's joints.
        values: unscaled statistics of normal windows, shape (N, F), N >= 2.
    """

    def __init__(self, statistics: Statistics, joints: Sequence[str], values: NDArray[np.floating]) -> None:
        self._statistics = statistics
        self.joints = tuple(joints[j] for j in statistics.joints)
        self.limbs: tuple[LimbJoints, ...] = members(self.joints)
        layout = _Columns(statistics, self.limbs)
        self._columns, self._factors = layout.columns, layout.factors
        self._at, self._hangs, self._ends = layout.limbs, layout.roots, layout.ends
        seen = self._take(np.concatenate([values, values[:, statistics.swap]]))
        self._mean = seen.mean(axis=0)
        common = _covariance(seen) + _NOISE * np.eye(seen.shape[1])
        self._free = [self._freely(common, i) for i in range(len(self._at))]
        self._parts = [self._part(*part) for part in _mixture(seen, common)]

    @classmethod
    def of_support(
        cls,
        statistics: Statistics,
        joints: Sequence[str],
        scaling: Scaling,
        axes: NDArray[np.floating],
        compared: NDArray[np.floating],
    ) -> LimbReference:
        """From the support set of a model file: coordinates `compared` (N, D) in directions `axes` (D, F)."""
        scaled = compared.astype(np.float64) @ axes
        return cls(statistics, joints, np.sinh(scaled) * scaling.scale + scaling.centre)

    def scores(self, values: NDArray[np.floating]) -> Limbs:
        """How likely each window is if only that limb is not normal: log densities up to a constant of the window.

        Arguments:
            values: unscaled statistics of windows, shape (N, F).

        Returns:
            Shape (N, limbs of person 0 and those of person 1).
        """
        seen = self._take(values)
        out = np.stack([self._rest(part, seen) for part in self._parts])
        return np.logaddexp.reduce(out, axis=0) + self._alone(seen)

    def oddest(self, values: NDArray[np.floating]) -> FoundLimb:
        """The limb that explains a window best; `values` are its unscaled statistics, shape (F,)."""
        scores = self.scores(values[None])[0]
        best = int(scores.argmax())
        person, which = divmod(best, len(self.limbs))
        share = 1 / float(np.exp(np.maximum(scores - scores[best], -700)).sum())
        return FoundLimb(person, self.limbs[which].limb, round(share, 4), round(self._off(values, best), 3))

    def _off(self, values: NDArray[np.floating], limb: int) -> float:
        """Metres between the end of a limb and where the rest would have it."""
        seen = self._take(values[None])
        part = max(self._parts, key=lambda part: float(self._rest(part, seen)[0, limb]))
        at = self._at[limb]
        surplus = part.blocks[limb] @ (part.precision @ (seen[0] - part.mean))[at]
        return float(np.linalg.norm(surplus[self._ends[limb]].reshape(SEGMENTS, 3), axis=1).mean())

    def _take(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """What the density is of, out of the statistics, (N, F) to (N, C)."""
        return values[:, self._columns].astype(np.float64) * self._factors

    def _hanging(self, seen: NDArray[np.float64], limb: int) -> NDArray[np.float64]:
        """What is of a limb, its places from where it hangs; the last axis."""
        own, root = seen[..., self._at[limb]], self._hangs[limb]
        if root is not None:
            own[..., : len(root)] -= seen[..., root]
        return own

    def _freely(self, common: NDArray[np.float64], limb: int) -> tuple[NDArray[np.float64], float]:
        """Precision of a limb as it hangs on its body whatever the rest does, and the log of the norm."""
        covariance = self._hanging(self._hanging(common, limb).T, limb).T
        covariance = covariance + _NOISE * np.eye(len(covariance))
        d = len(covariance)
        norm = math.lgamma((_TAIL + d) / 2) - math.lgamma(_TAIL / 2) - 0.5 * d * np.log(_TAIL * np.pi)
        return _inverse(covariance), norm - 0.5 * float(np.linalg.slogdet(covariance)[1])

    def _part(self, weight: float, mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> _Part:
        precision = _inverse(covariance)
        size, whole = len(covariance), float(np.linalg.slogdet(covariance)[1])
        blocks = tuple(_inverse(precision[np.ix_(at, at)]) for at in self._at)
        rest = [
            np.log(weight)
            - 0.5 * (whole - float(np.linalg.slogdet(block)[1]) + (size - len(block)) * np.log(2 * np.pi))
            for block in blocks
        ]
        return _Part(mean, precision, blocks, np.asarray(rest))

    def _rest(self, part: _Part, seen: NDArray[np.float64]) -> Limbs:
        """Log density of all but each limb, shape (N, limbs): the whole exponent less what the limb adds to it."""
        gap = seen - part.mean
        pull = gap @ part.precision
        whole = (gap * pull).sum(axis=1)
        own = [
            ((pull[:, at] @ block) * pull[:, at]).sum(axis=1) for at, block in zip(self._at, part.blocks, strict=True)
        ]
        return part.without - 0.5 * (whole[:, None] - np.stack(own, axis=1))

    def _alone(self, seen: NDArray[np.float64]) -> Limbs:
        """Log density of each limb as it hangs on its body, heavy-tailed; shape (N, limbs)."""
        out: list[NDArray[np.float64]] = []
        for i, (precision, norm) in enumerate(self._free):
            gap = self._hanging(seen, i) - self._hanging(self._mean, i)
            square = ((gap @ precision) * gap).sum(axis=1)
            out.append(norm - 0.5 * (_TAIL + gap.shape[1]) * np.log1p(square / _TAIL))
        return np.stack(out, axis=1)


class _Columns:
    """Which of the statistics enter, by how much, and which of those are of each limb; persons 0, then 1.

    Attributes:
        columns, factors: of the statistics, shape (C,).
        limbs: what is of each limb, as indices of C, its places first.
        roots: of each limb, the places of the joint it hangs on, once for each of its own; None where there is none.
        ends: where in `limbs` the places of its end are.
    """

    def __init__(self, statistics: Statistics, limbs: Sequence[LimbJoints]) -> None:
        r = len(statistics.joints)
        pairs, person = statistics.sizes
        first, second = np.triu_indices(r, 1)
        of = np.zeros(r, np.intp)
        trunk = next((i for i, m in enumerate(limbs) if m.limb is Limb.TRUNK), -1)
        for i, member in enumerate(limbs):
            of[list(member.joints)] = i
        # a distance to the trunk is of the limb, one within the trunk of it; one between two limbs would be of both
        a, b = of[first], of[second]
        owner = np.where(a == b, a, np.where(a == trunk, b, np.where(b == trunk, a, -1)))
        kept = np.flatnonzero((owner >= 0) & (owner != trunk))
        places = np.arange(SEGMENTS * 3 * r).reshape(SEGMENTS, r, 3)
        speeds = places.size + np.arange(2 * r).reshape(2, r)
        own = places.size + 2 * r + np.arange(len(kept))
        size = places.size + 2 * r + len(kept)
        inside = np.concatenate([person - places.size + places.ravel(), np.arange(2 * r), 2 * r + kept])
        factors = np.concatenate([np.ones(places.size), np.full(2 * r, _SPEED), np.ones(len(kept))])
        self.columns = np.concatenate([pairs + inside, pairs + person + inside])
        self.factors = np.tile(factors, 2)
        self.limbs: list[NDArray[np.intp]] = []
        self.roots: list[NDArray[np.intp] | None] = []
        self.ends: list[NDArray[np.intp]] = []
        for shift in (0, size):
            for i, m in enumerate(limbs):
                joints = list(m.joints)
                at = [places[:, joints].ravel(), speeds[:, joints].ravel(), own[owner[kept] == i]]
                self.limbs.append(shift + np.concatenate(at))
                root = None if m.root is None else np.repeat(places[:, [m.root]], len(joints), axis=1).ravel()
                self.roots.append(None if root is None else shift + root)
                self.ends.append(np.flatnonzero(np.isin(self.limbs[-1], shift + places[:, m.end])))


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _covariance(places: NDArray[np.float64]) -> NDArray[np.float64]:
    gap = places - places.mean(axis=0)
    return gap.T @ gap / len(gap)


def _centres(seen: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Means of `count` groups (Lloyd), (N, D) to (count, D); the same for the same windows."""
    centres = seen[spread_subset(seen, count)]
    for _ in range(_ROUNDS):
        group = squared_distances(seen, centres).argmin(axis=1)
        centres = np.stack([seen[group == i].mean(axis=0) if (group == i).any() else c for i, c in enumerate(centres)])
    return centres


def _mixture(
    places: NDArray[np.float64], common: NDArray[np.float64]
) -> list[tuple[float, NDArray[np.float64], NDArray[np.float64]]]:
    """Weight, mean and covariance of each part; windows are grouped by what varies most, as one order has them."""
    parts = int(np.clip(len(places) // 2 // _WINDOWS_A_PART, 1, _MOST_PARTS))
    group = np.zeros(len(places), np.intp)
    if parts > 1:
        _, directions = np.linalg.eigh(common)
        seen = (places - places.mean(axis=0)) @ directions[:, -_LED_BY:]
        group = squared_distances(seen, _centres(seen[: len(seen) // 2], parts)).argmin(axis=1)
    out: list[tuple[float, NDArray[np.float64], NDArray[np.float64]]] = []
    for own in (places[group == i] for i in range(parts)):
        if len(own):
            covariance = (1 - _COMMON) * _covariance(own) + _COMMON * common + _NOISE * np.eye(len(common))
            out.append((len(own) / len(places), own.mean(axis=0), covariance))
    return out
