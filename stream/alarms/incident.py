"""One happening among people: its pairs, what speaks for each, how grave it is. All in event time."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple

from msgspec import structs

from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import SEVERITIES, IncidentKind, IncidentReason, Severity
from dyadwatch.stream.configuration.config import IncidentOptions
from dyadwatch.stream.messages import EventMessage, IncidentMessage, IncidentPair
from dyadwatch.stream.texts import INCIDENT

_MOST_EVENTS = 16  # ids of events kept of a pair
_MOST_PAIRS = 16  # pairs kept of an incident, beside those with an open event
_WORTH_A_SECOND = 0.05  # of an open event that has just enough evidence

Place = tuple[tuple[float, float], tuple[float, float]]  # of the two people on the floor, x and z, metres


class PairStanding(NamedTuple):
    """Where the two of a window are at its end, and how far apart on the floor they were in all of it, metres."""

    place: Place
    apart_m: float


PairIds = tuple[TrackId, TrackId]


class IncidentState(Enum):
    """What an incident is doing."""

    OPEN = "open"  # an event of it is open
    LINGERING = "lingering"  # none is; for linger_s another may still belong to it
    CLOSED = "closed"


@dataclass(slots=True)
class PairRecord:
    """What is known of a pair of an incident.

    Arguments:
        pair: the ids of the two.
        start: ns, of its first event.
        events: ids of its events, the latest ones.
        open: id of its open event; None for none.
        end: ns, of its last event once that has closed.
        highest: the message of its highest event; None before the first.
        most: evidence of its events.
        evidence: what was above that which raises an alarm, integrated over seconds.
        seen: ns up to which it is integrated.
        apart_m: metres between the two when its first event opened: later the one may have fled, or lie on the floor.
        place: where the two were last.
    """

    pair: PairIds
    start: int
    events: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_EVENTS))
    open: str | None = None
    end: int | None = None
    highest: EventMessage | None = None
    most: float = 0.0
    evidence: float = 0.0
    seen: int = 0
    apart_m: float = 0.0
    place: Place | None = None

    @property
    def weight(self) -> float:
        """By which pairs are ranked: the evidence, and a factor e less of it for every metre between the two.

        When somebody falls or strikes, all that person's pairs score alike; the one it happens to stands nearest.
        """
        return (self.evidence + _WORTH_A_SECOND) * math.exp(-self.apart_m)

    def note(self, event: EventMessage) -> None:
        """Takes what a message of an event of this pair tells."""
        if event.id != self.open and event.type != "close":
            self.open = event.id
            self.events.append(event.id)
            self.end = None
            self.seen = max(self.seen, event.start)
        self._add(event)
        self.most = max(self.most, event.evidence)
        if self.highest is None or event.peak_score > self.highest.peak_score:
            self.highest = event
        if event.type == "close":
            self.open = None
            self.end = event.end

    def _add(self, event: EventMessage) -> None:
        """Takes the evidence for that of all the time since the last one; of a close only up to the event's end."""
        until = event.stamp if event.end is None else event.end
        if until > self.seen:
            excess = max(event.evidence - 1, 0.0) + _WORTH_A_SECOND
            self.evidence += excess * (until - self.seen) / NS
            self.seen = until

    def stood(self, standing: PairStanding) -> None:
        """Takes where the two were in a window of an event."""
        if self.place is None:
            self.apart_m = standing.apart_m
        self.place = standing.place

    @property
    def peak_score(self) -> float:
        """Of its highest event."""
        return 0.0 if self.highest is None else self.highest.peak_score

    def message(self) -> IncidentPair:
        """As the messages carry it."""
        highest = self.highest
        assert highest is not None, "a pair is told of only once an event was noted"
        return IncidentPair(
            pair=self.pair,
            events=tuple(self.events),
            open=self.open is not None,
            start=self.start,
            end=None if self.open is not None else self.end,
            peak_score=highest.peak_score,
            peak_stamp=highest.peak_stamp,
            relation=highest.relation,
            unusual=highest.unusual,
            rule=highest.rule,
            evidence=round(self.evidence, 3),
            apart_m=round(self.apart_m, 2),
            joints=highest.joints,
            limb=highest.limb,
            explanation=highest.explanation,
        )


class Incident:
    """One happening of one source.

    Arguments:
        event: that opened it.
        options: the section `incidents` of the configuration.

    Attributes:
        id: made of the first event's, so that it is the same in every replay.
        state: changed by the tracker alone.
        since: ns at which its last event closed, while it lingers.
        options: as given; the tracker may change them.
        severity: it never falls.
        pairs: by the ids of the two.
        events: how many it had.
        published_at: ns of its last message; 0 before the first.
    """

    def __init__(self, event: EventMessage, options: IncidentOptions) -> None:
        self.id = hashlib.blake2b(f"incident|{event.id}".encode(), digest_size=8).hexdigest()
        self.source, self.clock, self.model = event.source, event.clock, event.model
        self.start = event.start
        self.state = IncidentState.OPEN
        self.since = 0
        self.severity = Severity.NOTICE
        self.pairs: dict[PairIds, PairRecord] = {}
        self.events = 0
        self.published_at = 0
        self.options = options
        self._last = event.start  # of an event, however it stands now

    @property
    def people(self) -> set[TrackId]:
        """Everybody involved."""
        return {person for pair in self.pairs for person in pair}

    @property
    def open_events(self) -> int:
        """How many events of it are open."""
        return sum(record.open is not None for record in self.pairs.values())

    def note(self, event: EventMessage) -> PairRecord:
        """Takes a message of an event that belongs to it; returns the record of its pair."""
        record = self.pairs.get(event.pair)
        if record is None:
            record = self.pairs[event.pair] = PairRecord(event.pair, event.start)
            self._forget_least()
        self.events += event.type != "close" and event.id != record.open
        record.note(event)
        self.start = min(self.start, event.start)
        self._last = max(self._last, event.stamp if event.end is None else event.end)
        return record

    def absorb(self, other: Incident) -> None:
        """Takes over all that belongs to another incident."""
        for pair, record in other.pairs.items():
            assert pair not in self.pairs, "no two open incidents share a person"
            self.pairs[pair] = record
        self.events += other.events
        self.start = min(self.start, other.start)
        self._last = max(self._last, other._last)
        self.severity = max(self.severity, other.severity, key=SEVERITIES.index)
        self._forget_least()

    def rises(self) -> bool:
        """Takes up the severity that its evidence asks for; whether it rose."""
        options = self.options
        above = max(r.most for r in self.pairs.values()) - 1
        lasted = (self._last - self.start) / NS
        if above >= options.critical_above or lasted >= options.critical_after_s:
            asked = Severity.CRITICAL
        elif above >= options.alarm_above or lasted >= options.alarm_after_s:
            asked = Severity.ALARM
        else:
            asked = Severity.NOTICE
        rose = asked.rank > self.severity.rank
        if rose:
            self.severity = asked
        return rose

    def tell(
        self,
        kind: Literal["open", "update", "close"],
        reason: IncidentReason,
        stamp: int,
        merged_into: str | None = None,
    ) -> IncidentMessage:
        """The message on a change."""
        self.published_at = stamp
        ranked = sorted(self.pairs.values(), key=lambda r: (-r.weight, r.start, str(r.pair)))
        peak = max(ranked, key=lambda r: r.peak_score)
        ends = [r.end for r in ranked if r.end is not None]
        return IncidentMessage(
            type=kind,
            id=self.id,
            about=IncidentKind.INTERACTION,
            source=self.source,
            clock=self.clock,
            severity=self.severity,
            start=self.start,
            end=max(ends, default=self._last) if kind == "close" else None,
            stamp=stamp,
            peak_score=peak.peak_score,
            peak_stamp=0 if peak.highest is None else peak.highest.peak_stamp,
            people=tuple(dict.fromkeys(person for r in ranked for person in r.pair)),
            pairs=tuple(r.message() for r in ranked),
            events=self.events,
            explanation="" if ranked[0].highest is None else ranked[0].highest.explanation,
            reason=reason,
            text=INCIDENT[reason],
            merged_into=merged_into,
            model=self.model,
        )

    def _forget_least(self) -> None:
        """Bounds the state: a source that gives people new ids would add pairs without an end."""
        closed = [r for r in self.pairs.values() if r.open is None and r.events]
        while len(self.pairs) > _MOST_PAIRS and closed:
            least = min(closed, key=lambda r: r.weight)
            closed.remove(least)
            del self.pairs[least.pair]


def in_shadow(incidents: Sequence[IncidentMessage]) -> list[IncidentMessage]:
    """As they are published where nobody is to be called about them."""
    return [structs.replace(m, shadow=True) for m in incidents]
