"""What the page asks of the memory: lists by filters, one incident with all that is known of it, counts by day."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import get_args

from msgspec import Struct

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.iso_time import parse_moment
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Severity, SourceState
from dyadwatch.stream.memory.kept import Action, KeptIncident, KeptRun, Verdict, Wanted
from dyadwatch.stream.memory.rows import span
from dyadwatch.stream.memory.source_spans import SourceSpan, source_spans
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.messages import IncidentMessage
from dyadwatch.stream.subscriber import Kind

_MOST = 1000
_DAYS = 14
_MOST_RUNS = 200
_KEYS = frozenset({"source", "from", "until", "severity", "verdict", "unacknowledged", "open", "limit"})
_WATCHED = (SourceState.WATCHING, SourceState.BEHIND)
_VERDICTS = (*map(str, Verdict), "none")


Spans = tuple[tuple[int, int], ...]  # ns from, to


class Update(Struct, frozen=True, kw_only=True):
    """What was told of an incident, and when it was kept, unix ns."""

    told: int
    message: IncidentMessage


class IncidentRecord(Struct, frozen=True, kw_only=True):
    """One incident, how it went, and what people did; `clock_ahead` is ns of the detector's clock over the source's."""

    incident: KeptIncident
    updates: tuple[Update, ...]
    actions: tuple[Action, ...]
    clock_ahead: int


class DayCounts(Struct, frozen=True, kw_only=True):
    """One day of this machine's time zone.

    Arguments:
        day: such as 2026-11-21.
        severity, verdict: how many incidents began, by each.
        hours: by source, how long it was watching, behind (watched, but late), blind, silent and learning.
        budget: false alarms that the calibration of its last run vouches for in the hours that the longest watched
            source was; null where nothing vouches for any.
    """

    day: str
    severity: dict[str, int]
    verdict: dict[str, int]
    hours: dict[str, dict[str, float]]
    budget: float | None


class DaySpans(Struct, frozen=True, kw_only=True):
    """What every source did on one day, from midnight to midnight here, unix ns."""

    day: str
    since: int
    until: int
    spans: tuple[SourceSpan, ...]


def wanted_of(query: Mapping[str, str]) -> Wanted:
    """The filters of a request.

    Raises:
        ConfigError: naming the parameter, its value and what was expected.
    """
    unknown = sorted(query.keys() - _KEYS)
    if unknown:
        raise ConfigError(f"{unknown[0]!r:.40} is not a parameter; expected some of {', '.join(sorted(_KEYS))}")
    severity, verdict = query.get("severity", "notice"), query.get("verdict", "")
    if severity not in tuple(Severity):
        raise ConfigError(f"severity is {severity!r:.40}; expected one of {', '.join(Severity)}")
    if verdict and verdict not in _VERDICTS:
        raise ConfigError(f"verdict is {verdict!r:.40}; expected one of {', '.join(_VERDICTS)}")
    limit = query.get("limit", "200")
    if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= _MOST):
        raise ConfigError(f"limit is {limit!r:.40}; expected 1 to {_MOST}")
    return Wanted(
        source=query.get("source", ""),
        since=_moment("from", query["from"]) if query.get("from") else 0,
        until=_moment("until", query["until"]) if query.get("until") else 2**63 - 1,
        least=Severity(severity),
        verdict=verdict,
        unacknowledged=_flag(query, "unacknowledged"),
        open=_flag(query, "open"),
        most=int(limit),
    )


def kinds_of(query: Mapping[str, str]) -> frozenset[str] | None:
    """The kinds of messages that a program asks a stream for; None for what a page shows.

    Raises:
        ConfigError: naming the parameter, its value and what was expected.
    """
    unknown = sorted(query.keys() - {"kinds"})
    if unknown:
        raise ConfigError(f"{unknown[0]!r:.40} is not a parameter; expected kinds")
    if "kinds" not in query:
        return None
    kinds = frozenset(query["kinds"].split(","))
    if not kinds <= set(get_args(Kind)):
        raise ConfigError(f"kinds is {query['kinds']!r:.80}; expected some of {', '.join(get_args(Kind))}, with commas")
    return kinds


def _flag(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "false")
    if value not in ("true", "false"):
        raise ConfigError(f"{name} is {value!r:.40}; expected true or false")
    return value == "true"


def _moment(name: str, text: str) -> int:
    try:
        return parse_moment(text)[0]
    except ValueError:
        raise ConfigError(
            f"{name} is {text!r:.80}; expected a time such as 2026-11-21T14:30:00+01:00 (Z, or nothing, for UTC)"
        ) from None


def incident_details(store: Store, id_: str) -> IncidentRecord:
    """All that is known of one.

    Raises:
        UnknownIncidentError: there is none, or several begin so.
    """
    kept = store.incident(id_)
    updates = store.updates(kept.message.id)
    told, first = updates[0] if updates else (kept.told, kept.message)
    return IncidentRecord(
        incident=kept,
        updates=tuple(Update(told=told, message=message) for told, message in updates),
        actions=tuple(store.actions(incident=kept.message.id)),
        clock_ahead=told - first.stamp,
    )


def with_spans(store: Store, id_: str) -> tuple[IncidentRecord, Spans]:
    """One, and when there were incidents of its source up to then, from the day before it on, by the source's clock.

    Raises:
        UnknownIncidentError: there is none, or several begin so.
    """
    found = incident_details(store, id_)
    kept = found.incident
    day = Wanted(source=kept.message.source, since=kept.began - 86_400 * NS, until=kept.told + 1, most=10_000)
    messages = [other.message for other in store.incidents(day)]
    return found, tuple((m.start, m.stamp if m.end is None else m.end) for m in messages if m.pairs)


def days(store: Store, running: int = 0) -> list[DayCounts]:
    """Counts and hours of the last two weeks, the earliest first; a day on which nothing began is there, too.

    Arguments:
        store: the memory.
        running: as of `source_spans`.
    """
    now = time.time()
    names = [_day(now - 86_400 * ago) for ago in reversed(range(_DAYS))]
    ends = {name: _bounds(name) for name in dict.fromkeys(names)}
    spans = source_spans(store, ends[names[0]][0], ends[names[-1]][1], running)
    runs = store.runs(_MOST_RUNS)
    out = {name: _day_counts(name, ends[name], spans, runs) for name in ends}
    for kept in store.incidents(Wanted(since=round((now - 86_400 * _DAYS) * NS), most=100_000)):
        day = out.get(_day(span(kept)[0] / NS))
        if day is not None:
            judged = str(kept.verdict or "none")
            day.severity[kept.message.severity] = day.severity.get(kept.message.severity, 0) + 1
            day.verdict[judged] = day.verdict.get(judged, 0) + 1
    return list(out.values())


def day_spans(store: Store, day: str, running: int = 0) -> DaySpans:
    """One day, such as 2026-11-21; `running` as of `source_spans`.

    Raises:
        ConfigError: it is none.
    """
    since, until = _bounds(day)
    return DaySpans(day=day, since=since, until=until, spans=tuple(source_spans(store, since, until, running)))


def _day_counts(day: str, ends: tuple[int, int], spans: list[SourceSpan], runs: list[KeptRun]) -> DayCounts:
    hours: dict[str, dict[str, float]] = {}
    for span_ in spans:
        shared = min(span_.end, ends[1]) - max(span_.start, ends[0])
        if shared > 0:
            of = hours.setdefault(span_.source, {})
            of[span_.state] = of.get(span_.state, 0.0) + shared / NS / 3600
    watched = max((sum(of.get(state, 0.0) for state in _WATCHED) for of in hours.values()), default=0.0)
    last = next((run for run in runs if run.started < ends[1]), None)  # the latest comes first
    vouched = last is not None and watched > 0 and last.evidence.get("certified") is True
    per_h = last.evidence.get("budget_per_hour") if last is not None and vouched else None
    rounded = {source: {state: round(h, 3) for state, h in of.items()} for source, of in sorted(hours.items())}
    budget = round(per_h * watched, 2) if isinstance(per_h, int | float) else None
    return DayCounts(day=day, severity={}, verdict={}, hours=rounded, budget=budget)


def _bounds(day: str) -> tuple[int, int]:
    """Midnight to midnight, unix ns; 23 or 25 hours where the clocks are changed."""
    try:
        began = time.strptime(day, "%Y-%m-%d")
        first, last = (time.mktime((*began[:2], began[2] + k, 0, 0, 0, 0, 0, -1)) for k in (0, 1))
    except (ValueError, OverflowError):
        raise ConfigError(f"the day is {day!r:.40}; expected one such as 2026-11-21") from None
    return round(first) * NS, round(last) * NS


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))
