"""From a recording the clips of two people that a model can be trained on: every pair for as long as it is one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.errors import RecordingError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.units import NS
from dyadwatch.core.words import counted
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.items import Keys, Pair
from dyadwatch.stream.recordings.header import config_of
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recorded_scenes import RecordedScenes
from dyadwatch.stream.tracking.scene_tracker import SceneStep
from dyadwatch.stream.tracking.time_grid import TimeGrid, mend_rows

LONGEST_S = 60.0  # longer encounters become several clips, so that no memory grows with them
_FORGET = 64  # points of time after which rows that no clip will hold are dropped


class CutClip(NamedTuple):
    """A clip, and where it comes from: the source, and the stamp of its first frame, ns by the source's clock."""

    source: str
    start: int
    clip: Clip


class PairClips:
    """Cuts the clips of one scene.

    Arguments:
        source: its name.
        fps: frames a second of the clips, and points of the scene's grid.
        least_s: shorter clips are left out.

    Attributes:
        source: its name.
        short: stretches of pairs that were too short for a clip.
    """

    def __init__(self, source: str, fps: float, least_s: float) -> None:
        self.source = source
        self._fps = fps
        self._least = max(round(least_s * fps), 2)
        self._longest = round(LONGEST_S * fps)
        self._grid = TimeGrid(fps)
        self.short = 0
        self._tracks: dict[int, dict[int, NDArray[np.float32]]] = {}  # key -> rows (J, 3) by point of time
        self._since: dict[Keys, int] = {}  # first point of time that the next clip of a pair may hold
        self._forgot = 0  # point of time at which rows were dropped last
        self._layout: Layout | None = None

    def take(self, step: SceneStep) -> list[CutClip]:
        """Takes up a step of the scene; returns the clips that it ends."""
        out: list[CutClip] = []
        # A pair ends before the tracks it is made of are forgotten.
        for pair, _ in step.ended:
            out += self._cut(pair)
            self._since.pop(pair.keys, None)
        if step.fresh:
            self._tracks.clear()
            self._since.clear()
        for track in step.lost:
            self._tracks.pop(track.key, None)
        if step.frame is None:
            return out
        self._layout = step.frame.layout
        for track, k, rows in step.rows:
            self._tracks.setdefault(track.key, {}).update(enumerate(rows, k))
        for track, mended in step.mended:
            mend_rows(self._tracks[track.key], mended)
        now = self._grid.at_or_after(step.frame.stamp)
        for pair in step.pairs:
            if now - self._since.setdefault(pair.keys, now) >= self._longest - 1:
                out += self._cut(pair)
        self._forget(now)
        return out

    def _forget(self, now: int) -> None:
        """Drops the rows that no clip will hold any more."""
        if 0 <= now - self._forgot < _FORGET:  # a restart may set the clock back
            return
        self._forgot = now
        for key, rows in self._tracks.items():
            needed = min((since for keys, since in self._since.items() if key in keys), default=now)
            self._tracks[key] = {k: row for k, row in rows.items() if k >= needed}

    def _cut(self, pair: Pair) -> list[CutClip]:
        """The unbroken stretches of both since the last cut."""
        a, b = (self._tracks.get(k, {}) for k in pair.keys)
        since = self._since.get(pair.keys, 0)
        both = np.array(sorted(k for k in a.keys() & b.keys() if k >= since), np.int64)
        if len(both):
            self._since[pair.keys] = int(both[-1]) + 1
        runs = np.split(both, np.flatnonzero(np.diff(both) != 1) + 1) if len(both) else []
        self.short += sum(len(run) < self._least for run in runs)
        return [self._clip(pair, run, a, b) for run in runs if len(run) >= self._least]

    def _clip(
        self, pair: Pair, run: NDArray[np.int64], a: dict[int, NDArray[np.float32]], b: dict[int, NDArray[np.float32]]
    ) -> CutClip:
        assert self._layout is not None, "a pair has been seen"
        joints = np.stack([(a[k], b[k]) for k in run.tolist()])
        start = self._grid.stamp(int(run[0]))
        hour = time.strftime("%Y-%m-%dT%H", time.gmtime(start // NS))
        name = f"{self.source}-{pair.ids[0]}-{pair.ids[1]}-{start // 1_000_000}"
        clip = Clip(joints, self._layout, self._fps, clip_id=name, session=f"{self.source} {hour}")
        return CutClip(self.source, start, clip)


def recording_clips(
    playback: Playback,
    *,
    source: str | None = None,
    fps: float = 30.0,
    least_s: float = 3.0,
    config: Config | None = None,
) -> Iterator[Clip]:
    """The clips of `cut_clips`, with the same arguments."""
    return (cut.clip for cut in cut_clips(playback, source=source, fps=fps, least_s=least_s, config=config))


def cut_clips(
    playback: Playback,
    *,
    source: str | None = None,
    fps: float = 30.0,
    least_s: float = 3.0,
    config: Config | None = None,
) -> Iterator[CutClip]:
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
    scenes = RecordedScenes(playback, config, fps, source)
    for step in scenes:
        cutter = cutters.get(step.source)
        if cutter is None:
            cutter = cutters[step.source] = PairClips(step.source, fps, least_s)
        yield from cutter.take(step)
    for cutter in sorted(cutters.values(), key=lambda c: c.source):
        if cutter.short:
            stretches = "1 stretch" if cutter.short == 1 else f"{cutter.short} stretches"
            playback.note(
                f"{cutter.source}: left out: {stretches} of two people near each other for less than {least_s:g} s"
            )
    for name, count in sorted(scenes.capped.items()):
        if count:
            times = counted(count, "time")
            playback.note(f"{name}: {times} there were more pairs than pairs.max_pairs; the nearest were taken")


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
