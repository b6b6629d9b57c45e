"""Sources that fall silent, never come or cannot be judged, as incidents; by the receiver's clock."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from msgspec import structs

from dyadwatch.core.finding import Finding
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import (
    AT_REST,
    Blindness,
    IncidentKind,
    IncidentReason,
    Severity,
    SourceState,
)
from dyadwatch.stream.configuration.config import IncidentOptions
from dyadwatch.stream.health.source_watch import SourceView
from dyadwatch.stream.messages import IncidentMessage, StatusMessage
from dyadwatch.stream.run import Run
from dyadwatch.stream.texts import INCIDENT, text_of

_WORTHY_FRAMES = 30  # a name that came with fewer opens no incident
# Nothing is wrong, or it is an incident of its own.
_OTHER = AT_REST | {Blindness.SILENT, Blindness.EXPECTED, Blindness.NOT_HEARD, Blindness.GROUP_NOT_HEARD}


class TroubleState(Enum):
    """How it stands with one kind of trouble of a source."""

    FINE = "fine"
    DOUBTED = "doubted"  # in trouble, not yet for long enough
    OPEN = "open"
    BETTER = "better"  # no longer in trouble, not yet for incidents.back_s


# (state, in trouble) -> (state while its time runs, state once that time is over)
TRANSITIONS: dict[tuple[TroubleState, bool], tuple[TroubleState, TroubleState]] = {
    (TroubleState.FINE, False): (TroubleState.FINE, TroubleState.FINE),
    (TroubleState.FINE, True): (TroubleState.DOUBTED, TroubleState.OPEN),
    (TroubleState.DOUBTED, False): (TroubleState.FINE, TroubleState.FINE),
    (TroubleState.DOUBTED, True): (TroubleState.DOUBTED, TroubleState.OPEN),
    (TroubleState.OPEN, False): (TroubleState.BETTER, TroubleState.FINE),
    (TroubleState.OPEN, True): (TroubleState.OPEN, TroubleState.OPEN),
    (TroubleState.BETTER, False): (TroubleState.BETTER, TroubleState.FINE),
    (TroubleState.BETTER, True): (TroubleState.OPEN, TroubleState.OPEN),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a source at one look.

    Arguments:
        about: the kind of incident.
        why: in one sentence.
        since: monotonic ns from which on it was so.
        wait: ns that it must last before it is reported.
    """

    about: IncidentKind
    why: str
    since: int
    wait: int


@dataclass(slots=True)
class _Watch:
    """One kind of trouble of one source."""

    state: TroubleState = TroubleState.FINE
    since: int = 0  # monotonic ns at which the present state was entered
    incident: IncidentMessage | None = None  # the open incident


class SourceIncidents:
    """The incidents of all sources themselves. It belongs to one thread.

    Arguments:
        options: the section `incidents` of the configuration.
        expected: sources that must be there; what is wrong with them is an alarm, with others a notice.
        run: the present one.
        began: monotonic ns.
    """

    def __init__(self, options: IncidentOptions, expected: Collection[str], run: Run, began: int) -> None:
        self._set(options, expected)
        self._run = run
        self._began = began
        self._watches: dict[tuple[str, bool], _Watch] = {}  # (source, whether it is about seeing) ->
        self._last_seen: dict[str, int] = {}  # unix ns

    def _set(self, options: IncidentOptions, expected: Collection[str]) -> None:
        self._options = options
        self._silent = round(options.silent_s * NS)
        self._back = round(options.back_s * NS)
        self._expected = frozenset(expected)

    def adopt(self, options: IncidentOptions, expected: Collection[str], wall: int) -> list[IncidentMessage]:
        """Switches to other options; a source that never came and is expected no more is missed no more."""
        dropped = self._expected - frozenset(expected) - self._last_seen.keys()
        self._set(options, expected)
        return [message for source in dropped for message in self._forget(source, wall)]

    def open(self, source: str) -> tuple[str, ...]:
        """Ids of the open incidents about a source."""
        found = (self._watches.get((source, seeing)) for seeing in (False, True))
        return tuple(watch.incident.id for watch in found if watch is not None and watch.incident is not None)

    def look(
        self, views: Sequence[SourceView], seen_at: int, statuses: Mapping[str, StatusMessage], now: int, wall: int
    ) -> list[IncidentMessage]:
        """Looks at all sources; returns what has changed.

        Arguments:
            views: of the sources.
            seen_at: monotonic ns at which the views were made: a station that stands still makes nobody silent.
            statuses: the latest of each source.
            now, wall: monotonic and unix ns.
        """
        out: list[IncidentMessage] = []
        here = {view.source: view for view in views}
        for source in self._expected - here.keys():
            out += self._step(source, False, self._gone(source, now, wall), now, wall)
        for source, view in here.items():
            if view.heard:
                self._last_seen[source] = wall - (now - view.heard)
            silent = self._silence(view, seen_at, now, wall)
            out += self._step(source, False, silent, now, wall)
            if silent is None:  # of one that is silent nobody knows whether it could be judged
                out += self._step(source, True, self._blindness(view, statuses.get(source), now), now, wall)
        for source in self._last_seen.keys() - here.keys() - self._expected:
            out += self._forget(source, wall)
        return out

    def finish(self, wall: int) -> list[IncidentMessage]:
        """Closes all that is open: the detector stops."""
        told = [watch.incident for watch in self._watches.values() if watch.incident is not None]
        self._watches.clear()
        return [self._close(m, IncidentReason.SHUTDOWN, wall) for m in told]

    def _gone(self, source: str, now: int, wall: int) -> Trouble | None:
        """Of an expected source that is not there: it never came, or was silent for so long that it is forgotten."""
        if source in self._last_seen:
            silence = max(wall - self._last_seen[source], 0)
            why = text_of(Finding(Blindness.SILENT, seconds=round(silence / NS, 1)))
            return Trouble(IncidentKind.SOURCE_SILENT, why, now, 0)
        why = text_of(Finding(Blindness.EXPECTED, seconds=round((now - self._began) / NS, 1)))
        return Trouble(IncidentKind.SOURCE_MISSING, why, self._began, round(self._options.missing_s * NS))

    def _silence(self, view: SourceView, seen_at: int, now: int, wall: int) -> Trouble | None:
        if not view.heard:
            return self._gone(view.source, now, wall) if view.source in self._expected else None
        silence = seen_at - view.heard
        if view.is_group or silence <= self._patience(view) or not self._counts(view):
            return None
        why = text_of(Finding(Blindness.SILENT, seconds=round(silence / NS, 1)))
        return Trouble(IncidentKind.SOURCE_SILENT, why, view.heard, self._silent)

    def _patience(self, view: SourceView) -> int:
        """Nanoseconds of silence that are none yet; fewer where it was silent: one frame does not bring it back."""
        watch = self._watches.get((view.source, False))
        if watch is None or watch.incident is None:
            return self._silent
        pace = round(3 * NS / view.fps) if view.fps else self._silent
        return min(max(self._back // 2, pace), self._silent)

    def _blindness(self, view: SourceView, status: StatusMessage | None, now: int) -> Trouble | None:
        if status is None or status.state is not SourceState.BLIND or status.blind is None:
            return None
        if status.blind.code in _OTHER or not (view.is_group or self._counts(view)):
            return None
        return Trouble(IncidentKind.SOURCE_BLIND, status.blind.text, now, round(self._options.blind_s * NS))

    def _counts(self, view: SourceView) -> bool:
        return view.source in self._expected or view.frames >= _WORTHY_FRAMES

    def _step(self, source: str, seeing: bool, trouble: Trouble | None, now: int, wall: int) -> list[IncidentMessage]:
        watch = self._watches.get((source, seeing))
        if watch is None:
            if trouble is None:
                return []
            watch = self._watches[source, seeing] = _Watch()
        waiting, after = TRANSITIONS[watch.state, trouble is not None]
        if waiting is not watch.state:
            watch.since = trouble.since if trouble is not None and watch.state is TroubleState.FINE else now
        time = trouble.wait if trouble is not None else self._back
        watch.state = after if now - watch.since >= time else waiting
        if watch.state is TroubleState.FINE:
            del self._watches[source, seeing]
            return [] if watch.incident is None else [self._close(watch.incident, IncidentReason.BACK, wall)]
        if watch.state is TroubleState.OPEN and watch.incident is None and trouble is not None:
            watch.incident = self._opened(source, trouble, watch.since, now, wall)
            return [watch.incident]
        return []

    def _opened(self, source: str, trouble: Trouble, since: int, now: int, wall: int) -> IncidentMessage:
        start, reason = wall - (now - since), IncidentReason.OPENED
        name = f"{self._run.id}|{trouble.about}|{source}|{start}"
        return IncidentMessage(
            type="open",
            id=hashlib.blake2b(name.encode(), digest_size=8).hexdigest(),
            about=trouble.about,
            source=source,
            clock="unix",
            severity=Severity.ALARM if source in self._expected else Severity.NOTICE,
            start=start,
            end=None,
            stamp=wall,
            last_seen=self._last_seen.get(source),
            explanation=trouble.why,
            reason=reason,
            text=INCIDENT[reason],
        )

    def _close(self, m: IncidentMessage, reason: IncidentReason, wall: int) -> IncidentMessage:
        return structs.replace(
            m,
            type="close",
            end=wall,
            stamp=wall,
            last_seen=self._last_seen.get(m.source),
            reason=reason,
            text=INCIDENT[reason],
        )

    def _forget(self, source: str, wall: int) -> list[IncidentMessage]:
        """A source that is watched no more is missed no more either."""
        watches = [self._watches.pop((source, seeing), None) for seeing in (False, True)]
        told = [watch.incident for watch in watches if watch is not None and watch.incident is not None]
        self._last_seen.pop(source, None)
        return [self._close(m, IncidentReason.SOURCE_FORGOTTEN, wall) for m in told]
