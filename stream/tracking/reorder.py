"""Puts the frames of one source in order of time and refuses those that no time grid can use.

A frame that follows its predecessor by number goes through at once. Only where numbers are missing are later
frames held back, and only until the missing ones come or event time has moved on by `reorder_s`: a clean source
pays no latency. The first frame of a run is held the same way unless its number is 0, for an earlier one may be on
its way. Everything is decided by numbers and stamps, nothing by when a frame arrives.
"""

from __future__ import annotations

from typing import NamedTuple

from dyadwatch.core.finding import Finding
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Blindness, Fault, PairEnd
from dyadwatch.stream.configuration.config import ClockOptions
from dyadwatch.stream.counters import Count
from dyadwatch.stream.tracking.unused_frames import OldRun, Unused

# Unix time of this century in other units than ns, and the steps of at most 10 s that come with them.
_UNITS = (("seconds", 1), ("milliseconds", 1_000), ("microseconds", 1_000_000))
_CENTURY_S = range(1_000_000_000, 4_000_000_000)
_NOT_NS = _CENTURY_S.stop * _UNITS[-1][1]  # unix time of any other unit is less
_STAMPS = (Fault.STAMP_NOT_INCREASING, Fault.STAMP_JUMP_AHEAD, Fault.STAMP_JUMP_BACK)
_RECENT = 256  # numbers remembered to tell a doubled frame from a late one; nothing older is waited for


class Ordered(NamedTuple):
    """A frame in its turn; `restart` says that nothing before it may be joined to it, and why."""

    frame: PoseFrame
    restart: PairEnd | None


class ReorderBuffer:
    """One source's order of frames.

    Arguments:
        options: the section `clock` of the configuration.
        count: called with a reason for every frame that is dropped and every irregularity seen.
    """

    def __init__(self, options: ClockOptions, count: Count) -> None:
        self._reorder = round(options.reorder_s * NS)
        self._jump = round(options.max_jump_s * NS)
        self._gap = round(options.max_gap_s * NS)
        self._agree = options.jump_frames
        self._count = count
        self._epoch: int | None = None
        self._next_seq = 0
        self._opening = True  # nothing of this run has been released yet
        self._last_stamp: int | None = None
        self._step: int | None = None  # ns between the last two stamps; 0 where the first ones did not rise
        self._step_before: int | None = None
        self._domain = ""
        self._held: dict[int, PoseFrame] = {}
        self._recent: dict[int, int] = {}  # number -> stamp of those that had their turn
        self._refused: list[PoseFrame] = []  # old numbers with new stamps: a restart nobody announced?
        self._stepped: list[PoseFrame] = []  # stamps far off that agree among themselves: a clock step?
        self._restart: PairEnd | None = None
        self._strangers = 0  # times that another frame had a number already, while ours went on
        self._stranger = False
        self._unused = Unused()
        self._old_run: OldRun | None = None  # the frames that came last, where they were of a smaller epoch

    @property
    def epoch(self) -> int | None:
        """Of the present run; None before the first frame."""
        return self._epoch

    @property
    def trouble(self) -> Finding[Blindness] | None:
        """Why the frames that come now are not used; None where they are."""
        if self._unused.reason in _STAMPS and self.wrong_unit is not None:
            return self.wrong_unit
        return self._unused.finding(self._epoch, self._last_stamp)

    @property
    def pace(self) -> int | None:
        """The shorter of the last two steps between stamps, ns; None before the third frame."""
        if self._step is None or self._step_before is None:
            return None
        return min(self._step, self._step_before)

    @property
    def wrong_unit(self) -> Finding[Blindness] | None:
        """What the stamps look like where they are unix time, but hardly in nanoseconds; None where they may be."""
        if self._last_stamp is None or self._step is None or self._domain != "unix":
            return None
        for unit, in_a_second in _UNITS:
            if self._last_stamp // in_a_second in _CENTURY_S and self._step <= 10 * in_a_second:
                return Finding(Blindness.WRONG_UNIT, unit=unit, stamp=self._last_stamp)
        return None

    def push(self, frame: PoseFrame) -> list[Ordered]:
        """Takes a frame as it came; returns those whose turn it is, in order of their stamps."""
        if self._epoch is None or frame.epoch > self._epoch:
            done = self.finish()
            if self._epoch is not None:
                self._count(Fault.SOURCE_RESTART)
                self._restart = PairEnd.SOURCE_RESTART
            self._begin(frame)
            return done + self._release_ready()
        if frame.epoch < self._epoch:
            return self._old(frame)
        self._old_run = None
        if frame.seq < self._next_seq or frame.seq in self._held:
            return self._late(frame)
        self._refused.clear()
        self._strangers += self._stranger
        self._stranger = False
        self._held[frame.seq] = frame
        return self._release_ready()

    def _old(self, frame: PoseFrame) -> list[Ordered]:
        """A frame of a smaller epoch: dropped, until nothing else has come for long."""
        self._drop(frame, Fault.OLD_EPOCH)
        if self._old_run is None or not self._old_run.goes_on(frame):
            self._old_run = OldRun(frame)
        if not self._old_run.lasts:
            return []
        self._count(Fault.EPOCH_RETURNED)
        done = self.finish()
        self._restart = PairEnd.SOURCE_RESTART
        self._begin(frame)
        return done + self._release_ready()

    def _drop(self, frame: PoseFrame, reason: Fault) -> None:
        self._unused.add(reason, frame)
        self._count(reason)

    def finish(self) -> list[Ordered]:
        """Releases what is held, in order, giving up on what is missing."""
        out: list[Ordered] = []
        while self._held:
            out += self._skip_to_first_held()
        return out

    def _begin(self, frame: PoseFrame) -> None:
        self._epoch, self._next_seq = frame.epoch, max(frame.seq - _RECENT // 2, 0)
        self._opening = True
        self._held = {frame.seq: frame}
        self._recent.clear()
        self._refused.clear()
        self._stepped.clear()
        self._last_stamp = self._step = self._step_before = None
        self._strangers, self._stranger = 0, False
        self._old_run = None

    def _late(self, frame: PoseFrame) -> list[Ordered]:
        """A number that had its turn: doubled, too late, or a publisher that began again without a new epoch."""
        if frame.seq in self._held or self._recent.get(frame.seq) == frame.stamp:
            self._drop(frame, Fault.DUPLICATE)
            return []
        # A number that went to a frame of another moment, or an old number with a stamp of today.
        oldest = next(iter(self._recent), 0)
        if frame.seq in self._recent or (frame.seq < oldest and frame.stamp > self._recent[oldest]):
            self._stranger = True
        if self._stranger and self._strangers >= self._agree:
            self._drop(frame, Fault.TWO_PUBLISHERS)
        else:
            self._drop(frame, Fault.LATE)
        last = self._last_stamp
        if last is not None and last - self._jump <= frame.stamp <= last:
            return []
        if self._refused and frame.seq <= self._refused[-1].seq:
            self._refused.clear()
        self._refused.append(frame)
        if len(self._refused) < self._agree:
            return []
        self._count(Fault.RESTART_WITHOUT_EPOCH)
        done = self.finish()
        self._restart = PairEnd.SOURCE_RESTART
        self._begin(frame)
        return done + self._release_ready()

    def _release_ready(self) -> list[Ordered]:
        out = self._release_run()
        while self._held:
            stamps = [f.stamp for f in self._held.values()]
            # The span of all that is held, not its age: one stamp hours ahead, or stamps that stand still, would
            # otherwise hold a source back for ever.
            in_time = max(stamps) - min(stamps) < self._reorder
            if in_time and max(len(stamps), min(self._held) - self._next_seq) < _RECENT:
                break
            out += self._skip_to_first_held()
        return out

    def _skip_to_first_held(self) -> list[Ordered]:
        if not self._opening:
            self._count(Fault.SEQ_GAP)
        self._next_seq = min(self._held)
        return self._release_run()

    def _release_run(self) -> list[Ordered]:
        out: list[Ordered] = []
        while (frame := self._held.pop(self._next_seq, None)) is not None:
            self._opening = False
            self._recent[self._next_seq] = frame.stamp
            if len(self._recent) > _RECENT:
                del self._recent[next(iter(self._recent))]
            self._next_seq += 1
            if self._believes(frame):
                out.append(Ordered(frame, self._restart))
                self._restart = None
                if self._last_stamp is not None:
                    self._step_before, self._step = self._step, abs(frame.stamp - self._last_stamp)
                self._last_stamp, self._domain = frame.stamp, frame.clock
                if self._unused.frames:
                    self._unused.clear()
            if frame.stamp < _NOT_NS and frame.clock == "unix" and self.wrong_unit is not None:
                self._count(Fault.WRONG_UNIT)
        return out

    def _believes(self, frame: PoseFrame) -> bool:
        """Whether the stamp can follow the last one; a far step is believed once enough frames agree on it."""
        last = self._last_stamp
        if last is None:
            return True
        step = frame.stamp - last
        if 0 < step <= self._jump:
            self._stepped.clear()
            return True
        if -self._gap <= step <= 0:
            self._step = self._step or 0
            self._drop(frame, Fault.STAMP_NOT_INCREASING)
            return False
        self._drop(frame, Fault.STAMP_JUMP_AHEAD if step > 0 else Fault.STAMP_JUMP_BACK)
        if self._stepped and not 0 < frame.stamp - self._stepped[-1].stamp <= self._gap:
            self._stepped.clear()
        self._stepped.append(frame)
        if len(self._stepped) < self._agree:
            return False
        self._stepped.clear()
        self._restart = PairEnd.CLOCK_STEP
        return True
