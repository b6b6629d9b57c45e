"""Who is in a scene, who is near whom, and where everybody was at every point of the time grid.

A `SceneTracker` takes the frames of one source as they come: order -> tracks -> pairs, and people on the grid. It needs
no model and cuts no windows. What it finds are steps, one a frame; windows (`pair_windows`), clips and pictures are
made of them.

Identity comes before the time grid (see docs/architecture.md): to interpolate between two frames one must know who
is who in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.bodies import BodySense, BodyVerdict
from dyadwatch.core.sense.sense_codes import Odd
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Blindness, Circumstance, Fault, PairEnd
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.counters import Count, bulk_count
from dyadwatch.stream.items import Keys, Pair
from dyadwatch.stream.tracking.pair_gate import PairGate
from dyadwatch.stream.tracking.reorder import ReorderBuffer
from dyadwatch.stream.tracking.time_grid import Mended, Resampler, TimeGrid
from dyadwatch.stream.tracking.tracks import SeenPerson, Track, Tracker

_NOTHING: Mapping[int, NDArray[np.bool_]] = MappingProxyType({})


class Rows(NamedTuple):
    """A track at the points k .. k+n-1 of the grid: metres, shape (n, J, 3), NaN where unseen; n may be 0."""

    track: Track
    k: int
    joints: NDArray[np.float32]


class SceneStep(NamedTuple):
    """What one frame, or an end, brings, to be taken up in the order of the fields.

    Arguments:
        source: whose scene it is.
        ended: pairs that ended since the step before, and why.
        fresh: nothing after this may be joined to what was before it: all tracks begin anew.
        lost: tracks that will not come again.
        frame: the frame in its turn; None at an end, and where its joints do not fit.
        rows: of everybody in the frame, the points of the grid between their last sighting and this one.
        unseen: by key of the tracks of which a joint is unseen in this frame, which joints (J,).
        mended: by track, what this frame tells of joints that were unseen in rows given out before.
        pairs: who is near whom by now.
        mapping: from the frame's joints to those of the rows; None where they are the same.
        verdicts: on pairs whose bodies are odd, by their keys.
    """

    source: str
    ended: Sequence[tuple[Pair, PairEnd]]
    fresh: bool = False
    lost: Sequence[Track] = ()
    frame: PoseFrame | None = None
    rows: Sequence[Rows] = ()
    unseen: Mapping[int, NDArray[np.bool_]] = _NOTHING
    mended: Sequence[tuple[Track, Mended]] = ()
    pairs: Sequence[Pair] = ()
    mapping: JointMap | None = None
    verdicts: Mapping[Keys, BodyVerdict] = MappingProxyType({})


class Samplers:
    """The tracks of a scene on the time grid.

    Arguments:
        grid: the points.
        max_gap: ns; across a longer silence of a track nothing is interpolated.
        bridges: whether joints move between their own sightings, see `Resampler`.

    Attributes:
        unseen, mended: of the samples since `begin`, see `SceneStep`.
    """

    def __init__(self, grid: TimeGrid, max_gap: int, *, bridges: bool = True) -> None:
        self._grid = grid
        self._max_gap = max_gap
        self._bridges = bridges
        self._of: dict[int, Resampler] = {}
        self.begin()

    def begin(self) -> None:
        """The samples of the next frame follow."""
        # Steps keep these: they are replaced, never changed.
        self.unseen: Mapping[int, NDArray[np.bool_]] = _NOTHING
        self.mended: tuple[tuple[Track, Mended], ...] = ()

    def push(
        self, track: Track, stamp: int, sample: NDArray[np.float32], whole: bool = False
    ) -> tuple[int, NDArray[np.float32]]:
        """Takes a sample (J, C) of a track; returns (k, rows) as `Resampler.push` does."""
        sampler = self._of.get(track.key)
        if sampler is None:
            sampler = self._of[track.key] = Resampler(self._grid, self._max_gap, bridges=self._bridges)
        rows = sampler.push(stamp, sample, whole)
        if sampler.unseen is not None:
            self.unseen = {**self.unseen, track.key: sampler.unseen}
        if sampler.mended:
            self.mended += tuple((track, mended) for mended in sampler.mended)
        return rows

    def drop(self, lost: Sequence[Track]) -> None:
        """Forgets tracks."""
        for track in lost:
            self._of.pop(track.key, None)

    def clear(self) -> None:
        """Forgets all tracks."""
        self._of.clear()


class SceneTracker:
    """The scene of one source. Deterministic: what comes out depends on the frames and their order alone.

    Arguments:
        source: its name.
        config: of it the sections clock, tracks, pairs and sense are used.
        fps: points of the grid a second.
        count: called with a reason for everything that is dropped.
        layout: the joints wanted; None takes them as they are sent, and begins anew where they change.

    Attributes:
        order, tracker, gate, sense: the stations, open to view for status and measurement.
        grid: the time grid.
        max_gap: ns; a person unseen for longer is not followed.
        frames: how many were of use.
        people: in the last of them.
        stamp, clock: of the last of them.
        latest: that frame, and who was seen in it; None before the first.
    """

    def __init__(self, source: str, config: Config, fps: float, count: Count, layout: Layout | None = None) -> None:
        self.source = source
        self._count = count
        self._layout = layout
        self.order = ReorderBuffer(config.clock, count)
        self.tracker = Tracker(config.tracks, count)
        self.gate = PairGate(config.pairs, count)
        self.sense = BodySense(config.sense.ignore)
        self._min_confidence = config.tracks.min_confidence
        self._seen: tuple[int, ...] = ()  # keys of who is in view
        self.grid = TimeGrid(fps)
        self.max_gap = round(min(config.clock.max_gap_s, config.tracks.max_gap_s) * NS)
        self._samplers = Samplers(self.grid, self.max_gap)
        self._map: JointMap | None = None
        self._sent: Layout | None = None
        self._unfit: Finding[Blindness] | None = None
        self._begins = True
        self.frames = 0
        self.people = 0
        self.stamp = 0
        self.clock = "unix"
        self.latest: tuple[PoseFrame, Sequence[SeenPerson]] | None = None

    @property
    def open_pairs(self) -> Sequence[Pair]:
        """The pairs that are near each other."""
        return self.gate.open

    @property
    def pair_count(self) -> int:
        """How many pairs are near each other."""
        return len(self.gate.open)

    @property
    def unfit(self) -> Finding[Blindness] | None:
        """Why the joints that come are not those wanted; None where they are."""
        return self._unfit

    @property
    def odd(self) -> tuple[Odd, ...]:
        """What is odd about the bodies in view, whether it blinds or is merely doubtful."""
        return self.sense.findings(self._seen) if self._unfit is None else ()

    @property
    def blinding(self) -> Odd | None:
        """What is odd about everybody in view, so that nobody can be scored; None where somebody can."""
        return self.sense.blinding(self._seen)

    @property
    def refuses(self) -> bool:
        """Whether none of the frames that come now is used."""
        return self._unfit is not None or self.order.trouble is not None

    def push(self, frame: PoseFrame) -> list[SceneStep]:
        """Takes a frame as received; returns a step for each whose turn it is."""
        return [self.take(f, restart) for f, restart in self.order.push(frame)]

    def finish(self, reason: PairEnd = PairEnd.END_OF_STREAM) -> list[SceneStep]:
        """Releases what is held back for order, and ends."""
        return [self.take(f, restart) for f, restart in self.order.finish()] + [self.end(reason)]

    def end(self, reason: PairEnd) -> SceneStep:
        """Ends all pairs and forgets all tracks: what comes next is not joined to what came."""
        ended = self.gate.clear(reason)
        self.tracker.clear()
        self.sense.clear()
        self._samplers.clear()
        self._begins = True
        return SceneStep(self.source, ended, fresh=True)

    def map_to(self, layout: Layout | None) -> None:
        """Maps joints onto another layout from now on; None takes them as sent. Call only after `end`."""
        if layout is not self._layout:
            self._layout, self._map, self._unfit = layout, None, None

    def take(self, frame: PoseFrame, restart: PairEnd | None = None) -> SceneStep:
        """Takes a frame in its turn; `restart` says that nothing before may be joined to it, and why."""
        ended: list[tuple[Pair, PairEnd]] = []
        if restart is None and self._layout is None and frame.layout is not self._sent and not self._begins:
            restart = PairEnd.SOURCE_RESTART
        if restart is not None:
            ended += self.end(restart).ended
        observed = self.observe(frame)
        if observed is None:
            return SceneStep(self.source, ended, fresh=self._begins)
        seen, lost = observed
        fresh, self._begins = self._begins, False
        ended += self.gate.update(self.tracker.alive)
        self._samplers.drop(lost)
        samplers = self._samplers
        samplers.begin()
        rows = [Rows(s.track, *samplers.push(s.track, s.track.stamp, s.joints, s.whole)) for s in seen]
        pairs = self.open_pairs
        return SceneStep(
            source=self.source,
            ended=ended,
            fresh=fresh,
            lost=lost,
            frame=frame,
            rows=rows,
            unseen=samplers.unseen,
            mended=samplers.mended,
            pairs=pairs,
            mapping=self._map,
            verdicts=self.sense.verdicts(pair.keys for pair in pairs),
        )

    def observe(self, frame: PoseFrame) -> tuple[list[SeenPerson], list[Track]] | None:
        """Who is in a frame, and who was lost before it; None when its joints do not fit. A part of `take`."""
        self._sent = frame.layout
        joints, confidence = frame.joints, frame.confidence
        if self._layout is not None:
            mapping = self._mapping(frame.layout, self._layout)
            if mapping is None:
                self._count(Fault.LAYOUT_UNFIT)
                return None
            joints, confidence = mapping.positions(joints), mapping.confidence(confidence)
        self.frames += 1
        if frame.zeros:
            bulk_count(self._count, Circumstance.ZEROS_UNSEEN, frame.zeros)
        seen, lost = self.tracker.push(frame, joints, confidence)
        self.stamp, self.clock, self.people = frame.stamp, frame.clock, len(seen)
        self.latest = frame, seen
        self._look(frame, seen, lost)
        return seen, lost

    def _look(self, frame: PoseFrame, seen: list[SeenPerson], lost: list[Track]) -> None:
        """Has the bodies judged, by all joints that the source sends; those that are hardly seen count as unseen."""
        if lost:
            self.sense.lost([track.key for track in lost])
        self._seen = tuple(s.track.key for s in seen)
        if not seen or not self.sense.looks:
            return
        joints, rows = frame.joints, [s.row for s in seen]
        if frame.confidence.min() < self._min_confidence:
            weak = frame.confidence < self._min_confidence
            joints = np.where(weak[..., None], np.float32(np.nan), joints)
        if rows != list(range(len(joints))):
            joints = joints[rows]
        self.sense.push(frame.stamp, self._seen, [s.track.id for s in seen], joints, frame.layout)

    def _mapping(self, sent: Layout, wanted: Layout) -> JointMap | None:
        if self._map is None or self._map.source is not sent:
            try:
                self._map = JointMap.between(sent, wanted)
                self._unfit = None
            except LayoutError as e:
                self._map = None
                self._unfit = Finding(Blindness.LAYOUT_UNFIT, error=str(e), missing=e.missing)
        return self._map
