"""One person's last seconds, and what they say: is it a body, of what size, and does it stand?"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.anatomy import Anatomy
from dyadwatch.core.sense.measures import build_of, medians
from dyadwatch.core.sense.sense_codes import Odd, Oddity
from dyadwatch.core.sense.together import BodySighting, sighting
from dyadwatch.core.skeletons.body_size import BODIES_M, PEOPLE_M, likely_scale
from dyadwatch.core.units import NS

_KEPT = 32  # samples
_FEWEST = 4  # samples that say anything
_EVERY, _LATER_EVERY = 5, 10  # samples from one verdict to the next, and once all that is kept is full
_SURE = 8  # samples for a verdict that blinds
FROZEN_NS, _STIFF_NS = NS, 4 * NS // 10
_FROZEN_FRAMES = 5
# Of how far the limbs are off; see `Build.misfit`.
_IMPOSSIBLE, _ODD = 1.3, 1.12
_UP, _DOWN, _LEGS_UP = 0.7, -0.6, 0.3  # how much of the length of the trunk, or the legs, is height
_STANDING_M = 0.5  # from ankles to hips of who stands and is no small child
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
    """

    upright: bool = False
    down: bool = False
    axis: NDArray[np.float32] | None = None
    low: NDArray[np.float32] = field(default_factory=lambda: np.full(3, np.inf, np.float32))
    high: NDArray[np.float32] = field(default_factory=lambda: np.full(3, -np.inf, np.float32))
    hips: float = float("nan")
    floor: float = float("nan")

    def moved_across(self) -> float:
        """Metres that the body came across its axis, as who walks does and who lies or is pushed in a bed does not."""
        if self.axis is None or not np.isfinite(self.low).all():
            return 0.0
        extent = (self.high - self.low) * np.sqrt(np.maximum(1 - self.axis**2, 0))
        return float(np.sqrt(extent @ extent))


class PersonSense:
    """What is kept of one person.

    Arguments:
        id: as people see it.
        anatomy: of the layout of the joints.
    """

    def __init__(self, id: int | str, anatomy: Anatomy) -> None:
        self.id = id
        self._anatomy = anatomy
        self._rows = np.full((_KEPT, len(anatomy.limbs) + 12), np.nan, np.float32)
        self.samples = 0
        self.tick = -1  # of the last sample
        self.stamp = 0
        self.alone = True  # never in a frame with another
        self.sighting: BodySighting | None = None
        self.posture = Posture()
        self.height = float("nan")
        self.shape: tuple[Odd, ...] = ()
        self._last = b""
        self._since = 0
        self._same = 0
        self.frozen_until: int | None = None  # stamp of the last frame that was the same as those of a second before
        self.frozen_s = 0.0
        self.known = False  # whether its posture could be judged

    def see(self, stamp: int, joints: NDArray[np.float32], *, alone: bool) -> None:
        """Takes note of a frame: joints in metres, shape (J, 3), NaN where unseen."""
        said = joints.tobytes()
        if said != self._last:
            self._last, self._since, self._same = said, stamp, 0
        else:
            self._same += 1
            if self._is_frozen(stamp):
                self.frozen_until, self.frozen_s = stamp, round((stamp - self._since) / NS, 1)
        self.stamp, self.alone = stamp, self.alone and alone

    def _is_frozen(self, stamp: int) -> bool:
        return stamp - self._since >= FROZEN_NS and self._same >= _FROZEN_FRAMES

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to say of it by itself; may be False where there is nothing either."""
        posture = self.posture
        lies = posture.down or (posture.axis is not None and not posture.upright)
        return not (self.shape or self._same or lies or self.frozen_until is not None)

    def still(self) -> Odd | None:
        """Whether every bit of its coordinates has been the same of late."""
        if not self._same:
            return None
        span = self.stamp - self._since
        if self._is_frozen(self.stamp):
            return Finding(Oddity.FROZEN, person=self.id, seconds=round(span / NS, 1))
        if span >= _STIFF_NS:
            return Finding(Oddity.STIFF, person=self.id, seconds=round(span / NS, 1))
        return None

    def add(self, stamp: int, joints: NDArray[np.float32], row: NDArray[np.float32]) -> bool:
        """Takes a sample, joints (J, 3) in metres and their row of `measure`; returns whether it led to a verdict."""
        self._rows[self.samples % _KEPT] = row
        self.samples += 1
        self.sighting = sighting(stamp, joints, row[-6:].reshape(2, 3), alone=self.alone)
        every = _EVERY if self.samples < _KEPT else _LATER_EVERY
        if self.samples != _FEWEST and self.samples % every:
            return False
        rows = self._rows[: min(self.samples, _KEPT)]
        self._judge_shape(rows)
        self._judge_posture(rows)
        return True

    @property
    def sure(self) -> bool:
        """Whether there is enough for a verdict that blinds."""
        return self.samples >= _SURE

    @property
    def misshapen(self) -> bool:
        """Whether the limbs are odd, and with them all that follows from the joints' names."""
        return any(odd.code in (Oddity.JOINTS_MISNAMED, Oddity.ODD_LIMBS) for odd in self.shape)

    def _judge_shape(self, rows: NDArray[np.float32]) -> None:
        limbs = len(self._anatomy.limbs)
        build = build_of(medians(rows[:, :limbs]), self._anatomy)
        self.height, self.shape = build.height, ()
        if build.misfit >= _ODD:
            limb = self._anatomy.limbs[build.worst]
            sure = build.misfit >= _IMPOSSIBLE and self.sure
            self.shape = (
                Finding(
                    Oddity.JOINTS_MISNAMED if sure else Oddity.ODD_LIMBS,
                    person=self.id,
                    layout=self._anatomy.layout.name,
                    joint=limb.second,
                    other=limb.first,
                    length_m=round(build.length, 2),
                    usual_m=round(limb.share * build.height, 2),
                    misfit=round(build.misfit, 2),
                ),
            )
        elif not PEOPLE_M[0] <= build.height <= PEOPLE_M[1] and build.height == build.height:
            absurd = not BODIES_M[0] <= build.height <= BODIES_M[1] and self.sure
            self.shape = (
                Finding(
                    Oddity.ABSURD_SIZE if absurd else Oddity.ODD_SIZE,
                    person=self.id,
                    height_m=round(build.height, 2),
                    likely=likely_scale(build.height),
                ),
            )

    def _judge_posture(self, rows: NDArray[np.float32]) -> None:
        first = len(self._anatomy.limbs)
        trunk, legs, hips = (rows[:, first + k : first + k + 3] for k in (0, 3, 6))
        seen = ~np.isnan(trunk[:, 0])
        self.known = bool(seen.sum() >= _FEWEST)
        if not self.known:
            return
        standing = float(medians(legs)[1])
        trunk, legs = trunk[seen], legs[seen]
        trunk = trunk / np.maximum(np.linalg.norm(trunk, axis=1, keepdims=True), 1e-6)
        legs = legs / np.maximum(np.linalg.norm(legs, axis=1, keepdims=True), 1e-6)
        up, legs_up = trunk[:, 1], legs[:, 1]
        posture = self.posture
        if np.count_nonzero(up > _UP) >= 0.6 * len(up) or ((up > _UP) & (legs_up > _LEGS_UP)).sum() >= _EVERY:
            posture.upright = True
        posture.down = bool(np.count_nonzero((up < _DOWN) & ~(legs_up > -_LEGS_UP)) >= 0.8 * len(up))
        axis = np.where(np.isnan(legs), trunk, 0.5 * (trunk + legs)).sum(axis=0) / len(trunk)
        length = float(np.linalg.norm(axis))
        posture.axis = axis / length if length > _STEADY and abs(axis[1]) < _FLAT * length else None
        place = medians(hips[max(len(hips) - _EVERY, 0) :] if self.samples <= _KEPT else self._newest(hips))
        posture.hips = float(place[1])
        posture.floor = posture.hips - standing if posture.upright and standing > _STANDING_M else float("nan")
        if not np.isnan(place).any():
            posture.low, posture.high = np.minimum(posture.low, place), np.maximum(posture.high, place)

    def _newest(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        at = self.samples % _KEPT
        return np.take(values, np.arange(at - _EVERY, at), axis=0, mode="wrap")
