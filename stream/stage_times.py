"""How long each stage of the live path takes, for metrics: a few readings of the clock a message, and no lock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from dyadwatch.core.units import NS
from dyadwatch.stream.items import Item, Window

BOUNDS_S = (
    25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
_BOUNDS = [round(bound * NS) for bound in BOUNDS_S]
_MOST_WAITING = 10_000  # frames with windows whose end was not seen: those that were shed


class PathStage(StrEnum):
    """A stage of the live path, in the order of a frame."""

    RECEIVE = "receive"  # of a frame: from its arrival until it was checked
    TRACK = "track"  # of a frame: its order, who is who, which pairs
    WINDOW = "window"  # of a frame: the windows of its pairs
    QUEUE = "queue"  # of a frame that completed windows: until the first is taken
    SCORE = "score"  # of a batch: the model
    JUDGE = "judge"  # of a batch: events, incidents, explanations


class HistogramState(NamedTuple):
    """Counts by bucket of `BOUNDS_S`, those above all bounds last, and the sum in seconds."""

    counts: Sequence[int]
    sum_s: float


class DurationHistogram:
    """Durations counted by bucket. Written by one thread; read by any, whose view may lack the latest."""

    __slots__ = ("_counts", "_sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS) + 1)
        self._sum = 0

    def add(self, ns: int) -> None:
        """Counts a duration."""
        self._counts[bisect_left(_BOUNDS, ns)] += 1
        self._sum += ns

    def state(self) -> HistogramState:
        """What was counted so far."""
        return HistogramState(tuple(self._counts), self._sum / NS)


class StageTimes:
    """The durations of all stages, and of all sinks.

    A stage belongs to the one thread that it runs on. Moments are monotonic ns.
    """

    def __init__(self) -> None:
        self._receive, self._track, self._window, self._queue, self._score, self._judge = self._all = [
            DurationHistogram() for _ in PathStage
        ]
        self._sinks: dict[str, DurationHistogram] = {}
        self._queued: dict[int, int] = {}  # arrival of a frame that completed windows -> when they were queued

    def followed(self, arrived: int, checked: int, tracked: int, done: int, due: int, items: Sequence[Item]) -> None:
        """A frame passed the first half; on the thread that receives, before its items are queued.

        Arguments:
            arrived: when it came.
            checked: when it was decoded and its turn came.
            tracked: when its people were followed.
            done: when its windows were cut.
            due: when it should have come, which its windows name their arrival.
            items: what it led to.
        """
        self._receive.add(checked - arrived)
        self._track.add(tracked - checked)
        self._window.add(done - tracked)
        if items and any(isinstance(item, Window) for item in items):
            if len(self._queued) >= _MOST_WAITING:
                self._queued.clear()
            self._queued[due] = done

    def judged(self, items: Sequence[Item], taken: int, scored: int, done: int) -> None:
        """A batch passed the second half; on the thread that scores.

        Arguments:
            items: of the batch.
            taken: when they were taken out of the queue.
            scored: when the model had scored the windows among them.
            done: when there was nothing more to conclude.
        """
        queued, windows = self._queued, False
        for item in items:
            if isinstance(item, Window):
                windows = True
                since = queued.pop(item.arrived, None)
                if since is not None:
                    self._queue.add(taken - since)
        if windows:
            self._score.add(scored - taken)
            self._judge.add(done - scored)

    def emitted(self, sink: str, ns: int) -> None:
        """A sink has taken what waited for it, the oldest for so long; on the sink's own thread."""
        found = self._sinks.get(sink)
        if found is None:
            found = self._sinks[sink] = DurationHistogram()
        found.add(ns)

    def stages(self) -> dict[str, HistogramState]:
        """All stages by name; from any thread."""
        return {str(stage): times.state() for stage, times in zip(PathStage, self._all, strict=True)}

    def sinks(self) -> dict[str, HistogramState]:
        """All sinks by name; from any thread."""
        return {name: times.state() for name, times in list(self._sinks.items())}
