"""From the steps of a scene to the windows of its pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.bodies import FINE, BodyVerdict
from dyadwatch.core.sense.sense_codes import Odd
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Blindness, Circumstance, Fault, PairEnd
from dyadwatch.stream.configuration.config import WindowOptions
from dyadwatch.stream.counters import Count
from dyadwatch.stream.items import Item, Keys, Pair, PairEnded, Window, WindowShape
from dyadwatch.stream.tracking.scene_tracker import SceneStep
from dyadwatch.stream.tracking.time_grid import TimeGrid
from dyadwatch.stream.windows.ring import TrackRing, fill_hidden
from dyadwatch.stream.windows.sightings import Sightings, Unseen

_SURELY_M = 0.001  # so far from a limit rounding decides nothing


class _Person(NamedTuple):
    """One track: its rows on the grid, and in which frames its joints were unseen."""

    ring: TrackRing
    sightings: Sightings


class PairWindows:
    """Cuts the windows of one scene.

    Arguments:
        source: its name.
        shape: what the model wants.
        options: the section `windows` of the configuration.
        leave_m: `pairs.leave_m`; a window that begins with the two farther apart is left out.
        max_gap: ns for which a partner's rows may come late.
        count: called with a reason for every window that cannot be used.

    Attributes:
        left_out_for: what was odd about the people of whom a window was left out last; None where none ever was.
    """

    def __init__(
        self, source: str, shape: WindowShape, options: WindowOptions, leave_m: float, max_gap: int, count: Count
    ) -> None:
        self._source = source
        self._shape = shape
        self._options = options
        self._leave_m = leave_m
        self._slack = int(max_gap / NS * shape.fps) + 2
        self._count = count
        self._grid = TimeGrid(shape.fps)
        self._people: dict[int, _Person] = {}
        self._next_end: dict[Keys, int] = {}
        self._windowed: set[Keys] = set()  # pairs whose newest window was of use
        self._cut_of: set[Keys] = set()  # pairs that windows were cut of
        self._hidden: dict[Keys, Finding[Blindness]] = {}
        self._odd: dict[Keys, Odd] = {}  # why the newest window of a pair is not scored
        self.left_out_for: Odd | None = None
        self._mapping: JointMap | None = None
        self._stamp = 0
        self._clock = "unix"

    @property
    def hidden_joint(self) -> Finding[Blindness] | None:
        """The joint for which the newest window of a pair was left out; None where no window was."""
        return next(reversed(self._hidden.values()), None)

    def flow(self, pairs: Sequence[Pair]) -> bool:
        """Whether the newest window of any of these pairs was of use."""
        return any(p.keys in self._windowed for p in pairs)

    def hidden(self, pairs: Sequence[Pair]) -> Finding[Blindness] | None:
        """The joint for which the newest window of the first of these pairs was left out that has one such."""
        return next((self._hidden[p.keys] for p in pairs if p.keys in self._hidden), None)

    def odd(self, pairs: Sequence[Pair]) -> Odd | None:
        """Why no window of these pairs is scored, for what their people look like; None where one is, or may be."""
        found = [self._odd.get(p.keys) for p in pairs]
        return found[0] if found and all(found) else None

    def take(self, step: SceneStep, arrived: int) -> list[Item]:
        """Takes up a step.

        Arguments:
            step: of the scene.
            arrived: monotonic ns at which the frame that led to it was received.

        Returns:
            The pairs it ends and the windows it completes, in order.
        """
        out = self._ends(step.ended) if step.ended else []
        if step.fresh:
            self._people.clear()
        for track in step.lost:
            self._people.pop(track.key, None)
        if step.frame is None:
            return out
        self._stamp, self._clock, self._mapping = step.frame.stamp, step.frame.clock, step.mapping
        for track, k, rows in step.rows:
            person = self._people.get(track.key)
            if person is None:
                person = self._people[track.key] = self._person()
            person.ring.extend(k, rows)
            person.sightings.stamps.append(track.stamp)
        for key, joints in step.unseen.items():
            self._people[key].sightings.hidden(joints)
        for track, mended in step.mended:
            self._people[track.key].ring.mend(*mended)
        for pair in step.pairs:
            out += self._cut(pair, step.verdicts.get(pair.keys, FINE), arrived)
        return out

    def _person(self) -> _Person:
        shape = self._shape
        ring = TrackRing(len(shape.layout), shape.frames, self._slack)
        return _Person(ring, Sightings((shape.frames + 2 * self._slack) / shape.fps))

    def _ends(self, pairs: Sequence[tuple[Pair, PairEnd]]) -> list[Item]:
        for pair, _ in pairs:
            self._next_end.pop(pair.keys, None)
            self._windowed.discard(pair.keys)
            self._hidden.pop(pair.keys, None)
            self._odd.pop(pair.keys, None)
        # Of a pair without windows nobody knows: its end would only wait behind those of others, and without a bound.
        known = [(pair, reason) for pair, reason in pairs if pair.keys in self._cut_of]
        self._cut_of -= {pair.keys for pair, _ in known}
        return [PairEnded(self._source, pair, self._stamp, self._clock, reason) for pair, reason in known]

    def _cut(self, pair: Pair, verdict: BodyVerdict, arrived: int) -> list[Item]:
        """The windows of a pair that are complete by now: their ends lie on multiples of the hop."""
        people = self._people[pair.keys[0]], self._people[pair.keys[1]]
        a, b = people[0].ring, people[1].ring
        end, last = self._next_end.get(pair.keys, 0), min(a.last, b.last)
        if end > last:  # as mostly
            return []
        hop, frames = self._options.hop, self._shape.frames
        begun = max(a.first, b.first)  # from here on both are seen
        earliest = max(begun + frames - self._shape.lead - 1, a.oldest_end, b.oldest_end)
        end = max(end, -(-earliest // hop) * hop)
        out: list[Item] = []
        while end <= last:
            joints = np.empty((2, frames, len(self._shape.layout), 3), np.float32)
            joints[0], joints[1] = a.window(end), b.window(end)
            lead = max(0, begun - (end - frames + 1))
            if lead:
                joints[:, :lead] = joints[:, lead : lead + 1]
            start, stamp = self._grid.stamp(end - frames + 1 + lead), self._grid.stamp(end)
            if self._begins_far(joints[:, 0]) or self._is_odd(pair, verdict, start):
                end += hop
                continue
            unseen = [self._unseen(p, start, stamp) for p in people]
            if not any(u and u.too_much(self._options.max_hidden) for u in unseen) and fill_hidden(joints):
                window = Window(self._source, pair, start, stamp, joints, self._clock, arrived, verdict.doubts)
                out.append(window)
                self._windowed.add(pair.keys)
                self._cut_of.add(pair.keys)
                self._hidden.pop(pair.keys, None)
            else:
                self._count(Circumstance.JOINTS_HIDDEN)
                self._hidden[pair.keys] = self._most_hidden(pair, unseen)
                self._windowed.discard(pair.keys)
            end += hop
        self._next_end[pair.keys] = end
        return out

    def _is_odd(self, pair: Pair, verdict: BodyVerdict, start: int) -> bool:
        """Counts a window that is not to be scored for what is odd about its people; returns whether anything is."""
        odd = None if verdict is FINE else verdict.at(start)
        if odd is None:
            self._odd.pop(pair.keys, None)
            return False
        self._odd[pair.keys] = self.left_out_for = odd
        self._windowed.discard(pair.keys)
        self._count(Fault(odd.code))
        return True

    def _unseen(self, person: _Person, start: int, stop: int) -> Unseen | None:
        unseen = person.sightings.within(start, stop)
        return unseen if unseen is None or self._mapping is None else unseen.without(self._mapping.implied)

    def _most_hidden(self, pair: Pair, unseen: list[Unseen | None]) -> Finding[Blindness]:
        """The joint unseen in most frames of a window, of whom, and what it is derived from."""
        names, part = self._shape.layout.joints, np.zeros((2, len(self._shape.layout)))
        for person, of in enumerate(unseen):
            if of is not None:
                part[person] = of.frames / of.of
        person, joint = divmod(int(part.argmax()), part.shape[1])
        name = names[joint]
        derived_from: tuple[str, ...] = ()
        if self._mapping is not None:
            both: list[int] = self._mapping.pairs[joint].tolist()
            sent = tuple(dict.fromkeys(self._mapping.source.joints[i] for i in both))
            derived_from = () if sent[0] == name else sent
        return Finding(Blindness.JOINTS_HIDDEN, joint=name, person=pair.ids[person], derived_from=derived_from)

    def _begins_far(self, first: NDArray[np.float32]) -> bool:
        """Whether a window still holds the time before the two were near: no model was taught what is normal there.

        Arguments:
            first: where the two are at its beginning, metres, shape (2, J, 3), NaN where unseen.
        """
        places = np.add.reduce(first, axis=1) / first.shape[1]
        (x, _, z), (u, _, w) = places.tolist()
        far = math.hypot(x - u, z - w) - self._leave_m
        if abs(far) > _SURELY_M:  # as nearly always; False where there is a NaN
            return far > 0
        if np.isnan(places).any():
            seen = [person[~np.isnan(person[:, 0])] for person in first]
            if not (len(seen[0]) and len(seen[1])):
                return False  # hidden at the start; whether too much is hidden is judged with the whole window
            places = [person.mean(axis=0) for person in seen]
        step = places[0] - places[1]
        return float(np.hypot(step[0], step[2])) > self._leave_m
