"""How each source is doing, told about once a second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from dyadwatch.core.pose import PoseFrame
from dyadwatch.stream.clock_offset import ClockOffset
from dyadwatch.stream.config import LivenessOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.line import SourceLine
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.merge import Group, GroupLine
from dyadwatch.stream.messages import StatusMessage
from dyadwatch.stream.pipeline import DETECTOR, Intake, Judge

_log = logging.getLogger(__name__)
_NS = 1_000_000_000
_OVERLOAD_S = 5.0  # a source that lost windows this recently counts as blind for overload
_USELESS_S = 2.0  # frames that come for so long without being of use make a source blind
_REFUSED_S = 5.0  # a refusal this recent says that somebody sends what is of no use
_NAMES = 3  # names told of those who are refused
_RATE_BLEND = 0.1


class Heartbeat:
    """When a source was last heard and last of use, at what rate, and how far its clock lies from ours.

    The offset is the running minimum of (receive - stamp): what is left is the shortest way that a frame took in the
    last minute. It is told, and nothing else depends on it.
    """

    def __init__(self) -> None:
        self.heard = 0
        self.used = 0
        self.warnings: tuple[str, ...] = ()
        self._clock = ClockOffset()
        self._unix = False
        self._interval = 0.0
        self._frames = -1
        self._stamp: int | None = None
        self._epoch = -1

    @property
    def fps(self) -> float:
        """Frames a second by the source's own stamps; 0 until two frames are there."""
        return _NS / self._interval if self._interval else 0.0

    @property
    def offset(self) -> int | None:
        """Nanoseconds by which our clock is ahead of the source's; None where the source's is not unix time."""
        return self._clock.offset if self._unix else None

    @property
    def skew_ppm(self) -> float:
        """How much faster our clock runs than the source's, parts per million; 0 until it is known."""
        return self._clock.skew_ppm

    def beat(self, frame: PoseFrame, arrived: int, wall: int, frames: int) -> None:
        """Takes note of a frame.

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


_UNHEARD = Heartbeat()  # of a source whose first frame is only just being taken in


class StatusBoard:
    """Makes the status messages of all sources.

    Arguments:
        intake, judge, counters: of the running detector.
        options: the section `liveness` of the configuration.
        model, provider: told with every status.
        recording: says whether what is received is recorded just now; None where nobody asked for it.
    """

    def __init__(
        self,
        intake: Intake,
        judge: Judge,
        counters: Counters,
        options: LivenessOptions,
        model: str,
        provider: str,
        recording: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._recording = recording
        self._intake = intake
        self._judge = judge
        self._counters = counters
        self._silent = round(options.silent_s * _NS)
        self._forget = round(options.forget_s * _NS)
        self._model = model
        self._provider = provider
        self._beats: dict[str, Heartbeat] = {}
        self._shed: dict[str, tuple[int, int]] = {}
        self._next_look = 0
        self._told = LimitedLog(_log)

    def beat(self, frame: PoseFrame, arrived: int) -> None:
        """Takes note of a frame as received; sources that were not admitted are not remembered."""
        line = self._intake.lines.get(frame.source)
        if line is None or isinstance(line, GroupLine):
            return
        beat = self._beats.get(frame.source)
        if beat is None:
            beat = self._beats[frame.source] = Heartbeat()
        beat.beat(frame, arrived, time.time_ns(), line.frames)

    def forgotten(self) -> list[str]:
        """Sources silent for longer than `forget_s`; they are told of once and then no more."""
        now = time.monotonic_ns()
        if now < self._next_look:
            return []
        self._next_look = now + _NS
        gone = [source for source, beat in self._beats.items() if now - beat.heard > self._forget]
        for source in gone:
            del self._beats[source]
        return gone

    def messages(self) -> list[StatusMessage]:
        """The status of every source, and of the detector itself for what no source can be blamed for."""
        self._judge.keep(self._intake.lines)
        refused = self._counters.refused(_REFUSED_S)
        out = [self._of(source, line, refused.pop(source, None)) for source, line in list(self._intake.lines.items())]
        own = self._counters.of(DETECTOR)
        recording = self._recording()
        if own or recording or not out:
            out.append(self._own(own, recording, _nothing_usable(refused), waiting=not out))
        return out

    def _of(self, source: str, line: SourceLine, refused: str | None) -> StatusMessage:
        heard = self._beats.get(source, _UNHEARD)
        beat = self._latest(line.group) if isinstance(line, GroupLine) else heard
        dropped = self._counters.of(source)
        silence = time.monotonic_ns() - beat.heard if beat.heard else 0
        blind = line.blind
        silent = silence > self._silent and refused is None
        if refused is not None and (silence > self._silent or not beat.heard):
            blind = _nothing_usable({source: refused})
        elif silent:
            blind = f"source silent for {silence / _NS:.0f} s"
        elif self._sheds(source, dropped.get("shed_overload", 0)):
            blind = "overload: windows are shed"
        elif blind is None and beat.heard - beat.used > _USELESS_S * _NS:
            blind = f"no usable frame for {(beat.heard - beat.used) / _NS:.0f} s, see dropped"
        warnings = self._warnings(source, line)
        state = "silent" if silent else "blind" if blind else "watching"
        return StatusMessage(
            source=source,
            state=state,
            blind=blind,
            fps=round(beat.fps, 1),
            people=line.people,
            pairs=line.pairs,
            frames=line.frames,
            windows=self._judge.windows.get(source, 0),
            open_events=self._judge.open_events(source),
            dropped=dropped,
            clock=line.clock,
            clock_offset_ms=None if heard.offset is None else round(heard.offset / 1e6, 1),
            clock_skew_ppm=round(heard.skew_ppm, 1),
            merge=line.merge,
            warnings=warnings,
            last_stamp=line.stamp,
            model=self._model,
            provider=self._provider,
        )

    def _latest(self, group: Group) -> Heartbeat:
        """Of the sources of a group, the one that was heard last."""
        return max((self._beats.get(s, _UNHEARD) for s in list(group.members)), key=lambda b: b.heard)

    def _warnings(self, source: str, line: SourceLine) -> tuple[str, ...]:
        """What a source warns of itself in its last frame, told in the log, too; of a group, what any of it does."""
        if isinstance(line, GroupLine):
            members = [self._beats.get(s, _UNHEARD).warnings for s in list(line.group.members)]
            return tuple(sorted({w for warnings in members for w in warnings}))
        warnings = self._beats.get(source, _UNHEARD).warnings
        for warning in warnings:
            self._told.warning(source, warning, "the source warns of this itself, with every frame")
        return warnings

    def _sheds(self, source: str, shed: int) -> bool:
        before, at = self._shed.get(source, (0, 0))
        now = time.monotonic_ns()
        if shed > before:  # nothing is kept of others: sources with a count are bounded, those that come and go not
            at = now
            self._shed[source] = (shed, at)
        return at > 0 and now - at < _OVERLOAD_S * _NS

    def _own(
        self, dropped: dict[str, int], recording: str | None, blind: str | None, *, waiting: bool
    ) -> StatusMessage:
        if waiting and blind is None:
            blind = "nothing usable has come yet, see dropped" if dropped else "no source has sent anything yet"
        return StatusMessage(
            source=DETECTOR,
            state="watching" if blind is None else "blind",
            blind=blind,
            fps=0.0,
            people=0,
            pairs=0,
            frames=0,
            windows=0,
            open_events=0,
            dropped=dropped,
            clock="unix",
            clock_offset_ms=None,
            last_stamp=0,
            model=self._model,
            provider=self._provider,
            recording=recording,
        )


def _nothing_usable(refused: dict[str, str]) -> str | None:
    """Who sends what is refused, and why, in words; None for nobody."""
    if not refused:
        return None
    names = [f"{source}: {reason}" for source, reason in refused.items()]
    more = len(names) - _NAMES
    return f"nothing usable from {', '.join(names[:_NAMES])}" + (f", and {more} more" if more > 0 else "")
