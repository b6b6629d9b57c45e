"""One person's last seconds, and what they say: is it a body, of what size, and does it stand?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.anatomy import Anatomy
from dyadwatch.core.sense.build import Build, builds_of
from dyadwatch.core.sense.look import BodyLook
from dyadwatch.core.sense.manner import Manner, odd_manners
from dyadwatch.core.sense.measures import MEASURED, by_column, columns, middles
from dyadwatch.core.sense.places import StuckJoints
from dyadwatch.core.sense.posture import Posture, judge_postures
from dyadwatch.core.sense.sense_codes import Odd, Oddity
from dyadwatch.core.sense.sides import Flip
from dyadwatch.core.sense.steadiness import FrameNoise, SensedFrame
from dyadwatch.core.sense.together import BodySighting
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


class PersonSense:
    """What is kept of one person.

    Arguments:
        id: as people see it.
        anatomy: of the layout of the joints.
    """

    def __init__(self, id: int | str, anatomy: Anatomy) -> None:
        self.id = id
        self._anatomy = anatomy
        self.rows = np.full((_KEPT, len(anatomy.limbs) + MEASURED), np.nan, np.float32)
        self.samples = 0
        self.tick = -1  # of the last sample
        self.stamp = 0
        self.alone = True  # never in a frame with another
        self.look: BodyLook | None = None  # the last one, with the person's place in it
        self.at = 0
        self._alone_then = True
        self.posture = Posture()
        self.height = float("nan")
        self.shape: tuple[Odd, ...] = ()
        self.manner: tuple[Odd, ...] = ()  # how it moves and is seen
        self.noise = FrameNoise()
        self._stuck, self._stuck_at = StuckJoints(anatomy), ("", 0)
        self._flips: list[tuple[int, bool]] = []  # stamps at which its sides were exchanged, and whether for sure
        # Metres that each limb is at most, infinite until that is known.
        self.longest = np.full(len(anatomy.limbs), np.inf, np.float32)
        self._torn: tuple[Odd | None, int] = None, 0  # limb that was far too long, and when
        self._stiff = 0, 0.0  # stamp at which it last moved again, and after how many seconds
        self._last = b""
        self._since = 0
        self._same = 0
        self.frozen_until: int | None = None  # stamp of the last frame that was the same as those of a second before
        self.frozen_s = 0.0
        self._wrong_until = 0  # stamp up to which something is said that was so for a moment
        self.known = False  # whether its posture could be judged

    def see(self, frame: SensedFrame, place: int, said: bytes, *, alone: bool) -> None:
        """Takes note of a frame in which the person is at `place`, with the bytes of its joints."""
        stamp = frame.stamp
        if said != self._last:
            if self._same and self.stamp - self._since >= _STIFF_NS:
                self._stiff = stamp, round((self.stamp - self._since) / NS, 1)
                self._wrong_until = stamp + _SPOILS_NS
            self._last, self._since, self._same = said, stamp, 0
            self.noise.see(frame, place)
        else:
            self._same += 1
            self.noise.broken_off()
            if self._is_frozen(stamp):
                self.frozen_until, self.frozen_s = stamp, round((stamp - self._since) / NS, 1)
        self.stamp, self.alone = stamp, self.alone and alone

    def _is_frozen(self, stamp: int) -> bool:
        return stamp - self._since >= FROZEN_NS and self._same >= _FROZEN_FRAMES

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to say of it by itself; may be False where there is nothing either."""
        if self._same or self.stamp < self._wrong_until or self.shape or self.manner:
            return False
        return self.frozen_until is None and not self.posture.lies

    def flip(self, stamp: int, flip: Flip) -> None:
        """Takes note that left and right were exchanged since the frame before, or seem to have been."""
        self._flips = [*(f for f in self._flips[-255:] if stamp - f[0] < _COUNTED_NS), (stamp, flip.sure)]
        self._wrong_until = stamp + _SPOILS_NS
        if flip.whole:  # joints did jump, and not for noise
            self.noise.broken_off()

    @property
    def flips_of_late(self) -> bool:
        """Whether left and right seemed to be exchanged."""
        return bool(self._flips)

    @property
    def _flipped(self) -> bool:
        """Whether left and right were exchanged: for sure, or again and again in a body that is steady otherwise."""
        if any(sure for _, sure in self._flips):
            return True
        return len(self._flips) >= _FEWEST_FLIPS and not self.noise.jitter_m

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

    def add(self, look: BodyLook, at: int, *, moved: bool) -> None:
        """Takes a look in which the person is at `at`; `moved` as `BodyLook.all_moved_since` says it."""
        self.rows[self.samples % _KEPT] = look.rows[at]
        self.samples += 1
        self.look, self.at, self._alone_then = look, at, self.alone
        stuck = self._stuck.look(look.joints[at], look.places[at], moved=moved)
        if stuck:
            self._stuck_at = stuck, look.stamp
            self._wrong_until = look.stamp + _SPOILS_NS

    @property
    def sighting(self) -> BodySighting:
        """Where it was when it was looked at last."""
        look, at = self.look, self.at
        assert look is not None, "looked at before"
        hips, shoulders = columns(self._anatomy, "hips"), columns(self._anatomy, "shoulders")
        parts = look.rows[at, hips.start : shoulders.stop].reshape(2, 3)
        return BodySighting(look.stamp, look.joints[at], parts, self._alone_then)

    @property
    def is_due(self) -> bool:
        """Whether the newest sample leads to a verdict."""
        return self.samples == _FEWEST or not self.samples % (_EVERY if self.samples < _KEPT else _LATER_EVERY)

    def tear(self, stamp: int, limb: int, length: float) -> None:
        """Takes note of a limb that is several times too long, metres."""
        self._torn = self._limb_odd(Oddity.ODD_LIMBS, limb, length, self.height), stamp
        self._wrong_until = stamp + _SPOILS_NS

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

    def judge_build(self, build: Build) -> None:
        """Takes up what the limbs come to."""
        self.height, self.shape = build.height, ()
        self.longest = self._anatomy.longest * np.float32(build.height)
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

    def judge_manner(self, found: Manner) -> None:
        """Takes up what is odd about how it moves and is seen."""
        jitter = self.noise.jitter_m if any(self._anatomy.has_vectors) else 0.0
        if jitter:
            found = [*found, (Oddity.JITTER, {"noise_m": round(jitter, 3)})]
        self.manner = tuple(Finding(code, person=self.id, **detail) for code, detail in found)


def judge(people: Sequence[PersonSense], anatomy: Anatomy) -> None:
    """Judges people anew by their last seconds."""
    alike: dict[int, list[PersonSense]] = {}  # by how many samples there are, or where the newest lies of all kept
    for person in people:
        alike.setdefault(person.samples if person.samples < _KEPT else -(person.samples % _KEPT), []).append(person)
    for group in alike.values():
        count, sure, limbs = group[0].samples, group[0].sure, len(anatomy.limbs)
        rows = np.stack([person.rows[: min(count, _KEPT)] for person in group])
        measured = by_column(rows, anatomy)
        newest = measured.take(np.arange(count - min(_EVERY, count), count), axis=2, mode="wrap")
        height = columns(anatomy, "legs").start + 1  # of the hips above the ankles
        ordered = np.sort(rows[..., : height + 1], axis=1)
        middle = middles(ordered)
        lengths = middle[:, :limbs]
        builds = builds_of(lengths, anatomy)
        heights = [build.height for build in builds]
        flipped = [person.flips_of_late for person in group]
        manners = odd_manners(measured, ordered, lengths, heights, anatomy, sure=sure, flipped=flipped)
        known = judge_postures([p.posture for p in group], measured, newest, middle[:, height].tolist())
        for person, build, manner, seen in zip(group, builds, manners, known, strict=True):
            person.known = seen
            person.judge_build(build)
            person.judge_manner(manner)
