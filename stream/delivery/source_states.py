"""The latest state of every source, as a smart home shows it; made of what the detector publishes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from dyadwatch.core.iso_time import moment
from dyadwatch.stream.codes import AttentionKind, IncidentKind, Severity, SourceState
from dyadwatch.stream.delivery.wording import Wording
from dyadwatch.stream.messages import AttentionMessage, IncidentMessage, Message, ScoreMessage, StatusMessage
from dyadwatch.stream.names import DETECTOR

_RECENT_S = 2.0  # a score that is older says nothing of now
_GONE_S = 10.0  # a source that statuses leave out for so long is watched no more
_SILENT = (IncidentKind.SOURCE_SILENT, IncidentKind.SOURCE_MISSING)
_MOST_TEXT = 250  # characters; Home Assistant keeps 255


class Shown(Struct, frozen=True, kw_only=True):
    """What is shown of a source.

    Arguments:
        problem: ON while an incident is open that is grave enough, about people or about the source itself; not for
            one in shadow, which is told of and nobody's business.
        severity: of the gravest such that is open; none without one.
        shadow: whether the detector is on trial, so that nothing is a problem.
        state: watching, behind, blind or silent.
        why: it is blind or silent; else empty.
        people, pairs: in view.
        score: the highest of the last two seconds; null where nothing is scored.
        incidents: ids of those that are open.
        acknowledged: whether somebody takes care of all that is open.
        snoozed_until: ISO 8601; null where calls are not held back.
        last_incident: the latest in words; empty for none in this run.
        last_incident_at: when it began, ISO 8601; null for none.
    """

    problem: str
    severity: str
    shadow: bool
    state: str
    why: str
    people: int
    pairs: int
    score: float | None
    incidents: tuple[str, ...]
    acknowledged: bool
    snoozed_until: str | None
    last_incident: str
    last_incident_at: str | None


# A source that an earlier run of the detector watched, and this one has not heard yet.
ABSENT = Shown(
    problem="OFF",
    severity="none",
    shadow=False,
    state=str(SourceState.SILENT),
    why="nothing has come from it since the detector started",
    people=0,
    pairs=0,
    score=None,
    incidents=(),
    acknowledged=False,
    snoozed_until=None,
    last_incident="",
    last_incident_at=None,
)


@dataclass(slots=True)
class _Source:
    """What is known of one source."""

    seen: float  # monotonic seconds of the latest word of it
    status: StatusMessage | None = None
    open: dict[str, IncidentMessage] = field(default_factory=lambda: dict[str, IncidentMessage]())
    acknowledged: set[str] = field(default_factory=lambda: set[str]())
    snoozed: int = 0  # unix ns
    score: float = 0.0
    scored: float = -1e9  # monotonic seconds
    last: tuple[str, int] | None = None  # words, unix ns


class SourceStates:
    """Follows all sources. It belongs to one thread.

    Arguments:
        wording: how the latest incident is reported.
        least: severity of incidents that are a problem.
        clock, unix: monotonic seconds, and unix ns.
    """

    def __init__(
        self,
        wording: Wording,
        least: Severity,
        clock: Callable[[], float] = time.monotonic,
        unix: Callable[[], int] = time.time_ns,
    ) -> None:
        self._wording = wording
        self._least = least
        self._clock = clock
        self._unix = unix
        self._sources: dict[str, _Source] = {}
        self._told = clock()  # when any status came

    def take(self, messages: Sequence[Message]) -> set[str]:
        """Takes messages; gives the sources of which something changed that is to be shown at once."""
        urgent: set[str] = set()
        for m in messages:
            if isinstance(m, StatusMessage):
                self._told = self._clock()
            if m.source == DETECTOR:
                continue
            match m:
                case ScoreMessage():
                    self._score(m)
                case StatusMessage():
                    source = self._of(m.source)
                    if source.status is None or source.status.state is not m.state:
                        urgent.add(m.source)
                    source.status, source.seen = m, self._clock()
                case IncidentMessage():
                    self._incident(m)
                    urgent.add(m.source)
                case AttentionMessage():
                    self._attention(m)
                    urgent.add(m.source)
                case _:
                    pass
        return urgent & self._sources.keys()

    def names(self) -> list[str]:
        """All sources that are watched."""
        return list(self._sources)

    def gone(self) -> list[str]:
        """Sources that are watched no more; they are forgotten here."""
        gone = [name for name, s in self._sources.items() if self._told - s.seen > _GONE_S and not s.open]
        for name in gone:
            del self._sources[name]
        return gone

    def open_of(self, source: str) -> tuple[str, ...]:
        """Ids of the incidents of a source that are open."""
        return tuple(self._sources[source].open) if source in self._sources else ()

    def of(self, name: str) -> Shown:
        """What is shown of a source."""
        s = self._sources[name]
        graves = [m for m in s.open.values() if m.severity.rank >= self._least.rank and not m.shadow]
        worst = max((m.severity for m in graves), key=lambda severity: severity.rank, default=None)
        state, why = self._state(s)
        last = s.last or ("", 0)
        return Shown(
            problem="ON" if graves else "OFF",
            severity="none" if worst is None else str(worst),
            shadow=s.status is not None and s.status.shadow,
            state=state,
            why=why[:_MOST_TEXT],
            people=s.status.people if s.status is not None and state in ("watching", "behind") else 0,
            pairs=s.status.pairs if s.status is not None and state in ("watching", "behind") else 0,
            score=round(s.score, 1) if self._clock() - s.scored < _RECENT_S else None,
            incidents=tuple(s.open),
            acknowledged=bool(s.open) and s.open.keys() <= s.acknowledged,
            snoozed_until=moment(s.snoozed) if s.snoozed > self._unix() else None,
            last_incident=last[0],
            last_incident_at=moment(last[1]) if last[1] else None,
        )

    def _of(self, name: str) -> _Source:
        return self._sources.setdefault(name, _Source(seen=self._clock()))

    def _score(self, m: ScoreMessage) -> None:
        source, now = self._of(m.source), self._clock()
        if m.score >= source.score or now - source.scored > 1.0:
            source.score, source.scored = m.score, now

    def _incident(self, m: IncidentMessage) -> None:
        if m.type == "close" and m.source not in self._sources:
            return  # of an earlier run
        source = self._of(m.source)
        source.seen = self._clock()
        if m.type == "close":
            source.open.pop(m.id, None)
            source.acknowledged.discard(m.id)
        else:
            source.open[m.id] = m
        source.last = (self._wording.about(m, self._unix())[:_MOST_TEXT], m.start if m.clock == "unix" else 0)

    def _attention(self, m: AttentionMessage) -> None:
        source = self._sources.get(m.source)
        if source is None:
            return
        match m.what:
            case AttentionKind.ACKNOWLEDGED:
                source.acknowledged |= set(m.incidents)
            case AttentionKind.SNOOZED if not m.incidents:
                source.snoozed = m.until or 0
            case AttentionKind.CALL | AttentionKind.ESCALATED:
                source.acknowledged -= set(m.incidents)
            case _:
                pass

    def _state(self, s: _Source) -> tuple[str, str]:
        """Incidents about the source itself are reported sooner than its status changes."""
        for about, state in ((_SILENT, SourceState.SILENT), ((IncidentKind.SOURCE_BLIND,), SourceState.BLIND)):
            found = next((m for m in s.open.values() if m.about in about), None)
            if found is not None:
                return str(state), found.explanation
        if s.status is None:
            return str(SourceState.WATCHING), ""
        return str(s.status.state), s.status.blind.text if s.status.blind is not None else ""
