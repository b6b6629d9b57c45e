"""One source's way from frames to windows: clock, tracks, grid, pairs, windows, in that order.

Identity comes before the time grid (see docs/architecture.md): to interpolate between two frames one must know who
is who in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.finding import Finding
from dyadwatch.core.mapping import JointMap
from dyadwatch.core.pose import PoseFrame
from dyadwatch.core.skeleton import Layout
from dyadwatch.stream.clock import Ordered, SourceClock
from dyadwatch.stream.codes import Blindness, Circumstance, Fault, MergeState, PairEnd, Reason
from dyadwatch.stream.config import Config
from dyadwatch.stream.counters import Count
from dyadwatch.stream.grid import Resampler, TimeGrid
from dyadwatch.stream.pairs import Pair, PairGate
from dyadwatch.stream.tracks import Seen, Track, Tracker
from dyadwatch.stream.windows import TrackRing, fill_hidden

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """A window ready to be scored.

    Arguments:
        source, pair: whose it is.
        start, end: ns, event time of its first and last row.
        joints: metres in the model's layout, shape (2, T, J, 3), no NaN.
        clock: name of the clock domain of its stamps.
        arrived: monotonic ns at which the frame that completed it was received.
    """

    source: str
    pair: Pair
    start: int
    end: int
    joints: NDArray[np.float32]
    clock: str
    arrived: int


@dataclass(frozen=True, slots=True)
class PairEnded:
    """A pair will send no more windows; `reason` says why."""

    source: str
    pair: Pair
    stamp: int
    clock: str
    reason: PairEnd


@dataclass(frozen=True, slots=True)
class Moment:
    """A source's time has come so far without another window or end of a pair; `ended` says why no more of it comes."""

    source: str
    stamp: int
    ended: PairEnd | None = None


Item = Window | PairEnded | Moment


@dataclass(frozen=True, slots=True)
class WindowShape:
    """What the model wants: layout, T frames, on a grid of fps points a second."""

    layout: Layout
    frames: int
    fps: float


class _Person:
    """A track's samples on the grid."""

    def __init__(self, grid: TimeGrid, max_gap: int, shape: WindowShape) -> None:
        self.resampler = Resampler(grid, max_gap)
        slack = int(max_gap / _NS * shape.fps) + 2
        self.ring = TrackRing(len(shape.layout), shape.frames, slack)


class SourceLine:
    """The stations of one source. Deterministic: what comes out depends on the frames and their order alone.

    Arguments:
        source: its name.
        shape: what the model wants.
        config: the whole configuration.
        count: called with a reason for everything that is dropped.

    The stations `order`, `tracker` and `gate` are open to view, for status and measurement.
    """

    def __init__(self, source: str, shape: WindowShape, config: Config, count: Count) -> None:
        self.source = source
        self._shape = shape
        self._config = config
        self._count = count
        self.order = SourceClock(config.clock, count)
        self.tracker = Tracker(config.tracks, count)
        self.gate = PairGate(config.pairs, count)
        self._grid = TimeGrid(shape.fps)
        self._max_gap = round(min(config.clock.max_gap_s, config.tracks.max_gap_s) * _NS)
        self._people: dict[int, _Person] = {}
        self._next_end: dict[tuple[int, int], int] = {}
        self._map: JointMap | None = None
        self._hidden: dict[tuple[int, int], Finding[Blindness]] = {}
        self._unfit: Finding[Blindness] | None = None
        self._windowed: dict[tuple[int, int], int] = {}
        self._cut_of: set[tuple[int, int]] = set()  # pairs that windows were cut of
        self.frames = 0
        self.people = 0
        self.stamp = 0
        self.clock = "unix"

    @property
    def merge(self) -> Finding[MergeState] | None:
        """What `merge` in the status says of it: None for a source that belongs to no group."""
        return None

    @property
    def pairs(self) -> int:
        """Number of pairs that are near enough to be scored."""
        return len(self.gate.open)

    @property
    def unfit(self) -> Finding[Blindness] | None:
        """Why the joints that come do not fit the model; None where they do."""
        return self._unfit

    @property
    def hidden_joint(self) -> Finding[Blindness] | None:
        """The joint for which the newest window of a pair was left out; None where no window was."""
        return next(reversed(self._hidden.values()), None)

    @property
    def refuses(self) -> bool:
        """Whether none of the frames that come now is used; `blind` says why."""
        return self._unfit is not None or self.order.trouble is not None

    @property
    def blind(self) -> Finding[Blindness] | None:
        """Why no pair of this source can be scored just now; None when nothing is in the way."""
        if self._unfit is not None:
            return self._unfit
        if self.order.trouble is not None:
            return self.order.trouble
        if self.people == 0:
            return Finding(Blindness.NOBODY)
        if self.people == 1:
            return Finding(Blindness.ONE_PERSON)
        pairs = self.gate.open
        if not pairs or any(p.keys in self._windowed for p in pairs):
            return None
        hidden = [self._hidden[p.keys] for p in pairs if p.keys in self._hidden]
        if hidden:
            return hidden[0]
        return self.order.wrong_unit or self._too_slow or Finding(Blindness.FILLING)

    @property
    def _too_slow(self) -> Finding[Blindness] | None:
        pace, gaps = self.order.pace, {"clock": self._config.clock, "tracks": self._config.tracks}
        if pace is None or pace <= self._max_gap:
            return None
        section = min(gaps, key=lambda name: gaps[name].max_gap_s)
        key = f"{section}.max_gap_s"
        return Finding(Blindness.TOO_SLOW, step_s=pace / _NS, most_s=self._max_gap / _NS, key=key)

    def cause(self, reason: Reason) -> Finding[Blindness] | None:
        """What is known of the present cause of something counted under `reason`, for the log; mostly nothing."""
        match reason:
            case Fault.LAYOUT_UNFIT:
                return self._unfit
            case Fault.STAMP_NOT_INCREASING | Fault.WRONG_UNIT:
                return self.order.wrong_unit
            case Fault.OLD_EPOCH:
                return self.order.trouble
            case _:
                return None

    def push(self, frame: PoseFrame, arrived: int) -> list[Item]:
        """Takes a frame as received; returns the windows it completes and the pairs it ends, in order."""
        return self._take(self.order.push(frame), arrived)

    def finish(self, arrived: int, reason: PairEnd = PairEnd.END_OF_STREAM) -> list[Item]:
        """Releases what the clock holds back and ends all pairs."""
        return self._take(self.order.finish(), arrived) + self._restart(reason)

    def end_pairs(self, reason: PairEnd) -> list[Item]:
        """Ends all pairs, and nothing else: for a line that failed and is not to be used again."""
        return self._end(self.gate.clear(reason))

    def _take(self, frames: list[Ordered], arrived: int) -> list[Item]:
        out: list[Item] = []
        for frame, restart in frames:
            if restart is not None:
                out += self._restart(restart)
            out += self._advance(frame, arrived)
        return out

    def _restart(self, reason: PairEnd) -> list[Item]:
        ended = self._end(self.gate.clear(reason))
        self.tracker.clear()
        self._people.clear()
        return ended

    def _end(self, pairs: list[tuple[Pair, PairEnd]]) -> list[Item]:
        for pair, _ in pairs:
            self._next_end.pop(pair.keys, None)
            self._windowed.pop(pair.keys, None)
            self._hidden.pop(pair.keys, None)
        # Of a pair without windows nobody knows: its end would only wait behind those of others, and without a bound.
        known = [(pair, reason) for pair, reason in pairs if pair.keys in self._cut_of]
        self._cut_of -= {pair.keys for pair, _ in known}
        return [PairEnded(self.source, pair, self.stamp, self.clock, reason) for pair, reason in known]

    def _mapping(self, layout: Layout) -> JointMap | None:
        if self._map is None or self._map.source is not layout:
            try:
                self._map = JointMap.between(layout, self._shape.layout)
                self._unfit = None
            except LayoutError as e:
                self._map = None
                self._unfit = Finding(Blindness.LAYOUT_UNFIT, error=str(e), missing=e.missing)
        return self._map

    def _observe(self, frame: PoseFrame) -> tuple[list[Seen], list[Track]] | None:
        """Who is in a frame, and who was lost before it; None when its joints do not fit the model."""
        mapping = self._mapping(frame.layout)
        if mapping is None:
            self._count(Fault.LAYOUT_UNFIT)
            return None
        self.frames += 1
        return self.tracker.push(frame, mapping.positions(frame.joints), mapping.confidence(frame.confidence))

    def _advance(self, frame: PoseFrame, arrived: int) -> list[Item]:
        observed = self._observe(frame)
        if observed is None:
            return []
        seen, lost = observed
        for track in lost:
            self._people.pop(track.key, None)
        out = self._end(self.gate.update(self.tracker.alive))
        self.stamp, self.clock = frame.stamp, frame.clock
        self.people = len(seen)
        self._sample(seen)
        for pair in self.gate.open:
            out += self._cut(pair, arrived)
        return out

    def _sample(self, seen: list[Seen]) -> None:
        for track, joints in ((s.track, s.joints) for s in seen):
            person = self._people.get(track.key)
            if person is None:
                person = self._people[track.key] = _Person(self._grid, self._max_gap, self._shape)
            person.ring.extend(*person.resampler.push(track.stamp, joints))

    def _cut(self, pair: Pair, arrived: int) -> list[Item]:
        """The windows of a pair that are complete by now: their ends lie on multiples of the hop."""
        a, b = (self._people[k].ring for k in pair.keys)
        hop, frames = self._config.windows.hop, self._shape.frames
        earliest = max(a.first_end, b.first_end)
        end = max(self._next_end.get(pair.keys, 0), -(-earliest // hop) * hop)
        out: list[Item] = []
        while end <= a.last and end <= b.last:
            joints = np.stack((a.window(end), b.window(end)))
            if self._begins_far(joints):
                end += hop
                continue
            if fill_hidden(joints, self._config.windows.max_hidden):
                start = self._grid.stamp(end - frames + 1)
                out.append(Window(self.source, pair, start, self._grid.stamp(end), joints, self.clock, arrived))
                self._windowed[pair.keys] = end
                self._cut_of.add(pair.keys)
                self._hidden.pop(pair.keys, None)
            else:
                self._count(Circumstance.JOINTS_HIDDEN)
                self._hidden[pair.keys] = self._most_hidden(pair, joints)
                self._windowed.pop(pair.keys, None)
            end += hop
        self._next_end[pair.keys] = end
        return out

    def _most_hidden(self, pair: Pair, joints: NDArray[np.float32]) -> Finding[Blindness]:
        """The joint out of sight for longest in a window (2, T, J, 3), of whom, and what it is derived from."""
        unseen = np.isnan(joints[..., 0]).sum(axis=1)
        person, joint = np.unravel_index(unseen.argmax(), unseen.shape)
        name, derived_from = self._shape.layout.joints[joint], ()
        if self._map is not None:
            sent = tuple(dict.fromkeys(self._map.source.joints[i] for i in self._map.pairs[joint]))
            derived_from = () if sent[0] == name else sent
        return Finding(Blindness.JOINTS_HIDDEN, joint=name, person=pair.ids[person], derived_from=derived_from)

    def _begins_far(self, joints: NDArray[np.float32]) -> bool:
        """Whether a window still holds the time before the two were near: no model was taught what is normal there."""
        first = joints[:, 0]
        places = [p[~np.isnan(p[:, 0])].mean(axis=0) if not np.isnan(p[:, 0]).all() else None for p in first]
        if places[0] is None or places[1] is None:
            return False  # hidden at the start; whether too much is hidden is judged with the whole window
        step = places[0] - places[1]
        return float(np.hypot(step[0], step[2])) > self._config.pairs.leave_m
