"""Kept incidents as rows, for people and for other programs: the same columns everywhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence

import msgspec

from dyadwatch.core.iso_time import moment, utc_moment
from dyadwatch.core.units import NS
from dyadwatch.stream.memory.kept import Action, KeptIncident
from dyadwatch.stream.messages import IncidentMessage

COLUMNS: tuple[str, ...] = (
    "id", "source", "about", "severity", "state", "start", "end", "seconds", "people", "leading", "events",
    "peak_score", "explanation", "acknowledged", "acknowledged_by", "verdict", "note",
    "continues", "merged_into", "run",
)  # fmt: skip
When = Callable[[int], str]


def when(utc: bool) -> When:
    """How moments are written: in UTC, or in local time with its offset."""
    return utc_moment if utc else moment


def state(kept: KeptIncident, now: int = 0) -> str:
    """open, or how it closed; and what people did about it."""
    words = ["open" if kept.message.type != "close" else str(kept.message.reason)]
    if kept.acknowledged:
        words.append("acknowledged")
    if kept.snoozed > now > 0:
        words.append("snoozed")
    return ", ".join(words)


def span(kept: KeptIncident) -> tuple[int, int]:
    """Unix ns of its beginning and end, or its latest message; by the detector's clock where its own is another."""
    m = kept.message
    if m.clock == "unix":
        return m.start, m.stamp if m.end is None else m.end
    return kept.began, kept.told


def row(kept: KeptIncident, write: When) -> dict[str, str | float | int]:
    """One incident by the names of `COLUMNS`."""
    m = kept.message
    start, end = span(kept)
    return {
        "id": m.id,
        "source": m.source,
        "about": str(m.about),
        "severity": str(m.severity),
        "state": state(kept),
        "start": write(start),
        "end": write(end) if m.type == "close" else "",
        "seconds": round(((m.stamp if m.end is None else m.end) - m.start) / NS, 1),
        "people": " ".join(map(str, m.people)),
        "leading": leading(m),
        "events": m.events,
        "peak_score": m.peak_score,
        "explanation": m.explanation,
        "acknowledged": write(kept.acknowledged) if kept.acknowledged else "",
        "acknowledged_by": kept.acknowledged_by,
        "verdict": "" if kept.verdict is None else str(kept.verdict),
        "note": kept.note,
        "continues": kept.continues,
        "merged_into": m.merged_into or "",
        "run": kept.run,
    }


def leading(message: IncidentMessage) -> str:
    """The leading pair: `1 + 2`; empty for what is about a source."""
    return " + ".join(map(str, message.pairs[0].pair)) if message.pairs else ""


def as_csv(incidents: Iterable[KeptIncident], write: When) -> str:
    """A table with a line for the names. What a spreadsheet would take for a formula begins with an apostrophe."""
    out = io.StringIO()
    writer: csv.DictWriter[str] = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _harmless(value) for key, value in row(kept, write).items()} for kept in incidents)
    return out.getvalue()


def _harmless(value: str | float) -> str | float:
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


def as_json(incidents: Sequence[KeptIncident], write: When) -> bytes:
    """A list: the columns, and the whole of the latest message."""
    return (
        msgspec.json.format(msgspec.json.encode([{**row(k, write), "message": k.message} for k in incidents])) + b"\n"
    )


def about_action(action: Action, write: When) -> str:
    """One line on what somebody did."""
    who = f" by {action.who}" if action.who else ""
    what = str(action.kind)
    if action.verdict is not None:
        what += f" {action.verdict}"
    if action.kind == "snooze":
        what = f"snooze until {write(action.until)}" if action.until else "snooze ended"
    return f"{write(action.at)}  {what}{who}" + (f": {action.note}" if action.note else "")
