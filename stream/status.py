"""How each source is doing, told about once a second."""

from __future__ import annotations

import time

from dyadwatch.core.pose import PoseFrame
from dyadwatch.stream.config import LivenessOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.messages import StatusMessage
from dyadwatch.stream.pipeline import DETECTOR, Intake, Judge

_NS = 1_000_000_000
_OVERLOAD_S = 5.0  # a source that lost windows this recently counts as blind for overload
_RATE_BLEND = 0.1


class Heartbeat:
    """When a source was last heard, at what rate, and how far its clock lies from ours.

    The offset is the running minimum of (receive - stamp): what is left is the shortest way a frame ever took.
    """

    def __init__(self) -> None:
        self.heard = 0
        self.fps = 0.0
        self.offset: int | None = None
        self._stamp: int | None = None
        self._epoch = -1

    def beat(self, frame: PoseFrame, arrived: int, wall: int) -> None:
        """Takes note of a frame that came at monotonic ns `arrived` and unix ns `wall`."""
        self.heard = arrived
        if frame.epoch != self._epoch:
            self._epoch, self._stamp, self.offset = frame.epoch, None, None
        if self._stamp is not None and frame.stamp > self._stamp:
            rate = _NS / (frame.stamp - self._stamp)
            self.fps += (_RATE_BLEND if self.fps else 1.0) * (rate - self.fps)
        self._stamp = frame.stamp
        if frame.clock == "unix":
            offset = wall - frame.stamp
            self.offset = offset if self.offset is None else min(self.offset, offset)


_UNHEARD = Heartbeat()  # of a source whose first frame is only just being taken in


class StatusBoard:
    """Makes the status messages of all sources.

    Arguments:
        intake, judge, counters: of the running detector.
        options: the section `liveness` of the configuration.
        model, provider: told with every status.
    """

    def __init__(
        self,
        intake: Intake,
        judge: Judge,
        counters: Counters,
        options: LivenessOptions,
        model: str,
        provider: str,
    ) -> None:
        self._intake = intake
        self._judge = judge
        self._counters = counters
        self._silent = round(options.silent_s * _NS)
        self._model = model
        self._provider = provider
        self._beats: dict[str, Heartbeat] = {}
        self._shed: dict[str, tuple[int, int]] = {}

    def beat(self, frame: PoseFrame, arrived: int) -> None:
        """Takes note of a frame as received; sources that were not admitted are not remembered."""
        if frame.source not in self._intake.lines:
            return
        beat = self._beats.get(frame.source)
        if beat is None:
            beat = self._beats[frame.source] = Heartbeat()
        beat.beat(frame, arrived, time.time_ns())

    def messages(self) -> list[StatusMessage]:
        """The status of every source, and of the detector itself for what no source can be blamed for."""
        out = [self._of(source) for source in list(self._intake.lines)]
        own = self._counters.of(DETECTOR)
        if own or not out:
            out.append(self._own(own, waiting=not out))
        return out

    def _of(self, source: str) -> StatusMessage:
        line, beat = self._intake.lines[source], self._beats.get(source, _UNHEARD)
        dropped = self._counters.of(source)
        silence = time.monotonic_ns() - beat.heard if beat.heard else 0
        blind = line.blind
        if silence > self._silent:
            blind = f"source silent for {silence / _NS:.0f} s"
        elif self._sheds(source, dropped.get("shed_overload", 0)):
            blind = "overload: windows are shed"
        state = "silent" if silence > self._silent else "blind" if blind else "watching"
        return StatusMessage(
            source=source,
            state=state,
            blind=blind,
            fps=round(beat.fps, 1),
            people=line.people,
            pairs=line.pairs,
            frames=line.frames,
            windows=self._judge.windows[source],
            open_events=self._judge.open_events(source),
            dropped=dropped,
            clock=line.clock,
            clock_offset_ms=None if beat.offset is None else round(beat.offset / 1e6, 1),
            last_stamp=line.stamp,
            model=self._model,
            provider=self._provider,
        )

    def _sheds(self, source: str, shed: int) -> bool:
        before, at = self._shed.get(source, (0, 0))
        now = time.monotonic_ns()
        if shed > before:
            at = now
        self._shed[source] = (shed, at)
        return at > 0 and now - at < _OVERLOAD_S * _NS

    def _own(self, dropped: dict[str, int], *, waiting: bool) -> StatusMessage:
        return StatusMessage(
            source=DETECTOR,
            state="blind" if waiting else "watching",
            blind="no source has sent anything yet" if waiting else None,
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
        )
