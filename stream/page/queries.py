"""What the page asks of the memory: lists by filters, one incident with all that is known of it, counts by day."""

from __future__ import annotations

import time
from collections.abc import Mapping

from msgspec import Struct

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.iso_time import parse_moment
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Severity
from dyadwatch.stream.memory.kept import Action, KeptIncident, Verdict, Wanted
from dyadwatch.stream.memory.rows import span
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.messages import IncidentMessage

_MOST = 1000
_DAYS = 14
_KEYS = frozenset({"source", "from", "until", "severity", "verdict", "unacknowledged", "open", "limit"})
_VERDICTS = (*map(str, Verdict), "none")


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
    """What began on one day of this machine's time zone, by severity and by verdict."""

    day: str
    severity: dict[str, int]
    verdict: dict[str, int]


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


def days(store: Store) -> list[DayCounts]:
    """Counts of the last two weeks, the earliest first; a day on which nothing began is there, too."""
    now = time.time()
    names = [_day(now - 86_400 * ago) for ago in reversed(range(_DAYS))]
    out = {name: DayCounts(day=name, severity={}, verdict={}) for name in dict.fromkeys(names)}
    for kept in store.incidents(Wanted(since=round((now - 86_400 * _DAYS) * NS), most=100_000)):
        day = out.get(_day(span(kept)[0] / NS))
        if day is not None:
            judged = str(kept.verdict or "none")
            day.severity[kept.message.severity] = day.severity.get(kept.message.severity, 0) + 1
            day.verdict[judged] = day.verdict.get(judged, 0) + 1
    return list(out.values())


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))
