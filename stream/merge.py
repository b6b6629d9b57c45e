"""Several sources that see one place, watched as one: a station between tracks and pairs.

Each source keeps its own clock and tracks. What its tracks show goes onto the model's grid of time, and a point of the
grid is taken up once every source has come so far, or is too far behind to be waited for. `Fusion` makes persons of
what is seen at that point, and a line of the group's own makes pairs and windows of them.

All is decided by stamps and the order of frames, as everywhere before the alarms; never by the receiver's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.finding import Finding
from dyadwatch.core.pose import PoseFrame
from dyadwatch.stream.abreast import Abreast
from dyadwatch.stream.clock import Ordered
from dyadwatch.stream.codes import Blindness, Fault, MergeState, PairEnd
from dyadwatch.stream.config import Config
from dyadwatch.stream.counters import Count
from dyadwatch.stream.fusion import Fusion, Sighting
from dyadwatch.stream.grid import Resampler, TimeGrid
from dyadwatch.stream.line import Item, SourceLine, WindowShape
from dyadwatch.stream.tracks import Seen

_NS = 1_000_000_000
_REJOIN = 0.8  # part of the tolerance within which clocks must come before sources that were apart are merged
_GONE_NS = _NS  # a source that sends nothing while others go on for so long has no say in what time it is

L = TypeVar("L")
CountFor = Callable[[str], Count]
NewLine = Callable[[str, WindowShape, Config, Count, "Group"], L]


class MemberLine(SourceLine):
    """The stations of a source that belongs to a group; while it is kept apart, a line like any other.

    Attributes:
        apart: why its people are not merged with those of the group just now; None while they are.
        domain: name of the clock of what it sends.
    """

    def __init__(self, source: str, shape: WindowShape, config: Config, count: Count, group: Group) -> None:
        super().__init__(source, shape, config, count)
        self.group = group
        self.apart: Finding[MergeState] | None = None
        self.offset = round(config.merge.offset_s.get(source, 0.0) * _NS)
        self.declared = source in config.merge.offset_s
        self._samplers: dict[int, Resampler] = {}
        self._epoch: int | None = None
        self.domain = "unix"

    @property
    def heard(self) -> bool:
        """Whether any frame came."""
        return self._epoch is not None

    @property
    def blind(self) -> Finding[Blindness] | None:
        """As for any line; but a source that is merged needs no two people of its own."""
        if not self.heard:
            return Finding(Blindness.NOT_HEARD)
        if self.order.trouble is not None:
            return self.order.trouble
        reason = super().blind
        decides = self.apart is not None or self._unfit is not None or self.people == 0 or self._blinding is not None
        return reason if decides else None

    def push(self, frame: PoseFrame, arrived: int) -> list[Item]:
        """Takes a frame as received; returns what it leads to here and in the group, in order."""
        out: list[Item] = []
        if self._epoch is None or frame.epoch >= self._epoch:
            if frame.epoch != self._epoch:
                self.group.abreast.forget(self.source)
            self._epoch, self.domain = frame.epoch, frame.clock
            out = self.group.compare(self, frame.stamp + self.offset, arrived)
        out += super().push(frame, arrived)
        epoch = self.order.epoch
        if epoch is not None and self._epoch is not None and epoch < self._epoch:
            self.group.abreast.forget(self.source)  # an earlier run was taken up again
            self._epoch = epoch
        return out

    @property
    def merge(self) -> Finding[MergeState]:
        """Where its people go."""
        return self.apart or Finding(MergeState.MERGED, group=self.group.name)

    def part(self, why: Finding[MergeState] | None) -> list[Item]:
        """Goes its own way from now on, and says why; or, for None, with the group again. Ends its own pairs."""
        if why is not None:
            self._count(Fault.CLOCKS_APART)
        self.apart = why
        return self._restart(PairEnd.MERGED)

    def _restart(self, reason: PairEnd) -> list[Item]:
        self._samplers.clear()
        self.group.gone(self.source)
        return super()._restart(reason)

    def _advance(self, frame: PoseFrame, arrived: int) -> list[Item]:
        if self.apart is not None:
            return super()._advance(frame, arrived)
        observed = self._observe(frame)
        if observed is None:
            return []
        seen, lost = observed
        for track in lost:
            self._samplers.pop(track.key, None)
        self.stamp, self.clock, self.people = frame.stamp, frame.clock, len(seen)
        stamp = frame.stamp + self.offset
        if not self.group.take(self.source, stamp):
            self._count(Fault.MERGE_LATE)
        for one in seen:
            odd = self.sense.of_person(one.track.key)
            if odd is None:
                self._resample(one, stamp)
            else:
                self._last_odd = odd
                self._count(Fault(odd.code))
        return self.group.advance(arrived)

    def _resample(self, seen: Seen, stamp: int) -> None:
        sampler = self._samplers.get(seen.track.key)
        if sampler is None:
            sampler = self._samplers[seen.track.key] = Resampler(self._grid, self._max_gap)
        sample = np.concatenate((seen.joints, seen.confidence[:, None]), axis=1)
        first, rows = sampler.push(stamp, sample)
        for k, row in enumerate(rows, first):
            self.group.put(k, Sighting(self.source, seen.track.key), row)


class GroupLine(SourceLine):
    """The stations of a group after its sources have become one."""

    def __init__(self, source: str, shape: WindowShape, config: Config, count: Count, group: Group) -> None:
        super().__init__(source, shape, config, count)
        self.group = group

    def push(self, frame: PoseFrame, arrived: int) -> list[Item]:
        """Refuses a frame: the name belongs to the group."""
        self._count(Fault.GROUP_NAME)
        return []

    @property
    def merge(self) -> Finding[MergeState]:
        """Who is merged just now."""
        return self.group.summary

    @property
    def blind(self) -> Finding[Blindness] | None:
        """As for any line."""
        heard = any(m.heard for m in self.group.members.values())
        return super().blind if heard else Finding(Blindness.GROUP_NOT_HEARD)

    def fused(self, frame: PoseFrame, restart: PairEnd | None, arrived: int) -> list[Item]:
        """Takes the persons of one point of the grid."""
        return self._take([Ordered(frame, restart)], arrived)

    def finish(self, arrived: int, reason: PairEnd = PairEnd.END_OF_STREAM) -> list[Item]:
        """Takes up what still waits and ends all pairs."""
        out = self.group.flush(arrived)
        return out + super().finish(arrived, reason)


class Group:
    """Sources that see one place.

    Arguments:
        name: what its events carry as their source.
        shape: what the model wants.
        config: the whole configuration; the group stands in its section `merge`.
        count: makes for a source what is called with a reason for everything that is dropped.
        new_member, new_line: make the lines; others than these put what is seen to another use than windows.

    Attributes:
        members: lines of its sources by name, in the order of the configuration.
        line: of the group itself.
        abreast: compares the clocks.
    """

    def __init__(
        self,
        name: str,
        shape: WindowShape,
        config: Config,
        count: CountFor,
        new_member: NewLine[MemberLine] = MemberLine,
        new_line: NewLine[GroupLine] = GroupLine,
    ) -> None:
        self.name = name
        self._new_member = new_member
        sources = config.merge.groups[name]
        self._shape, self._config, self._count = shape, config, count
        self._tolerance = round(config.merge.tolerance_s * _NS)
        self._wait = round(config.merge.wait_s * _NS)
        self._grid = TimeGrid(shape.fps)
        max_gap_s = min(config.clock.max_gap_s, config.tracks.max_gap_s)
        self._fusion = Fusion(tuple(sources), config.merge.gate_m, shape.fps, max_gap_s, len(shape.layout))
        self.abreast = Abreast(sources)
        self.members = {s: new_member(s, shape, config, count(s), self) for s in sources}
        self.line = new_line(name, shape, config, count(name), self)
        self._last: dict[str, int] = {}  # source -> stamp of its last frame, on the group's clock
        self._quiet: dict[str, dict[str, int]] = {s: {} for s in sources}  # others' stamps when last it was heard
        self._waiting: dict[int, dict[Sighting, NDArray[np.float32]]] = {}
        self._next: int | None = None  # the point of the grid that is taken up next; None before the first
        self._begun: int | None = None  # stamp of the first frame
        self._seq = 0
        self._restart: PairEnd | None = None
        self._domain = "unix"  # name of the group's clock; outlives the sources that told it

    def renew(self, source: str) -> MemberLine:
        """A fresh line for a source that was given up."""
        self.abreast.forget(source)
        line = self._new_member(source, self._shape, self._config, self._count(source), self)
        self.members[source] = line
        return line

    @property
    def summary(self) -> Finding[MergeState]:
        """Who is merged just now."""
        merged = [m.source for m in self.members.values() if m.heard and m.apart is None]
        return Finding(
            MergeState.GROUP,
            merged=len(merged),
            sources=len(self.members),
            shared=self._fusion.shared,
            people=self.line.people,
        )

    def compare(self, member: MemberLine, stamp: int, arrived: int) -> list[Item]:
        """Compares the clock of a source that was just heard with the others'; parts and joins sources by it."""
        out: list[Item] = []
        reference = self._reference
        self._domain = reference.domain
        fresh = self.abreast.heard(member.source, stamp)
        others = self.members.values() if member is reference else [member]
        for m in others:
            if m is reference:
                why = None
            elif m.heard and (m.source in fresh or reference.source in fresh or m.domain != reference.domain):
                why = self._why_apart(m, reference)
            else:
                continue
            if (why is None) != (m.apart is None):
                out += self._part(m, why, arrived)
            m.apart = why
        return out

    @property
    def _reference(self) -> MemberLine:
        """The source on whose clock the group is: the first in the configuration that was ever heard."""
        return next(m for m in self.members.values() if m.heard)

    def _why_apart(self, member: MemberLine, reference: MemberLine) -> Finding[MergeState] | None:
        if member.domain != reference.domain and not member.declared:
            return Finding(
                MergeState.OTHER_CLOCK,
                clock=member.domain,
                reference=reference.source,
                reference_clock=reference.domain,
            )
        ahead = self.abreast.ahead(member.source, reference.source)
        tolerance = self._tolerance * (1.0 if member.apart is None else _REJOIN)
        if ahead is None:
            return member.apart
        if abs(ahead) <= tolerance:
            return None
        return Finding(
            MergeState.STAMPS_APART,
            ahead_s=ahead / _NS,
            reference=reference.source,
            tolerance_s=self._tolerance / _NS,
        )

    def _part(self, member: MemberLine, why: Finding[MergeState] | None, arrived: int) -> list[Item]:
        out = member.part(why)
        if why is not None:
            # What was merged before this was known held two moments in one.
            self._begin()
            self._restart = PairEnd.MERGE_CHANGED
        return out

    def put(self, k: int, sighting: Sighting, row: NDArray[np.float32]) -> None:
        """Keeps what a source shows at a point of the grid until it is taken up; what comes too late is left out."""
        if self._next is None or k >= self._next:
            self._waiting.setdefault(k, {})[sighting] = row

    def gone(self, source: str) -> None:
        """The source has no say any more in what time it is, until it is heard again."""
        self._last.pop(source, None)
        self._quiet[source].clear()
        for stamps in self._quiet.values():
            stamps.pop(source, None)

    def take(self, source: str, stamp: int) -> bool:
        """Takes note of how far a source has come; returns whether that is still of use."""
        # The least: a source that begins anew with earlier stamps must not be waited for until it is where it was.
        self._begun = stamp if self._begun is None else min(self._begun, stamp)
        self._last[source] = stamp
        self._quiet[source].clear()
        for other, stamps in self._quiet.items():
            if other != source and stamp - stamps.setdefault(source, stamp) > _GONE_NS:
                self._last.pop(other, None)
        if self._next is None:
            return True
        if max(self._last.values()) < self._grid.stamp(self._next - 1) - self._wait:
            # All who are left are far behind where the group was: their clocks stepped back.
            self._begin()
            self._begun = stamp
            self._restart = PairEnd.CLOCK_STEP
            return True
        return self._grid.at_or_after(stamp) >= self._next

    def advance(self, arrived: int) -> list[Item]:
        """Takes up every point of the grid that all sources have reached."""
        newest = max(self._last.values())
        if self._next is None and self._begun is not None and newest - self._begun <= self._wait and self._awaits():
            return []  # at the beginning it must not matter who comes first
        horizon = min(stamp for stamp in self._last.values() if newest - stamp <= self._wait)
        last = self._grid.at_or_after(horizon + 1) - 1
        return self._take_up(last, arrived)

    def _awaits(self) -> bool:
        return any(m.apart is None and m.source not in self._last for m in self.members.values())

    def flush(self, arrived: int) -> list[Item]:
        """Takes up all that waits, at the end."""
        out = self._take_up(max(self._waiting), arrived) if self._waiting else []
        self._begin()
        self._last.clear()
        return out

    def _begin(self) -> None:
        self._fusion.clear()
        self._waiting.clear()
        self._next = self._begun = None

    def _take_up(self, last: int, arrived: int) -> list[Item]:
        out: list[Item] = []
        if self._next is not None and last < self._next:
            return out
        layout, clock = self._shape.layout, self._domain
        for k in sorted({*(k for k in self._waiting if k <= last), last}):
            ids, joints, confidence = self._fusion.step(k, self._waiting.pop(k, {}))
            stamp = self._grid.stamp(k)
            frame = PoseFrame(self.name, 0, self._seq, stamp, clock, layout, joints, confidence, ids)
            self._seq += 1
            out += self.line.fused(frame, self._restart, arrived)
            self._restart = None
        self._next = last + 1
        return out
