"""Several sources that see one place, watched as one.

Each source keeps its own order and tracks. What its tracks show goes onto a common grid of time; of what is seen at a
point of it `Fusion` makes persons, who are a scene of the group's own. A source whose clock does not agree with the
others' is kept apart: its people are a scene by themselves.

All is decided by stamps and the order of frames, as everywhere before the alarms; never by the receiver's clock. Calls
go one way: group -> members, common grid, fusion, scenes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.sense_codes import Odd
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Fault, MergeState, PairEnd
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.counters import Count
from dyadwatch.stream.merging.common_grid import CommonGrid, Point, Reached
from dyadwatch.stream.merging.fusion import Fusion, GroupSighting
from dyadwatch.stream.merging.stamp_skew import StampSkew
from dyadwatch.stream.tracking.scene_tracker import Samplers, SceneStep, SceneTracker

_REJOIN = 0.8  # part of the tolerance within which clocks must come before sources that were apart are merged

CountFor = Callable[[str], Count]


class GroupMember:
    """A source of a group.

    Attributes:
        scene: its own order and tracks; its pairs only while it is kept apart.
        samplers: its tracks on the common grid, joints and confidence, while it is merged.
        count: called with a reason for everything that is dropped.
        apart: why its people are not merged with those of the group now; None while they are.
        offset: ns by which its stamps are put forward, as declared.
        declared: whether an offset is.
        epoch: of its newest run; None while nothing was heard.
        domain: name of the clock of what it sends.
        left_out_for: why somebody of its people was not merged last, for what they look like.
    """

    def __init__(self, scene: SceneTracker, count: Count, offset_s: float | None) -> None:
        self.scene = scene
        # What one source does not see another may, and points once taken up cannot be mended: no joint is bridged.
        self.samplers = Samplers(scene.grid, scene.max_gap, bridges=False)
        self.count = count
        self.apart: Finding[MergeState] | None = None
        self.offset = round((offset_s or 0.0) * NS)
        self.declared = offset_s is not None
        self.epoch: int | None = None
        self.domain = "unix"
        self.left_out_for: Odd | None = None

    @property
    def source(self) -> str:
        """Its name."""
        return self.scene.source

    @property
    def heard(self) -> bool:
        """Whether any frame came."""
        return self.epoch is not None


class Group:
    """Sources that see one place.

    Frames of all of them go in, steps of scenes come out: the group's, and those of sources that are kept apart.

    Arguments:
        name: what its scene is called.
        config: the whole configuration; the group stands in its section `merge`.
        fps: points of the grid a second.
        layout: the joints of the group.
        count: makes for a source what is called with a reason for everything that is dropped.
        own_layout: the joints of sources that are kept apart; None takes them as they are sent.

    Attributes:
        scene: of the persons of all.
        members: its sources by name, in the order of the configuration.
    """

    def __init__(
        self, name: str, config: Config, fps: float, layout: Layout, count: CountFor, own_layout: Layout | None
    ) -> None:
        self.name = name
        sources = config.merge.groups[name]
        self._config, self._fps, self._layout, self._own_layout = config, fps, layout, own_layout
        self._count = count
        self._tolerance = round(config.merge.tolerance_s * NS)
        self.scene = SceneTracker(name, config, fps, count(name), layout)
        max_gap_s = min(config.clock.max_gap_s, config.tracks.max_gap_s)
        self._fusion = Fusion(tuple(sources), config.merge.gate_m, fps, max_gap_s, len(layout))
        self._common = CommonGrid(sources, self.scene.grid, round(config.merge.wait_s * NS))
        self._abreast = StampSkew(sources)
        self.members = {source: self._new_member(source) for source in sources}
        self._seq = 0
        self._restart: PairEnd | None = None
        self._domain = "unix"  # name of the group's clock; outlives the sources that told it

    def _new_member(self, source: str) -> GroupMember:
        count = self._count(source)
        scene = SceneTracker(source, self._config, self._fps, count, self._layout)
        return GroupMember(scene, count, self._config.merge.offset_s.get(source))

    @property
    def heard(self) -> bool:
        """Whether any frame of any source came."""
        return any(m.heard for m in self.members.values())

    @property
    def waiting(self) -> int:
        """Points of the grid that wait until all sources have come so far."""
        return self._common.waiting

    @property
    def summary(self) -> Finding[MergeState]:
        """Who is merged now."""
        merged = [m for m in self.members.values() if m.heard and m.apart is None]
        return Finding(
            MergeState.GROUP,
            merged=len(merged),
            sources=len(self.members),
            shared=self._fusion.shared,
            people=self.scene.people,
        )

    def push(self, frame: PoseFrame) -> list[SceneStep]:
        """Takes a frame as received, of any of its sources; returns the steps it leads to, in order."""
        if frame.source == self.name:  # the name belongs to the group
            self._count(self.name)(Fault.GROUP_NAME)
            return []
        member, out = self.members[frame.source], list[SceneStep]()
        if member.epoch is None or frame.epoch >= member.epoch:
            if frame.epoch != member.epoch:
                self._abreast.forget(frame.source)
            member.epoch, member.domain = frame.epoch, frame.clock
            out = self._compare(member, frame.stamp + member.offset)
        for f, restart in member.scene.order.push(frame):
            out += self._take(member, f, restart)
        epoch = member.scene.order.epoch
        if epoch is not None and epoch < member.epoch:
            self._abreast.forget(frame.source)  # an earlier run was taken up again
            member.epoch = epoch
        return out

    def give_up(self, source: str, reason: PairEnd) -> list[SceneStep]:
        """Ends a source, which begins anew when it is heard again, or, by its name, the scene of the group."""
        if source == self.name:
            return self._end_scene(reason)
        out = self._finish(self.members[source], reason)
        self.renew(source)
        return out

    def renew(self, source: str) -> None:
        """Begins a source anew, without what it was."""
        self._abreast.forget(source)
        self.members[source] = self._new_member(source)

    def finish(self, reason: PairEnd = PairEnd.END_OF_STREAM) -> list[SceneStep]:
        """Releases what is held back of all sources and ends all pairs."""
        out = [step for member in self.members.values() for step in self._finish(member, reason)]
        return out + self._end_scene(reason)

    def _end_scene(self, reason: PairEnd) -> list[SceneStep]:
        out = self._fuse(self._common.rest())
        self._fusion.clear()
        return [*out, *self.scene.finish(reason)]

    def _finish(self, member: GroupMember, reason: PairEnd) -> list[SceneStep]:
        out = [step for f, restart in member.scene.order.finish() for step in self._take(member, f, restart)]
        return [*out, self._end(member, reason)]

    def _end(self, member: GroupMember, reason: PairEnd) -> SceneStep:
        """Ends a source's own pairs and tracks; it is waited for no more until it is heard."""
        member.samplers.clear()
        self._common.gone(member.source)
        return member.scene.end(reason)

    def _take(self, member: GroupMember, frame: PoseFrame, restart: PairEnd | None) -> list[SceneStep]:
        """Takes a frame of a source in its turn."""
        out: list[SceneStep] = []
        if restart is not None:
            out.append(self._end(member, restart))
        if member.apart is not None:
            return [*out, member.scene.take(frame)]
        observed = member.scene.observe(frame)
        if observed is None:
            return out
        seen, lost = observed
        member.samplers.drop(lost)
        stamp = frame.stamp + member.offset
        match self._common.reach(member.source, stamp):
            case Reached.LATE:
                member.count(Fault.MERGE_LATE)
            case Reached.STEPPED_BACK:
                self._fusion.clear()
                self._restart = PairEnd.CLOCK_STEP
            case Reached.IN_TIME:
                pass
        for one in seen:
            odd = member.scene.sense.of_person(one.track.key)
            if odd is not None:
                member.left_out_for = odd
                member.count(Fault(odd.code))
                continue
            sample = np.concatenate((one.joints, one.confidence[:, None]), axis=1)
            first, rows = member.samplers.push(one.track, stamp, sample, one.whole)
            for k, row in enumerate(rows, first):
                self._common.put(k, GroupSighting(member.source, one.track.key), row)
        merged = (m.source for m in self.members.values() if m.apart is None)
        return out + self._fuse(self._common.ready(merged))

    def _fuse(self, points: Sequence[Point]) -> list[SceneStep]:
        """Takes up points of the grid."""
        out: list[SceneStep] = []
        for k, rows in points:
            ids, joints, confidence = self._fusion.step(k, rows)
            stamp = self.scene.grid.stamp(k)
            frame = PoseFrame(self.name, 0, self._seq, stamp, self._domain, self._layout, joints, confidence, ids)
            self._seq += 1
            out.append(self.scene.take(frame, self._restart))
            self._restart = None
        return out

    def _compare(self, member: GroupMember, stamp: int) -> list[SceneStep]:
        """Compares the clock of a source that was just heard with the others'; parts and joins sources by it."""
        out: list[SceneStep] = []
        reference = next(m for m in self.members.values() if m.heard)  # on whose clock the group is
        self._domain = reference.domain
        fresh = self._abreast.heard(member.source, stamp)
        others = self.members.values() if member is reference else [member]
        for m in others:
            if m is reference:
                why = None
            elif m.heard and (m.source in fresh or reference.source in fresh or m.domain != reference.domain):
                why = self._why_apart(m, reference)
            else:
                continue
            if (why is None) != (m.apart is None):
                out.append(self._part(m, why))
            m.apart = why
        return out

    def _why_apart(self, member: GroupMember, reference: GroupMember) -> Finding[MergeState] | None:
        if member.domain != reference.domain and not member.declared:
            return Finding(
                MergeState.OTHER_CLOCK,
                clock=member.domain,
                reference=reference.source,
                reference_clock=reference.domain,
            )
        ahead = self._abreast.ahead(member.source, reference.source)
        tolerance = self._tolerance * (1.0 if member.apart is None else _REJOIN)
        if ahead is None:
            return member.apart
        if abs(ahead) <= tolerance:
            return None
        return Finding(
            MergeState.STAMPS_APART,
            ahead_s=ahead / NS,
            reference=reference.source,
            tolerance_s=self._tolerance / NS,
        )

    def _part(self, member: GroupMember, why: Finding[MergeState] | None) -> SceneStep:
        """Detaches a source from the group, or, for None, joins it to the group again; ends its own pairs."""
        if why is not None:
            member.count(Fault.CLOCKS_APART)
        step = self._end(member, PairEnd.MERGED)
        member.scene.map_to(self._layout if why is None else self._own_layout)
        if why is not None:
            # What was merged before this was known held two moments in one.
            self._common.begin()
            self._fusion.clear()
            self._restart = PairEnd.MERGE_CHANGED
        return step
