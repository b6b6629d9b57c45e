"""What is known of every source on the thread that receives, and how it is handed to the others."""

from __future__ import annotations

import time
from dataclasses import dataclass

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.sense_codes import Odd
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Blindness, MergeState
from dyadwatch.stream.configuration.config import LivenessOptions
from dyadwatch.stream.health.clock_offset import ClockOffset
from dyadwatch.stream.health.pace import Pace
from dyadwatch.stream.ingest import Ingest
from dyadwatch.stream.merging.group import Group
from dyadwatch.stream.windows.source_line import SourceLine

_RATE_BLEND = 0.1
# What a source is worth to a full house: one that sent fewer usable frames than this makes room for others after a
# second of silence, or after so many seconds in all; any other only after a minute of silence.
_WORTHY_FRAMES = 30
_TRIAL_S = 10.0
_UNWORTHY_SILENCE_S = 1.0
_ABSENT_S = 60.0


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source as it stood when the view was made; for any thread.

    Arguments:
        source: its name.
        blind: why its stations could make no window of the last frame of use; None when nothing was in the way.
        is_group: whether it stands for several sources that are merged.
        refuses: whether none of the frames that come now is used; `blind` says why.
        people, pairs, frames, clock, stamp, merge: as the status reports them.
        heard, used: monotonic ns of the last frame, and of the last one that was of use; 0 for never.
        late: ns by which the last frame came after it was due.
        fps: frames a second by its stamps.
        offset: ns by which our clock is ahead of its own; None where its own is not unix time.
        skew_ppm: how much faster our clock runs.
        warnings: what it warns of itself.
        odd: what is odd about the bodies in view.
    """

    source: str
    blind: Finding[Blindness] | None
    is_group: bool
    refuses: bool
    people: int
    pairs: int
    frames: int
    clock: str
    stamp: int
    merge: Finding[MergeState] | None
    heard: int
    used: int
    late: int
    fps: float
    offset: int | None
    skew_ppm: float
    warnings: tuple[str, ...]
    odd: tuple[Odd, ...] = ()


class Heartbeat:
    """When a source was last heard and last of use, at what rate, how late, and how far its clock lies from ours.

    The offset is the running minimum of (receive - stamp): what is left is the shortest way that a frame took in the
    last minute. It is reported, and nothing else depends on it.
    """

    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.heard = 0
        self.used = 0
        self.late = 0
        self.warnings: tuple[str, ...] = ()
        self._clock = ClockOffset()
        self._pace = Pace()
        self._unix = False
        self._interval = 0.0
        self._frames = -1
        self._stamp: int | None = None
        self._epoch = -1

    @property
    def fps(self) -> float:
        """Frames a second by the source's own stamps; 0 until two frames are there."""
        return NS / self._interval if self._interval else 0.0

    @property
    def offset(self) -> int | None:
        """Nanoseconds by which our clock is ahead of the source's; None where the source's is not unix time."""
        return self._clock.offset if self._unix else None

    @property
    def skew_ppm(self) -> float:
        """How much faster our clock runs than the source's, parts per million; 0 until it is known."""
        return self._clock.skew_ppm

    def due(self, frame: PoseFrame, arrived: int) -> int:
        """When a frame was due by the source's pace, monotonic ns; it came so late as `late` says."""
        due = self._pace.due(frame.epoch, frame.stamp, arrived)
        self.late = arrived - due
        return due

    def beat(self, frame: PoseFrame, arrived: int, wall: int, frames: int) -> None:
        """Records a frame.

        Arguments:
            frame: as received.
            arrived, wall: monotonic and unix ns at which it came.
            frames: how many frames of the source have been of use by now.
        """
        self.heard = arrived
        if frames != self._frames:
            self._frames, self.used = frames, arrived
        if frame.epoch != self._epoch:
            self._epoch, self._stamp, self._clock = frame.epoch, None, ClockOffset()
        if self._stamp is not None and frame.stamp > self._stamp:
            interval = frame.stamp - self._stamp
            self._interval += (_RATE_BLEND if self._interval else 1.0) * (interval - self._interval)
        self._stamp = frame.stamp
        self._unix = frame.clock == "unix"
        self.warnings = frame.warnings
        self._clock.add(frame.stamp, wall)

    def pause(self, ns: int) -> None:
        """The detector itself paused for so long, which is not silence of a source."""
        self.heard += ns
        self.used += ns


_UNHEARD = Heartbeat()


class SourceWatch:
    """The heartbeats of all sources. It belongs to the thread that receives; others are handed `views`.

    Arguments:
        intake: whose sources are watched.
        options: the section `liveness` of the configuration.
    """

    def __init__(self, intake: Ingest, options: LivenessOptions) -> None:
        self._intake = intake
        self._forget = round(options.forget_s * NS)
        self._beats: dict[str, Heartbeat] = {}
        self._next_look = 0

    def adopt(self, options: LivenessOptions) -> None:
        """Switches to other options; from any thread."""
        self._forget = round(options.forget_s * NS)

    def due(self, frame: PoseFrame, arrived: int) -> int:
        """When a frame was due by its source's pace; `arrived` for sources that are not known yet. Monotonic ns."""
        beat = self._beats.get(frame.source)
        return arrived if beat is None else beat.due(frame, arrived)

    def beat(self, frame: PoseFrame, arrived: int) -> None:
        """Records a frame that was taken in; sources that were not admitted are not remembered."""
        line = self._intake.lines.get(frame.source)
        if line is None or frame.source in self._intake.groups:
            return
        beat = self._beats.get(frame.source)
        if beat is None:
            beat = self._beats[frame.source] = Heartbeat(arrived)
            beat.due(frame, arrived)
        beat.beat(frame, arrived, time.time_ns(), line.scene.frames)

    def pause(self, ns: int) -> None:
        """Takes note that nobody listened for so long: the process was stopped, or the machine slept."""
        for beat in self._beats.values():
            beat.pause(ns)

    def forgotten(self) -> list[str]:
        """Sources silent for longer than `forget_s`, or for a minute where they had sent hardly a usable frame.

        Names that come once must not fill the memory for an hour. Each is named once.
        """
        now = time.monotonic_ns()
        if now < self._next_look:
            return []
        self._next_look = now + NS
        fleeting = min(self._forget, round(_ABSENT_S * NS))
        gone = [
            source
            for source, beat in self._beats.items()
            if (silence := now - beat.heard) > fleeting and (silence > self._forget or self._is_fleeting(source))
        ]
        for source in gone:
            del self._beats[source]
        return gone

    def _is_fleeting(self, source: str) -> bool:
        frames = self._frames_of_its_own(source)
        return frames is not None and frames < _WORTHY_FRAMES

    def _frames_of_its_own(self, source: str) -> int | None:
        """Usable frames that a source sent; None where it is unknown, or of a group, which always keeps its place."""
        line = self._intake.lines.get(source)
        return None if line is None or source in self._intake.group_of else line.scene.frames

    def replaceable(self, now: int) -> str | None:
        """The source that is worth least, if it may make room for another; its heartbeat is forgotten.

        Arguments:
            now: monotonic ns.
        """
        found = [
            (worthy, beat.heard, source)
            for source, beat in self._beats.items()
            if (frames := self._frames_of_its_own(source)) is not None
            for worthy in [frames >= _WORTHY_FRAMES]
            if now - beat.heard > (_ABSENT_S if worthy else _UNWORTHY_SILENCE_S) * NS
            or (not worthy and now - beat.first > _TRIAL_S * NS)
        ]
        if not found:
            return None
        source = min(found)[2]
        del self._beats[source]
        return source

    def views(self) -> tuple[SourceView, ...]:
        """All sources as they stand now."""
        return tuple(self._view(source, line) for source, line in self._intake.lines.items())

    def _view(self, source: str, line: SourceLine) -> SourceView:
        own, scene = self._beats.get(source, _UNHEARD), line.scene
        group = self._intake.groups.get(source)
        beat = own if group is None else self._latest(group)
        return SourceView(
            source=source,
            blind=line.blind,
            is_group=group is not None,
            refuses=scene.refuses,
            people=scene.people,
            pairs=scene.pair_count,
            frames=scene.frames,
            clock=scene.clock,
            stamp=scene.stamp,
            merge=line.merge,
            heard=beat.heard,
            used=beat.used,
            late=beat.late,
            fps=beat.fps,
            offset=own.offset,
            skew_ppm=own.skew_ppm,
            warnings=own.warnings if group is None else self._warnings(group),
            odd=line.odd,
        )

    def _latest(self, group: Group) -> Heartbeat:
        """Of the sources of a group, the one that was heard last."""
        return max((self._beats.get(s, _UNHEARD) for s in group.members), key=lambda b: b.heard)

    def _warnings(self, group: Group) -> tuple[str, ...]:
        members = [self._beats.get(s, _UNHEARD).warnings for s in group.members]
        return tuple(sorted({w for warnings in members for w in warnings}))
