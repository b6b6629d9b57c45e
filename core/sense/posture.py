"""How bodies are turned, and which way they lean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.measures import SPANS, medians
from dyadwatch.core.sense.sides import ahead, dot

_FEWEST = 4  # samples with a trunk
_LONG_ENOUGH = 5  # samples
_UP, _DOWN, _LEGS_UP = 0.7, -0.6, 0.3  # how much of the length of the trunk, or the legs, is height
_STANDING_M = 0.5  # from ankles to hips of who stands and is no small child
_LEVEL, _LEANING = 0.5, 0.57  # of who stands: how level the chest faces, and how much of the body is height
_FLAT, _STEADY = 0.4, 0.93  # of an axis that is not up: its height, and how much alike its directions are


Lean = tuple[NDArray[np.floating], NDArray[np.floating]]


@dataclass(slots=True)
class Posture:
    """How a body is turned.

    Arguments:
        upright: whether it was ever seen upright for long enough.
        down: feet above the head.
        axis: from feet to head in the middle, unit length; None where it does not hold still or is not level.
        low, high: the box of all places of the hips, each the middle of half a second, metres.
        hips: height of the hips in the middle of the last half second, metres; NaN where unseen.
        floor: height of the ankles below somebody upright, likewise.
        lean: unit vectors along the body and out of the chest of who does not lie, of late; None where unknown.
    """

    upright: bool = False
    down: bool = False
    axis: NDArray[np.float32] | None = None
    low: NDArray[np.float32] = field(default_factory=lambda: np.full(3, np.inf, np.float32))
    high: NDArray[np.float32] = field(default_factory=lambda: np.full(3, -np.inf, np.float32))
    hips: float = float("nan")
    floor: float = float("nan")
    lean: Lean | None = None

    @property
    def lies(self) -> bool:
        """Whether it is turned as who stands or sits is not."""
        return self.down or (self.axis is not None and not self.upright)

    def moved_across(self) -> float:
        """Metres that the body came across its axis, as who walks does and who lies or is pushed in a bed does not."""
        if self.axis is None or not np.isfinite(self.low).all():
            return 0.0
        extent = (self.high - self.low) * np.sqrt(np.maximum(1 - self.axis**2, 0))
        return float(np.sqrt(extent @ extent))


def judge_postures(
    postures: Sequence[Posture], measured: NDArray[np.float32], newest: NDArray[np.float32], standing: Sequence[float]
) -> list[bool]:
    """Judges people anew by what was measured of them.

    Arguments:
        postures: of the P people; those of whom enough is seen are brought up to date.
        measured: as `measures.by_column` has it, shape (27, P, N).
        newest: that of the last half second, in order, likewise.
        standing: height of their hips above the ankles in the middle, metres, NaN where unknown.

    Returns:
        Of whom enough is seen.
    """
    trunk, legs = measured[SPANS["trunk"]], measured[SPANS["legs"]]
    seen = ~np.isnan(trunk[0])
    counts = np.add.reduce(seen, axis=1, dtype=np.intp)
    up, legs_up = trunk[1] / _lengths(trunk), legs[1] / _lengths(legs)
    rises, falls = up > _UP, (up < _DOWN) & ~(legs_up > -_LEGS_UP)
    upright = np.add.reduce(rises, axis=1, dtype=np.intp) >= 0.6 * counts
    upright |= np.add.reduce(rises & (legs_up > _LEGS_UP), axis=1, dtype=np.intp) >= _LONG_ENOUGH
    down = (np.add.reduce(falls, axis=1, dtype=np.intp) >= 0.8 * counts).tolist()
    middles = np.where(np.isnan(legs_up), up, 0.5 * (up + legs_up))
    level = np.abs(np.add.reduce(np.where(seen, middles, 0), axis=1)) < 1.01 * _FLAT * counts
    places = medians(newest[SPANS["hips"]].transpose(1, 2, 0))
    known, leans = (counts >= _FEWEST).tolist(), _leans(newest)
    for i, (posture, rises_mostly) in enumerate(zip(postures, upright.tolist(), strict=True)):
        if not known[i]:
            continue
        posture.upright, posture.down, posture.lean = posture.upright or rises_mostly, down[i], leans[i]
        posture.axis = _level_axis(trunk[:, i, seen[i]], legs[:, i, seen[i]]) if level[i] else None
        x, posture.hips, z = places[i].tolist()
        stands = posture.upright and standing[i] > _STANDING_M
        posture.floor = posture.hips - standing[i] if stands else float("nan")
        if not math.isnan(x + posture.hips + z):
            posture.low, posture.high = np.minimum(posture.low, places[i]), np.maximum(posture.high, places[i])
    return known


def _lengths(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Of vectors (3, ...), and never nothing."""
    return np.maximum(np.sqrt(dot(vectors, vectors)), 1e-6)


def _level_axis(trunk: NDArray[np.float32], legs: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The direction along a body, by its trunks and legs (3, N), where it holds still and is level; else None."""
    ups, downs = trunk / _lengths(trunk), legs / _lengths(legs)
    along = np.where(np.isnan(downs), ups, np.float32(0.5) * (ups + downs))
    axis = along.T.copy().sum(axis=0) / along.shape[1]
    length = float(np.linalg.norm(axis))
    return axis / length if length > _STEADY and abs(axis[1]) < _FLAT * length else None


def _leans(newest: NDArray[np.float32]) -> list[Lean | None]:
    """Which way those lean who do not lie, and where their chests face, over half a second; newest (27, P, N)."""
    trunk, legs = newest[SPANS["trunk"]], newest[SPANS["legs"]]
    samples = newest.shape[2]
    up = np.add.reduce(trunk + np.where(np.isnan(legs), np.float32(0), legs), axis=2) / samples  # (3, P)
    chest = np.add.reduce(ahead(newest[SPANS["shoulder_line"]], trunk), axis=2) / samples
    length = np.sqrt(dot(up, up))
    leans = (np.hypot(chest[0], chest[2]) > _LEVEL) & (up[1] > np.maximum(_LEANING * length, 1e-6))
    each = zip((up / np.maximum(length, 1e-6)).T, chest.T, leans.tolist(), strict=True)
    return [(up, chest) if lean else None for up, chest, lean in each]
