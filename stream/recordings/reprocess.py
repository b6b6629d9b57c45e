"""From a recording the scores and events of the live run, as fast as the machine goes.

What the live run decided by its own clock, that it gave up a silent source or was stopped, stands in the recording at
its place among the frames. Everything else depends on the frames and their order alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from dyadwatch.core.errors import WireError
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Fault, PairEnd
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.items import Item, Window
from dyadwatch.stream.messages import EventMessage, Message, StatusMessage
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.pipeline import LivePath
from dyadwatch.stream.recordings.channels import Ended
from dyadwatch.stream.recordings.playback import NewRun
from dyadwatch.stream.recordings.reader import Entry
from dyadwatch.stream.recordings.refused import decode_received
from dyadwatch.stream.recordings.write_queue import ReceivedMessage
from dyadwatch.stream.windows.source_line import SourceLine
from dyadwatch.stream.wire import topic_source

_AHEAD = 4  # batches that may wait to be scored
_MOST_FRAMES = 2048  # between two words to the listener


class Reprocess:
    """Runs a recording through the detector.

    Arguments:
        pipeline: fresh.
        config: the whole configuration, for the limits of the wire and the size of a batch.
        watch: called after every frame with its line and, where that is merged, with that of its group.

    Attributes:
        frames: taken in so far.
        recorded: the events that the live run published, as they were recorded.
        shed: windows that the live runs left out for overload, by source; their events may lack what they held.
    """

    def __init__(
        self, pipeline: LivePath, config: Config, watch: Callable[[SourceLine], None] = lambda line: None
    ) -> None:
        self._pipeline = pipeline
        self._watch = watch
        self._config = config
        self.frames = 0
        self._spans: dict[str | None, tuple[int, int]] = {}  # source -> (last stamp, ns without breaks)
        self.recorded: list[EventMessage] = []
        self.shed: dict[str, int] = {}
        self._shed_in_run: dict[str, int] = {}  # as the last status of each source told it

    @property
    def seconds(self) -> float:
        """Seconds of the longest source, by its own stamps without breaks."""
        return max((span for _, span in self._spans.values()), default=0) / NS

    def run(self, entries: Iterable[Entry | NewRun]) -> Iterator[list[Message]]:
        """The messages, in order. Frames are taken in on this thread and scored on another."""
        judge = self._pipeline.judge.judge
        waiting: deque[Future[list[Message]]] = deque()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="score") as pool:
            for items in self._batches(entries):
                waiting.append(pool.submit(judge, items))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _batches(self, entries: Iterable[Entry | NewRun]) -> Iterator[list[Item]]:
        items: list[Item] = []
        windows, since = 0, self.frames
        for entry in entries:
            new = self._take(entry)
            items += new
            windows += sum(isinstance(i, Window) for i in new)
            if windows >= self._config.scorer.max_batch or self.frames - since >= _MOST_FRAMES:
                yield items
                items, windows, since = [], 0, self.frames
        yield items + self._pipeline.intake.finish(PairEnd.END_OF_STREAM)

    def _take(self, entry: Entry | NewRun) -> list[Item]:
        intake = self._pipeline.intake
        if isinstance(entry, ReceivedMessage):
            self.frames += 1
            last, span = self._spans.get(entry.source, (entry.stamp, 0))
            step = entry.stamp - last
            self._spans[entry.source] = (entry.stamp, span + step if 0 < step < NS else span)
            try:
                frame = decode_received(entry, self._config.wire)
            except WireError as e:
                self._pipeline.counters.add(self._blame(entry.parts), e.reason, entry.counts)
                return []
            items = intake.push(frame, time.monotonic_ns())
            line = intake.lines.get(frame.source)
            if line is not None:
                self._watch(line)
            group = intake.group_of.get(frame.source)
            if group is not None:
                self._watch(intake.lines[group.name])
            return items
        if isinstance(entry, NewRun):
            items = intake.finish(PairEnd.END_OF_STREAM)
            intake.clear()
            self._shed_in_run.clear()
            return items
        if isinstance(entry.what, Ended):
            known = entry.what.source in intake.lines
            return intake.forget(entry.what.source, PairEnd(entry.what.reason)) if known else []
        if isinstance(entry.what, EventMessage):
            self.recorded.append(entry.what)
        elif isinstance(entry.what, StatusMessage):
            self._count_shed(entry.what.source, entry.what.dropped.get(Fault.SHED_OVERLOAD, 0))
        return []

    def _count_shed(self, source: str, told: int) -> None:
        """Adds what a status tells beyond the one before; it counts from the beginning of its run."""
        before = self._shed_in_run.get(source, 0)
        self._shed_in_run[source] = told
        new = told - before if told >= before else told  # a merged file does not say where a run ends, its counts do
        if new:
            self.shed[source] = self.shed.get(source, 0) + new

    def _blame(self, parts: list[bytes]) -> str:
        """As the live receiver does: what nobody known sent is attributed to the detector."""
        try:
            source = topic_source(parts[0])
        except (WireError, IndexError):
            return DETECTOR
        return source if source in self._pipeline.intake.lines else DETECTOR
