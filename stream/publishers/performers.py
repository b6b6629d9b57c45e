"""Persons who come one by one, each on a clock of their own, become the people of one source."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.pose import PoseFrame, TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import SenderReason
from dyadwatch.stream.health.clock_offset import ClockOffset
from dyadwatch.stream.publishers.live import LiveFrame, Refusals
from dyadwatch.stream.publishers.publisher import check_source

_LONGEST_GAP_NS = NS // 2  # nobody is made up between two sightings farther apart
_KEPT_NS = 3 * NS
_SILENT_NS = 2 * NS
_BEHIND_S = 1.0  # frames that are due for longer are given up


class _Performer:
    """One person's recent poses, by own stamp."""

    def __init__(self) -> None:
        self.clock = ClockOffset()
        self.poses: deque[tuple[int, NDArray[np.float32], NDArray[np.float32]]] = deque()
        self.heard = 0

    def at(self, now: int) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Joints and confidence at a moment of the receiver's clock, between two sightings; None where unknown."""
        offset = self.clock.offset
        if offset is None:
            return None
        moment = now - offset
        for (after, joints1, conf1), (before, joints0, conf0) in zip(
            reversed(self.poses), list(reversed(self.poses))[1:], strict=False
        ):
            if before <= moment <= after:
                if after - before > _LONGEST_GAP_NS:
                    return None
                part = (moment - before) / (after - before)
                joints = (1 - part) * joints0 + part * joints1
                return np.asarray(joints, np.float32), np.asarray(np.minimum(conf0, conf1), np.float32)
        return None


def check_timing(fps: float, delay_s: float) -> None:
    """Refuses a rate or a delay out of range.

    Raises:
        ConfigError: naming which.
    """
    if not 1 <= fps <= 240:
        raise ConfigError(f"fps is {fps:g}; expected 1 to 240")
    if not 0 <= delay_s <= 1:
        raise ConfigError(f"delay is {delay_s:g}; expected 0 to 1 second")


class Performers:
    """Merges persons into the frames of one source, at a declared rate on the receiver's own clock.

    Each person's clock is put beside the receiver's by `ClockOffset`; the pose at each moment lies between that
    person's two sightings around it. A person without such is not in the frame.

    Arguments:
        source: name of the source.
        ids: of the persons, in order.
        layout: of all of them.
        fps: frames a second, on whole multiples of 1/fps since 1970.
        delay_s: how long after a moment its frame is made. Too low, and the later sighting has not come yet: people
            flicker; too high, and alarms come later. Two frames of the slowest sender and its jitter do well.
        refusals: counts clock steps and of stamps that are not believed.

    Raises:
        ConfigError: for a bad name, doubled ids, or numbers out of range.
    """

    def __init__(
        self,
        source: str,
        ids: Sequence[TrackId],
        layout: Layout,
        *,
        fps: float,
        delay_s: float,
        refusals: Refusals,
    ) -> None:
        if len(set(map(str, ids))) != len(ids) or not ids:
            raise ConfigError(f"names are {', '.join(map(str, ids)) or 'none'}; expected each person's own, once")
        check_timing(fps, delay_s)
        check_source(source)
        self._source = source
        self._ids = tuple(ids)
        self.layout = layout
        self._fps = fps
        # Whole numbers: nanoseconds since 1970 are beyond what a float holds exactly.
        self._rate = Fraction(fps).limit_denominator(10_000)
        self._delay = round(delay_s * NS)
        self._refusals = refusals
        self._performers = [_Performer() for _ in ids]
        self._tick: int | None = None
        self._seq = 0

    def clocks(self) -> dict[str, ClockOffset]:
        """The clock of each person, by id."""
        return {str(i): p.clock for i, p in zip(self._ids, self._performers, strict=True)}

    def add(self, who: int, frame: PoseFrame, arrived: int) -> None:
        """Takes a person's pose, stamped on their own clock, and when it came, unix ns."""
        performer, name = self._performers[who], self._ids[who]
        performer.heard = arrived
        steps = performer.clock.steps
        if not performer.clock.add(frame.stamp, arrived):
            text = f"{name}: a stamp is a second or more off its clock; the pose is left out"
            self._refusals.add(self._source, SenderReason.STAMP_JUMP, text)
            return
        if performer.clock.steps > steps:
            performer.poses.clear()
            self._refusals.add(
                self._source, SenderReason.CLOCK_STEP, f"{name}: the clock was set; it is measured afresh"
            )
        poses = performer.poses
        if poses and frame.stamp <= poses[-1][0]:
            text = f"{name}: a stamp is not later than the one before; the pose is left out"
            self._refusals.add(self._source, SenderReason.STAMP_NOT_INCREASING, text)
            return
        poses.append((frame.stamp, frame.joints[0], frame.confidence[0]))
        while poses[0][0] < frame.stamp - _KEPT_NS:
            poses.popleft()

    def due(self, now: int) -> Iterator[LiveFrame]:
        """The frames whose time has come by `now`, unix ns; none while nobody is heard of."""
        latest = (now - self._delay) * self._rate.numerator // (self._rate.denominator * NS)
        if now - max(p.heard for p in self._performers) > _SILENT_NS:
            self._tick = None
            return
        if self._tick is None or abs(latest - self._tick) > _BEHIND_S * self._fps:
            self._tick = latest - 1
        while self._tick < latest:
            self._tick += 1
            yield LiveFrame(self._frame(self._tick), self._fps)

    def _frame(self, tick: int) -> PoseFrame:
        stamp = tick * NS * self._rate.denominator // self._rate.numerator
        here = [(i, pose) for i, p in zip(self._ids, self._performers, strict=True) if (pose := p.at(stamp))]
        joints = np.zeros((len(here), len(self.layout), 3), np.float32)
        confidence = np.zeros(joints.shape[:2], np.float32)
        for k, (_, (points, sure)) in enumerate(here):
            joints[k], confidence[k] = points, sure
        confidence[np.isnan(joints[..., 0])] = 0
        self._seq += 1
        ids = tuple(i for i, _ in here)
        return PoseFrame(self._source, 0, self._seq - 1, stamp, "unix", self.layout, joints, confidence, ids)
