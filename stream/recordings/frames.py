"""The frames in a recording, each source's in the order of its numbers and stamps, for those who have no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator

from dyadwatch.core.errors import WireError
from dyadwatch.core.pose import PoseFrame
from dyadwatch.stream.clock import Ordered, SourceClock
from dyadwatch.stream.codes import Reason
from dyadwatch.stream.config import ClockOptions, WireOptions
from dyadwatch.stream.recordings.channels import Ended
from dyadwatch.stream.recordings.playback import NewRun, Playback
from dyadwatch.stream.recordings.queue import Received
from dyadwatch.stream.recordings.reader import Entry
from dyadwatch.stream.recordings.refused import decode_received


class OrderedFrames:
    """Iterates over (frame, whether it begins afresh and cannot be joined to the one before of its source).

    Arguments:
        playback: what to read.
        source: only this one; None for all.
        leave_out: sources that somebody else sees to.
        wire: limits of a message.
        clock: rules of order.

    Attributes:
        dropped: frames and messages left out, by reason.
    """

    def __init__(
        self,
        playback: Playback,
        source: str | None = None,
        wire: WireOptions | None = None,
        clock: ClockOptions | None = None,
        leave_out: Container[str | None] = (),
    ) -> None:
        self._playback = playback
        self._source = source
        self._leave_out = leave_out
        self._wire = wire or WireOptions()
        self._clock = clock or ClockOptions()
        self._clocks: dict[str, SourceClock] = {}
        self._begun: set[str] = set()
        self.dropped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[tuple[PoseFrame, bool]]:
        for entry in self._playback:
            yield from self.take(entry)
        yield from self.finish()

    def take(self, entry: Entry | NewRun) -> Iterator[tuple[PoseFrame, bool]]:
        """The frames whose turn it is with the next entry of the recording."""
        if isinstance(entry, Received):
            yield from self._received(entry)
        elif isinstance(entry, NewRun):
            yield from self.finish()
        elif isinstance(entry.what, Ended) and entry.what.source in self._clocks:
            yield from self._end(entry.what.source)

    def finish(self) -> Iterator[tuple[PoseFrame, bool]]:
        """The frames that still waited for others, once there are no more entries."""
        for source in list(self._clocks):
            yield from self._end(source)

    def _received(self, entry: Received) -> Iterator[tuple[PoseFrame, bool]]:
        if entry.source in self._leave_out or (self._source is not None and entry.source != self._source):
            return
        try:
            frame = decode_received(entry, self._wire)
        except WireError as e:
            self.dropped[e.reason] += entry.counts
            return
        clock = self._clocks.get(frame.source)
        if clock is None:
            clock = self._clocks[frame.source] = SourceClock(self._clock, self._count)
        yield from self._given(clock.push(frame))

    def _given(self, frames: list[Ordered]) -> Iterator[tuple[PoseFrame, bool]]:
        for frame, restart in frames:
            fresh = restart is not None or frame.source not in self._begun
            self._begun.add(frame.source)
            yield frame, fresh

    def _end(self, source: str) -> Iterator[tuple[PoseFrame, bool]]:
        yield from self._given(self._clocks.pop(source).finish())
        self._begun.discard(source)

    def _count(self, reason: Reason) -> None:
        self.dropped[reason] += 1
