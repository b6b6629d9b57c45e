"""The bodies of one source, judged over their first second and ever after: `BodySense` joins what is looked at.

All depends on the frames' stamps and order. A look at somebody takes place ten times a second of event time; between
looks a frame costs a comparison of bytes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.anatomy import Anatomy, anatomy_of
from dyadwatch.core.sense.gravity import Gravity
from dyadwatch.core.sense.look import BodyLook, look_at
from dyadwatch.core.sense.person import PersonSense, judge
from dyadwatch.core.sense.sense_codes import BLINDING, SAID, Odd, Oddity, is_blinding, settled
from dyadwatch.core.sense.sides import SideFlips
from dyadwatch.core.sense.statures import Statures
from dyadwatch.core.sense.steadiness import FrameNoise, SensedFrame
from dyadwatch.core.sense.together import Together
from dyadwatch.core.skeletons.layout import Layout

_TICK_NS = 100_000_000
_NEAR_M = 0.6
_LONGEST_NS = 400_000_000  # between two sightings that are compared
_MOST_PAIRS = 256


class BodyVerdict(NamedTuple):
    """On two people, at the moment of a frame.

    Arguments:
        blinding: why a score would mean nothing; None where it would not.
        doubts: why it would be doubtful.
        past: what was so up to a stamp, ns, and spoils the windows that reach back to it.
    """

    blinding: Odd | None = None
    doubts: tuple[Odd, ...] = ()
    past: tuple[tuple[Odd, int], ...] = ()

    def at(self, start: int) -> Odd | None:
        """Why a window that begins at `start`, ns, and ends now is not to be scored; None where it may be."""
        return self.blinding or next((odd for odd, until in self.past if until >= start), None)


FINE = BodyVerdict()


class BodySense:
    """What is known of the bodies of one source.

    Arguments:
        ignore: codes that are not looked for; where those are all, nobody is looked at.

    Attributes:
        looks: whether anybody is.
    """

    def __init__(self, ignore: Collection[str] = ()) -> None:
        self._ignored = frozenset(ignore)
        self.looks = not self._ignored.issuperset(Oddity)
        self._people: dict[int, PersonSense] = {}
        self._pairs: dict[tuple[int, int], Together] = {}
        self._anatomy: Anatomy | None = None
        self._layout: Layout | None = None
        self._gravity = Gravity()
        self._statures = Statures()
        self._flips: SideFlips | None = None
        self._before: BodyLook | None = None
        # What `PersonSense.longest` says of the people of the look before, and who they are; None where it may differ.
        self._longest: tuple[tuple[int, ...], NDArray[np.float32]] | None = None
        self._met = False  # whether any two were ever one body, or in one place

    def clear(self) -> None:
        """Forgets everybody."""
        self._people.clear()
        self._pairs.clear()
        self._before, self._longest, self._met = None, None, False
        self._gravity = Gravity()
        self._statures = Statures()
        self._flips = None

    def lost(self, keys: Collection[int]) -> None:
        """Forgets some. Once nobody is left, it is to be seen anew where up is: clips follow one another like that."""
        for key in keys:
            self._people.pop(key, None)
        self._longest = None
        if keys and self._pairs:
            gone = set(keys)
            self._pairs = {pair: t for pair, t in self._pairs.items() if gone.isdisjoint(pair)}
            self._met = any(t.last is not None for t in self._pairs.values())
        if not self._people:
            self.clear()

    def push(
        self, stamp: int, keys: Sequence[int], ids: Sequence[int | str], joints: NDArray[np.float32], layout: Layout
    ) -> None:
        """Takes a frame.

        Arguments:
            stamp: ns.
            keys, ids: of the P people, as the tracker has them and as people see them.
            joints: metres, Y up, shape (P, J, 3), NaN where unseen.
            layout: what the J axis means.
        """
        if not self.looks:
            return
        anatomy = self._anatomy
        if anatomy is None or (layout is not self._layout and layout.joints != anatomy.layout.joints):
            self.clear()
            anatomy = self._anatomy = anatomy_of(layout)
        self._layout = layout
        if self._flips is None:
            self._flips = SideFlips(anatomy)
        said, people = joints.tobytes(), len(keys)
        frame = SensedFrame(stamp, np.frombuffer(said, np.float32).reshape(joints.shape))
        size = len(said) // people if people else 0
        tick, due = stamp // _TICK_NS, []
        for i, (key, who) in enumerate(zip(keys, ids, strict=True)):
            person = self._people.get(key)
            if person is None:
                person = self._people[key] = PersonSense(who, anatomy)
            person.see(frame, i, said[i * size : (i + 1) * size], alone=people == 1)
            if person.tick != tick:
                person.tick = tick
                due.append(i)
        for flip in self._flips.push(stamp, keys, frame.joints):
            self._people[flip.key].flip(stamp, flip)
        if len(due) == people:
            self._look(look_at(stamp, keys, frame.joints, anatomy), anatomy)
        elif due:
            self._look(look_at(stamp, [keys[i] for i in due], frame.joints[due], anatomy), anatomy)

    def _look(self, look: BodyLook, anatomy: Anatomy) -> None:
        people = [self._people[key] for key in look.keys]
        moved = look.all_moved_since(self._before)
        self._before = look
        for i, person in enumerate(people):
            person.add(look, i, moved=moved)
        FrameNoise.look(person.noise for person in people)
        self._look_at_limbs(look, people)
        if len(self._people) > 1:
            self._compare(look)
        fresh = [person for person in people if person.is_due]
        if fresh:
            judge(fresh, anatomy)
            self._longest = None
            self._gravity.judge(self._people.values())
            self._statures.judge(look.stamp, self._people.values())

    def _look_at_limbs(self, look: BodyLook, people: Sequence[PersonSense]) -> None:
        """Takes note of limbs that are several times too long."""
        if self._longest is None or self._longest[0] != look.keys:
            self._longest = look.keys, np.stack([person.longest for person in people])
        lengths, longest = look.rows[:, : self._longest[1].shape[1]], self._longest[1]
        if not np.count_nonzero(lengths > longest):  # as nearly always
            return
        for person, own, most in zip(people, lengths, longest, strict=True):
            if (own > most).any():
                worst = int(np.nanargmax(own / most))
                person.tear(look.stamp, worst, float(own[worst]))

    def _compare(self, look: BodyLook) -> None:
        """Everybody who was just looked at with everybody seen of late; those who are near are remembered."""
        done: set[int] = set()
        stamp = look.stamp
        others = [
            (key, person, seen.stamp, seen.places[person.at])
            for key, person in self._people.items()
            if (seen := person.look) is not None and stamp - seen.stamp <= _LONGEST_NS
        ]
        for key, place in zip(look.keys, look.places, strict=True):
            done.add(key)
            for other, person, seen, where in others:
                if other in done:
                    continue
                pair = (key, other) if key < other else (other, key)
                together = self._pairs.get(pair)
                near = -_NEAR_M < place[0] - where[0] < _NEAR_M and math.dist(place, where) < _NEAR_M
                if together is None:
                    if not near or len(self._pairs) >= _MOST_PAIRS:
                        continue
                    together = self._pairs[pair] = Together(pair, *(self._people[k].id for k in pair))
                if not together.is_fresh(key, stamp, seen):
                    continue
                if not near:
                    together.apart()
                    continue
                together.compare(stamp, self._people[key].sighting, person.sighting)
                self._met = self._met or together.last is not None

    def _of_person(self, person: PersonSense) -> list[Odd]:
        found = [*person.shape, *person.manner, *self._gravity.of_person(person), *person.moments()]
        return [odd for odd in found if odd.code not in self._ignored]

    def of_person(self, key: int) -> Odd | None:
        """Why what is seen of somebody is no body to be scored; None where it is, or nobody is known."""
        person = self._people.get(key)
        if person is None:
            return None
        found = self._of_person(person) + self._of_all()
        for pair, together in self._pairs.items():
            odd = together.odd
            # Of one body as two the first is kept; of two in one place neither is where it is said to be.
            if odd is not None and key in pair and (odd.code is Oddity.ONE_PLACE or key == pair[1]):
                found += [odd] if odd.code not in self._ignored else []
        return next((odd for odd in found if is_blinding(odd)), None)

    def verdicts(self, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], BodyVerdict]:
        """On those pairs of which there is anything to say."""
        if not self.looks or (not (self._met or self._everybody()) and all(p.is_plain for p in self._people.values())):
            return {}  # as nearly always
        return {keys: verdict for keys in pairs if (verdict := self.of_pair(keys)) is not FINE}

    def of_pair(self, keys: tuple[int, int]) -> BodyVerdict:
        """On two people as they are now."""
        found: list[Odd] = []
        past: list[tuple[Odd, int]] = []
        for key in keys:
            person = self._people.get(key)
            if person is None:
                continue
            found += self._of_person(person)
            if person.frozen_until is not None and Oddity.FROZEN not in self._ignored:
                odd = Finding(Oddity.FROZEN, person=person.id, seconds=person.frozen_s)
                past.append((odd, person.frozen_until))
        together = self._pairs.get((min(keys), max(keys)))
        if together is not None and together.last is not None and together.last.code not in self._ignored:
            past.append((together.last, together.until))
            found += [together.odd] if together.odd is not None else []
        found += self._of_all()
        if not found and not past:
            return FINE
        doubts = tuple(odd for odd in found if odd.code not in BLINDING | SAID)
        return BodyVerdict(next((odd for odd in found if is_blinding(odd)), None), doubts, tuple(past))

    def _of_all(self) -> list[Odd]:
        return [odd for odd in self._everybody() if odd.code not in self._ignored]

    def _everybody(self) -> list[Odd]:
        """What is odd about all people together."""
        found = self._gravity.odd, self._gravity.tilt, self._statures.odd
        return [odd for odd in found if odd is not None]

    def findings(self, keys: Collection[int]) -> tuple[Odd, ...]:
        """What is odd about those of `keys`, who are in view: the first of each code, blinding ones before others."""
        here = [self._people[key] for key in keys if key in self._people]
        found = self._of_all() + [odd for person in here for odd in self._of_person(person)]
        found += [t.odd for t in self._pairs.values() if t.odd is not None and t.odd.code not in self._ignored]
        return settled(odd for odd in found if odd.code is not Oddity.STIFF) if found else ()

    def blinding(self, keys: Collection[int]) -> Odd | None:
        """Why nobody in view can be scored with anybody; None where somebody can, or nobody is there."""
        found = [self.of_person(key) for key in keys]
        return next((odd for odd in found if odd is not None), None) if found and all(found) else None

    @property
    def heights(self) -> dict[int | str, float]:
        """Standing heights by id, metres, as far as they can be told."""
        return {p.id: p.height for p in self._people.values() if p.height == p.height}

    @property
    def upright(self) -> dict[int | str, bool]:
        """Who was seen upright, by id, of those of whom it can be told."""
        return {p.id: p.posture.upright for p in self._people.values() if p.known}
