"""One person's last seconds, and what they say: is it a body, of what size, and does it stand?"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.anatomy import Anatomy
from dyadwatch.core.sense.manner import odd_manner
from dyadwatch.core.sense.measures import MEASURED, build_of, columns, medians
from dyadwatch.core.sense.places import StuckJoints
from dyadwatch.core.sense.sense_codes import Odd, Oddity
from dyadwatch.core.sense.sides import Flip, ahead
from dyadwatch.core.sense.steadiness import FrameNoise
from dyadwatch.core.sense.together import BodySighting, sighting
from dyadwatch.core.skeletons.body_size import BODIES_M, PEOPLE_M, likely_scale
from dyadwatch.core.units import NS

_KEPT = 32  # samples
_FEWEST = 4  # samples that say anything
_EVERY, _LATER_EVERY = 5, 10  # samples from one verdict to the next, and once all that is kept is full
_SURE = 8  # samples for a verdict that blinds
FROZEN_NS, _STIFF_NS = NS, 4 * NS // 10
_SPOILS_NS = 3 * NS  # for how long what was wrong for a moment makes scores doubtful
_COUNTED_NS = 10 * NS
_FROZEN_FRAMES = 5
# Of how far the limbs are off; see `Build.misfit`.
_IMPOSSIBLE, _ODD = 1.3, 1.12
_FEWEST_FLIPS = 2
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
        self._rows = np.full((_KEPT, len(anatomy.limbs) + MEASURED), np.nan, np.float32)
        self.samples = 0
        self.tick = -1  # of the last sample
        self.stamp = 0
        self.alone = True  # never in a frame with another
        self.sighting: BodySighting | None = None
        self.posture = Posture()
        self.height = float("nan")
        self.shape: tuple[Odd, ...] = ()
        self.manner: tuple[Odd, ...] = ()  # how it moves and is seen
        self._noise = FrameNoise()
        self._stuck, self._stuck_at = StuckJoints(anatomy), ("", 0)
        self._flips: list[tuple[int, bool]] = []  # stamps at which its sides were exchanged, and whether for sure
        self._longest: NDArray[np.float32] | None = None  # metres that each limb is at most, once that is known
        self._torn: tuple[Odd | None, int] = None, 0  # limb that was far too long, and when
        self._stiff = 0, 0.0  # stamp at which it last moved again, and after how many seconds
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
            if self._same and self.stamp - self._since >= _STIFF_NS:
                self._stiff = stamp, round((self.stamp - self._since) / NS, 1)
            self._last, self._since, self._same = said, stamp, 0
            self._noise.see(stamp, said)
        else:
            self._same += 1
            self._noise.broken_off()
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
        last = max(self._stiff[0], self._stuck_at[1], self._torn[1], self._flips[-1][0] if self._flips else 0)
        moments = self._same or self.stamp - last < _SPOILS_NS or self.frozen_until is not None
        return not (self.shape or self.manner or moments or lies)

    def flip(self, stamp: int, flip: Flip) -> None:
        """Takes note that left and right were exchanged since the frame before, or seem to have been."""
        self._flips = [*(f for f in self._flips[-255:] if stamp - f[0] < _COUNTED_NS), (stamp, flip.sure)]
        if flip.whole:  # joints did jump, and not for noise
            self._noise.broken_off()

    @property
    def _flipped(self) -> bool:
        """Whether left and right were exchanged: for sure, or again and again in a body that is steady otherwise."""
        if any(sure for _, sure in self._flips):
            return True
        return len(self._flips) >= _FEWEST_FLIPS and not self._noise.jitter_m

    def moments(self) -> list[Odd]:
        """What was wrong for a moment just now, or so shortly before that a window still holds it."""
        found: list[Odd] = []
        still = self.still()
        if still is not None:
            found.append(still)
        elif self._stiff[0] and self.stamp - self._stiff[0] < _SPOILS_NS:
            found.append(Finding(Oddity.STIFF, person=self.id, seconds=self._stiff[1]))
        if self._flips and self.stamp - self._flips[-1][0] < _SPOILS_NS and self._flipped:
            found.append(Finding(Oddity.SIDES_FLIP, person=self.id, times=len(self._flips)))
        torn, at = self._torn
        if torn is not None and self.stamp - at < _SPOILS_NS:
            found.append(torn)
        part, at = self._stuck_at
        if part and self.stamp - at < _SPOILS_NS:
            found.append(Finding(Oddity.NAILED, person=self.id, part=part))
        return found

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
        parts = row[columns(self._anatomy, "hips").start : columns(self._anatomy, "shoulders").stop].reshape(2, 3)
        self.sighting = sighting(stamp, joints, parts, alone=self.alone)
        self._noise.look()
        self._look_at_limbs(stamp, row)
        stuck = self._stuck.look(joints, self.sighting.place)
        if stuck:
            self._stuck_at = stuck, stamp
        every = _EVERY if self.samples < _KEPT else _LATER_EVERY
        if self.samples != _FEWEST and self.samples % every:
            return False
        rows = self._rows[: min(self.samples, _KEPT)]
        lengths = medians(rows[:, : len(self._anatomy.limbs)])
        self._judge_shape(lengths)
        self._judge_posture(rows)
        self._judge_manner(rows, lengths)
        return True

    def _look_at_limbs(self, stamp: int, row: NDArray[np.float32]) -> None:
        """Takes note of a limb that is several times too long."""
        if self._longest is not None and (row[: len(self._longest)] > self._longest).any():
            worst = int(np.nanargmax(row[: len(self._longest)] / self._longest))
            self._torn = self._limb_odd(Oddity.ODD_LIMBS, worst, float(row[worst]), self.height), stamp

    def _limb_odd(self, code: Oddity, limb: int, length: float, height: float, **more: float) -> Odd:
        of = self._anatomy.limbs[limb]
        return Finding(
            code,
            person=self.id,
            layout=self._anatomy.layout.name,
            joint=of.second,
            other=of.first,
            length_m=round(length, 2),
            usual_m=round(of.share * height, 2),
            **more,
        )

    @property
    def sure(self) -> bool:
        """Whether there is enough for a verdict that blinds."""
        return self.samples >= _SURE

    @property
    def misshapen(self) -> bool:
        """Whether the limbs are odd, and with them all that follows from the joints' names."""
        return any(odd.code in (Oddity.JOINTS_MISNAMED, Oddity.ODD_LIMBS) for odd in self.shape)

    def _judge_shape(self, lengths: NDArray[np.float32]) -> None:
        build = build_of(lengths, self._anatomy)
        self.height, self.shape = build.height, ()
        self._longest = self._anatomy.longest * np.float32(build.height)
        if build.misfit >= _ODD:
            code = Oddity.JOINTS_MISNAMED if build.misfit >= _IMPOSSIBLE and self.sure else Oddity.ODD_LIMBS
            misfit = round(build.misfit, 2)
            self.shape = (self._limb_odd(code, build.worst, build.length, build.height, misfit=misfit),)
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

    def _judge_manner(self, rows: NDArray[np.float32], lengths: NDArray[np.float32]) -> None:
        found = odd_manner(rows, lengths, self.height, self._anatomy, sure=self.sure, flipped=bool(self._flips))
        jitter = self._noise.jitter_m if any(self._anatomy.has_vectors) else 0.0
        if jitter:
            found.append((Oddity.JITTER, {"noise_m": round(jitter, 3)}))
        self.manner = tuple(Finding(code, person=self.id, **detail) for code, detail in found)

    def _judge_posture(self, rows: NDArray[np.float32]) -> None:
        all_rows, anatomy = rows, self._anatomy
        trunk, legs, hips = (rows[:, columns(anatomy, name)] for name in ("trunk", "legs", "hips"))
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
        self._judge_lean(all_rows if self.samples <= _KEPT else self._newest(all_rows))
        if not np.isnan(place).any():
            posture.low, posture.high = np.minimum(posture.low, place), np.maximum(posture.high, place)

    def _judge_lean(self, rows: NDArray[np.float32]) -> None:
        """Which way somebody who does not lie leans, and where the chest faces, over half a second."""
        rows, anatomy, posture = rows[-_EVERY:], self._anatomy, self.posture
        posture.lean = None
        trunk, legs = rows[:, columns(anatomy, "trunk")], rows[:, columns(anatomy, "legs")]
        up = (trunk + np.where(np.isnan(legs), np.float32(0), legs)).mean(axis=0)
        chest = ahead(rows[:, columns(anatomy, "shoulder_line")], trunk).mean(axis=0)
        length, level = float(np.linalg.norm(up)), float(np.hypot(chest[0], chest[2]))
        if length > 0 and level > _LEVEL and up[1] > _LEANING * length:
            posture.lean = up / length, chest

    def _newest(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        at = self.samples % _KEPT
        return np.take(values, np.arange(at - _EVERY, at), axis=0, mode="wrap")
