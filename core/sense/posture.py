"""How bodies are turned, and which way they lean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.anatomy import Anatomy
from dyadwatch.core.sense.measures import columns, medians
from dyadwatch.core.sense.sides import ahead

_FEWEST = 4  # samples with a trunk
_LONG_ENOUGH = 5  # samples
_UP, _DOWN, _LEGS_UP = 0.7, -0.6, 0.3  # how much of the length of the trunk, or the legs, is height
_STANDING_M = 0.5  # from ankles to hips of who stands and is no small child
_LEVEL, _LEANING = 0.5, 0.57  # of who stands: how level the chest faces, and how much of the body is height
_FLAT, _STEADY = 0.4, 0.93  # of an axis that is not up: its height, and how much alike its directions are


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
    lean: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None

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
    postures: Sequence[Posture], rows: NDArray[np.float32], newest: NDArray[np.float32], anatomy: Anatomy
) -> list[bool]:
    """Judges people anew by what was measured of them.

    Arguments:
        postures: of the P people; those of whom enough is seen are brought up to date.
        rows: of `measures.measure`, shape (P, N, C).
        newest: those of the last half second, in order, likewise.
        anatomy: of the layout.

    Returns:
        Of whom enough is seen.
    """
    trunk, legs = (rows[..., columns(anatomy, name)] for name in ("trunk", "legs"))
    seen = ~np.isnan(trunk[..., 0])
    counts = np.count_nonzero(seen, axis=1)
    known = (counts >= _FEWEST).tolist()
    standing = medians(legs)[:, 1].tolist()
    trunk, legs = (v / np.maximum(np.sqrt(np.square(v).sum(axis=-1, keepdims=True)), 1e-6) for v in (trunk, legs))
    up, legs_up = trunk[..., 1], legs[..., 1]
    rises, falls = up > _UP, up < _DOWN
    upright = np.count_nonzero(rises, axis=1) >= 0.6 * counts
    upright |= np.count_nonzero(rises & (legs_up > _LEGS_UP), axis=1) >= _LONG_ENOUGH
    down = np.count_nonzero(falls & ~(legs_up > -_LEGS_UP), axis=1) >= 0.8 * counts
    axes = np.where(np.isnan(legs), trunk, 0.5 * (trunk + legs))
    axes = np.where(seen[..., None], axes, np.float32(0)).sum(axis=1) / np.maximum(counts, 1).astype(np.float32)[:, None]
    places = medians(newest[..., columns(anatomy, "hips")])
    leans = _leans(newest, anatomy)
    for i, posture in enumerate(postures):
        if not known[i]:
            continue
        posture.upright = posture.upright or bool(upright[i])
        posture.down = bool(down[i])
        axis, place = axes[i], places[i]
        length = float(np.sqrt(axis.dot(axis)))
        posture.axis = axis / length if length > _STEADY and abs(axis[1]) < _FLAT * length else None
        posture.hips = float(place[1])
        stands = posture.upright and standing[i] > _STANDING_M
        posture.floor = posture.hips - standing[i] if stands else float("nan")
        posture.lean = leans[i]
        if not np.isnan(place).any():
            posture.low, posture.high = np.minimum(posture.low, place), np.maximum(posture.high, place)
    return known


def _leans(
    newest: NDArray[np.float32], anatomy: Anatomy
) -> list[tuple[NDArray[np.floating], NDArray[np.floating]] | None]:
    """Which way those lean who do not lie, and where their chests face, over half a second."""
    trunk, legs = (newest[..., columns(anatomy, name)] for name in ("trunk", "legs"))
    ups = (trunk + np.where(np.isnan(legs), np.float32(0), legs)).mean(axis=1)
    chests = ahead(newest[..., columns(anatomy, "shoulder_line")], trunk).mean(axis=1)
    levels = np.hypot(chests[:, 0], chests[:, 2]).tolist()
    out: list[tuple[NDArray[np.floating], NDArray[np.floating]] | None] = []
    for up, chest, level in zip(ups, chests, levels, strict=True):
        length = float(np.sqrt(up.dot(up)))
        leans = length > 0 and level > _LEVEL and up[1] > _LEANING * length
        out.append((up / length, chest) if leans else None)
    return out
