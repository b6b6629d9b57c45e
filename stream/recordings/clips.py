"""From a recording the clips of two people that a model can be trained on: every pair for as long as it is one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.clips import Clip, ClipSet
from dyadwatch.core.errors import RecordingError
from dyadwatch.core.pose import PoseFrame
from dyadwatch.core.skeleton import Layout
from dyadwatch.core.words import counted
from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.config import Config
from dyadwatch.stream.grid import Resampler, TimeGrid
from dyadwatch.stream.pairs import Pair, PairGate
from dyadwatch.stream.recordings.about import config_of
from dyadwatch.stream.recordings.frames import OrderedFrames
from dyadwatch.stream.recordings.merged import Groups
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.tables import note_unusable
from dyadwatch.stream.tracks import Tracker

_NS = 1_000_000_000
LONGEST_S = 60.0  # longer encounters become several clips, so that no memory grows with them
_FORGET = 64  # points of time after which rows that no clip will hold are dropped


class _Track:
    """One person on the grid of time, from `first` on."""

    def __init__(self, grid: TimeGrid, max_gap: int) -> None:
        self._resampler = Resampler(grid, max_gap)
        self.rows: dict[int, NDArray[np.float32]] = {}

    def push(self, stamp: int, joints: NDArray[np.float32], *, whole: bool) -> None:
        k, rows = self._resampler.push(stamp, joints, whole)
        for i, row in enumerate(rows):
            self.rows[k + i] = row
        for joint, first, values in self._resampler.mended:
            for n, value in enumerate(values, first):
                if n in self.rows:
                    row = self.rows[n] = self.rows[n].copy()  # it may be a frame's own
                    row[joint] = value


class PairClips:
    """Cuts the clips of one source; who is who and who is near whom is decided as the live detector does.

    Arguments:
        source: its name.
        config: the sections clock, tracks and pairs matter.
        fps: frames a second of the clips.
        least_s: shorter clips are left out.

    Attributes:
        source: its name.
        short: stretches of pairs that were too short for a clip.
        counts: what the rules for people and pairs left out, by reason.
    """

    def __init__(self, source: str, config: Config, fps: float, least_s: float) -> None:
        self.source = source
        self._fps = fps
        self._least = max(round(least_s * fps), 2)
        self._longest = round(LONGEST_S * fps)
        self._max_gap = round(min(config.clock.max_gap_s, config.tracks.max_gap_s) * _NS)
        self._grid = TimeGrid(fps)
        self.counts: Counter[str] = Counter()
        self.short = 0
        self._tracker = Tracker(config.tracks, self._count)
        self._gate = PairGate(config.pairs, self._count)
        self._tracks: dict[int, _Track] = {}
        self._since: dict[tuple[int, int], int] = {}  # first point of time that the next clip of a pair may hold
        self._forgot = 0  # point of time at which rows were dropped last
        self._layout: Layout | None = None

    def push(self, frame: PoseFrame, fresh: bool) -> list[Clip]:
        """Takes a frame in its turn; returns the clips that it ends."""
        out = self.finish() if fresh or frame.layout is not self._layout else []
        self._layout = frame.layout
        seen, lost = self._tracker.push(frame, frame.joints, frame.confidence)
        # A pair ends before the tracks it is made of are forgotten.
        for pair, _ in self._gate.update(self._tracker.alive):
            out += self._cut(pair)
            self._since.pop(pair.keys, None)
        for track in lost:
            self._tracks.pop(track.key, None)
        for s in seen:
            track = self._tracks.get(s.track.key)
            if track is None:
                track = self._tracks[s.track.key] = _Track(self._grid, self._max_gap)
            track.push(s.track.stamp, s.joints, whole=s.whole)
        now = self._grid.at_or_after(frame.stamp)
        for pair in self._gate.open:
            if now - self._since.setdefault(pair.keys, now) >= self._longest - 1:
                out += self._cut(pair)
        self._forget(now)
        return out

    def finish(self) -> list[Clip]:
        """Ends all pairs."""
        out = [clip for pair, _ in self._gate.clear(PairEnd.END_OF_STREAM) for clip in self._cut(pair)]
        self._tracker.clear()
        self._tracks.clear()
        self._since.clear()
        return out

    def _forget(self, now: int) -> None:
        """Drops the rows that no clip will hold any more."""
        if 0 <= now - self._forgot < _FORGET:  # a restart may set the clock back
            return
        self._forgot = now
        for key, track in self._tracks.items():
            needed = min((since for keys, since in self._since.items() if key in keys), default=now)
            track.rows = {k: row for k, row in track.rows.items() if k >= needed}

    def _cut(self, pair: Pair) -> list[Clip]:
        """The unbroken stretches of both since the last cut."""
        a, b = (self._tracks[k].rows if k in self._tracks else {} for k in pair.keys)
        since = self._since.get(pair.keys, 0)
        both = np.array(sorted(k for k in a.keys() & b.keys() if k >= since), np.int64)
        if len(both):
            self._since[pair.keys] = int(both[-1]) + 1
        runs = np.split(both, np.flatnonzero(np.diff(both) != 1) + 1) if len(both) else []
        self.short += sum(len(run) < self._least for run in runs)
        return [self._clip(pair, run, a, b) for run in runs if len(run) >= self._least]

    def _clip(
        self, pair: Pair, run: NDArray[np.int64], a: dict[int, NDArray[np.float32]], b: dict[int, NDArray[np.float32]]
    ) -> Clip:
        assert self._layout is not None, "a pair has been seen"
        joints = np.stack([(a[k], b[k]) for k in run.tolist()])
        start = self._grid.stamp(int(run[0]))
        hour = time.strftime("%Y-%m-%dT%H", time.gmtime(start // _NS))
        name = f"{self.source}-{pair.ids[0]}-{pair.ids[1]}-{start // 1_000_000}"
        return Clip(joints, self._layout, self._fps, clip_id=name, session=f"{self.source} {hour}")

    def _count(self, reason: str) -> None:
        self.counts[reason] += 1


def recording_clips(
    playback: Playback,
    *,
    source: str | None = None,
    fps: float = 30.0,
    least_s: float = 3.0,
    config: Config | None = None,
) -> Iterator[Clip]:
    """The clips of all pairs in a recording, as they end. Sources that were merged make clips of the group.

    Arguments:
        playback: what to read.
        source: only this one, or only this group; a source of a group is then taken by itself.
        fps: frames a second of the clips, whatever those of the sources.
        least_s: shorter clips are left out.
        config: rules for order, people, pairs and groups; without one those of the detector that recorded, or the
            default's.
    """
    config = config or config_of(r.about for r in playback.recordings)
    cutters: dict[str, PairClips] = {}
    made: list[PairClips] = []

    def cutter_of(name: str) -> PairClips:
        made.append(PairClips(name, config, fps, least_s))
        return made[-1]

    def cut(frames: Iterable[tuple[PoseFrame, bool]]) -> Iterator[Clip]:
        for frame, fresh in frames:
            cutter = cutters.get(frame.source)
            if cutter is None:
                cutter = cutters[frame.source] = cutter_of(frame.source)
            yield from cutter.push(frame, fresh)

    groups = Groups(config, source, fps, cutter_of)
    single = OrderedFrames(playback, source, config.wire, config.clock, groups.sources)
    for entry in playback:
        yield from groups.take(entry)
        yield from cut(single.take(entry))
    yield from groups.finish()
    yield from cut(single.finish())
    for cutter in cutters.values():
        yield from cutter.finish()
    note_unusable(playback, single.dropped + groups.dropped)
    for note in (*groups.notes(), *_left_out(made, least_s)):
        playback.note(note)


def _left_out(cutters: Iterable[PairClips], least_s: float) -> Iterator[str]:
    """What of the pairs became no clip."""
    short: Counter[str] = Counter()
    capped: Counter[str] = Counter()
    for cutter in cutters:  # a group that begins afresh has new ones of the same names
        short[cutter.source] += cutter.short
        capped[cutter.source] += cutter.counts["pairs_capped"]
    for source, count in sorted(short.items()):
        if count:
            stretches = "1 stretch" if count == 1 else f"{count} stretches"
            yield f"{source}: left out: {stretches} of two people near each other for less than {least_s:g} s"
    for source, count in sorted(capped.items()):
        if count:
            times = counted(count, "time")
            yield f"{source}: {times} there were more pairs than pairs.max_pairs; the nearest were taken"


def clip_sets(playback: Playback, *, fps: float = 30.0, least_s: float = 3.0) -> list[ClipSet]:
    """The clips of a recording, one set for each layout that occurs.

    Raises:
        RecordingError: it holds no two people near each other for long enough.
    """
    by_layout: dict[tuple[str, ...], list[Clip]] = {}
    for clip in recording_clips(playback, fps=fps, least_s=least_s):
        by_layout.setdefault(clip.layout.joints, []).append(clip)
    if not by_layout:
        names = ", ".join(str(r.path) for r in playback.recordings)
        raise RecordingError(
            f"{names:.300}: no two people stay near each other for {least_s:g} s; expected some who do"
        )
    return [ClipSet(tuple(clips), clips[0].layout, "recordings") for clips in by_layout.values()]
