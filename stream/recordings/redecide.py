"""Decides again on recorded scores: the alarm tracker of the live path with other thresholds or times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.alarms.alarm_tracker import AlarmTracker
from dyadwatch.stream.configuration.config import AlarmOptions
from dyadwatch.stream.items import Pair, PairEnded, Window
from dyadwatch.stream.messages import EventMessage, EventRule
from dyadwatch.stream.recordings.recorded_scores import RecordedScores
from dyadwatch.stream.scoring.scorer import Score

_NOTHING = np.zeros((1, 1), np.float32)
_NO_JOINTS = np.zeros((2, 1, 1, 3), np.float32)
_DOUBT = (Finding(Oddity.FROZEN),)  # which is not recorded, and makes no difference
_SURELY = 1e-6  # sums in another order differ by far less


def redecide(recorded: RecordedScores, thresholds: Thresholds, options: AlarmOptions) -> list[EventMessage]:
    """The events that a detector would have told, in the order of their stamps; which joints is not known again.

    Arguments:
        recorded: what it told of scores.
        thresholds: in its place.
        options: the section `alarm` in its place; its thresholds do not count.
    """
    log = recorded.log
    near = log.evidence(thresholds.by_rule) >= 1 - _SURELY
    # Where nothing comes near, the tracker has nothing to do: the evidence begins anew after it.
    starts = np.flatnonzero(log.place == 0)
    busy = np.maximum.reduceat(near, starts) if len(starts) else near
    ends = np.r_[starts[1:], len(log)]
    events: list[EventMessage] = []
    first = 0
    for number, (track, ending) in enumerate(zip(log.tracks, recorded.endings, strict=True)):
        offset, first = first, first + len(track.stamps)
        mine = slice(*np.searchsorted(starts, [offset, first]))
        if not busy[mine].any():
            continue
        desk = AlarmTracker(options, thresholds, ("",), recorded.model, log.hop_s, log.pause_s)
        pair = Pair(track.pair, (number, number))
        for start, end, wanted in zip(starts[mine], ends[mine], busy[mine], strict=True):
            if wanted or desk.open_events:
                for i in range(start - offset, end - offset):
                    stamp = int(track.stamps[i])
                    score, relation, unusual, timing = track.parts[i].tolist()
                    doubts = _DOUBT if log.doubtful[i + offset] else ()
                    window = Window(track.source, pair, stamp, stamp, _NO_JOINTS, track.clock, 0, doubts)
                    events += desk.scored(window, Score(score, relation, unusual, _NOTHING, _NOTHING, timing))
        events += desk.ended(PairEnded(track.source, pair, ending.stamp, track.clock, ending.reason))
    return sorted(events, key=lambda e: (e.stamp, e.source, e.id))


@dataclass(frozen=True, slots=True)
class Happening:
    """An event from its opening to its close.

    Arguments:
        id, source, pair, clock: as it was reported.
        start, opened, closed: ns of that clock; when it began, when it was reported, and when it closed.
        evidence: the most.
        rule, threshold: what that came from, and its level.
    """

    id: str
    source: str
    pair: tuple[TrackId, TrackId]
    clock: str
    start: int
    opened: int
    closed: int
    evidence: float
    rule: EventRule
    threshold: float

    @property
    def seconds(self) -> float:
        """From its start to its close."""
        return (self.closed - self.start) / NS

    def overlaps(self, other: Happening) -> bool:
        """Whether both are about one pair at one time."""
        same = self.source == other.source and set(self.pair) == set(other.pair)
        return same and self.start <= other.closed and other.start <= self.closed


def happenings(events: Sequence[EventMessage]) -> list[Happening]:
    """The events that messages are about, in the order in which they opened."""
    opened: dict[str, EventMessage] = {}
    last: dict[str, EventMessage] = {}
    for event in events:
        opened.setdefault(event.id, event)
        last[event.id] = event
    return [
        Happening(e.id, e.source, e.pair, e.clock, e.start, e.stamp, (end := last[e.id]).stamp, end.evidence, end.rule,
                  end.threshold)
        for e in opened.values()
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Changes:
    """What other thresholds would change.

    Arguments:
        stay: events that come as before, perhaps earlier, later, longer or in pieces.
        go: events that would not have come.
        come: events that would have come besides.
    """

    stay: tuple[Happening, ...]
    go: tuple[Happening, ...]
    come: tuple[Happening, ...]


def compare(before: Sequence[Happening], after: Sequence[Happening]) -> Changes:
    """Which events stay, go and come."""
    return Changes(
        tuple(_among(after, before, wanted=True)),
        tuple(_among(before, after, wanted=False)),
        tuple(_among(after, before, wanted=False)),
    )


def _among(those: Sequence[Happening], others: Sequence[Happening], *, wanted: bool) -> Iterator[Happening]:
    by_source: dict[str, list[Happening]] = {}
    for other in others:
        by_source.setdefault(other.source, []).append(other)
    return (h for h in those if any(map(h.overlaps, by_source.get(h.source, ()))) is wanted)
