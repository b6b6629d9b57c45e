"""`dyadwatch events`: what a detector kept of incidents, and what people say of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter
from msgspec import structs
from rich.console import Console
from rich.text import Text

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.iso_time import clock_moment
from dyadwatch.core.words import counted
from dyadwatch.stream.codes import Severity
from dyadwatch.stream.memory.kept import Action, ActionKind, KeptIncident, Verdict
from dyadwatch.stream.memory.rows import about_action, as_csv, as_json, leading, row, span, state, when
from dyadwatch.stream.publishers.publisher import check_source
from dyadwatch.tools.events_flags import open_store, wanted_incidents, who_is
from dyadwatch.tools.events_runs import runs
from dyadwatch.tools.outputs import check_output

app = App(name="events", help="List, show, export, acknowledge and judge the incidents that a detector kept.")
_Flag = Parameter(negative=())
_From = Annotated[str | None, Parameter(name="--from")]
_Memory = Annotated[Path | None, Parameter(help="File of the incidents, what memory.file of the detector names.")]
_Config = Annotated[Path | None, Parameter(help="Configuration file of the detector, where that names the file.")]
_Utc = Annotated[bool, Parameter(negative=(), help="Print times in UTC instead of local time.")]
_STYLES = {Severity.NOTICE: "", Severity.ALARM: "yellow", Severity.CRITICAL: "bold red"}


@app.default
def list_(
    *,
    memory: _Memory = None,
    config: _Config = None,
    source: str = "",
    from_: _From = None,
    until: str | None = None,
    severity: Severity = Severity.NOTICE,
    verdict: Literal["true", "false", "unsure", "none"] | None = None,
    unacknowledged: Annotated[bool, _Flag] = False,
    open_: Annotated[bool, Parameter(name="--open", negative=())] = False,
    limit: int = 50,
    utc: _Utc = False,
    json: Annotated[bool, _Flag] = False,
) -> None:
    """List incidents, the latest first; while the detector runs or not.

    Parameters
    ----------
    source
        Only this source.
    from_
        Only what was not over by then: a time such as 2026-11-21T14:30:00+01:00 (Z, or nothing, for UTC), or how long
        ago, such as 30m, 12h or 7d.
    until
        Only what had begun by then, likewise.
    severity
        Only incidents at least so grave: notice, alarm or critical.
    verdict
        Only those that were judged so; none: not judged.
    unacknowledged
        Only those that nobody acknowledged.
    open_
        Only those that are open.
    limit
        How many at most.
    json
        Print a JSON list, with the whole of each.
    """
    wanted = wanted_incidents(source, from_, until, severity, verdict, unacknowledged, open_, limit)
    with open_store(memory, config) as store:
        found = store.incidents(wanted)
    if json:
        sys.stdout.buffer.write(as_json(found, when(utc)))
        sys.stdout.flush()
        return
    _print_lines(found, utc)


@app.command
def show(
    id_: str,
    /,
    *,
    memory: _Memory = None,
    config: _Config = None,
    utc: _Utc = False,
    json: Annotated[bool, _Flag] = False,
) -> None:
    """Show one incident: its pairs, how it went, what people did.

    Parameters
    ----------
    id_
        Its id, or how that begins.
    json
        Print a JSON list of the one.
    """
    with open_store(memory, config) as store:
        kept = store.incident(id_)
        updates = store.updates(kept.message.id)
        actions = store.actions(incident=kept.message.id)
    write = when(utc)
    if json:
        sys.stdout.buffer.write(as_json([kept], write))
        sys.stdout.flush()
        return
    lines = [f"{name}: {value}" for name, value in row(kept, write).items() if value != ""]
    lines += [
        f"pair {p.pair[0]} + {p.pair[1]}: peak {p.peak_score:.1f}, evidence {p.evidence:.1f}; {p.explanation}"
        for p in kept.message.pairs
    ]
    lines += [f"{write(told)}  {m.type} ({m.text}), {m.severity}" for told, m in updates]
    lines += [about_action(action, write) for action in actions]
    sys.stdout.write("".join(f"{line}\n" for line in lines))


@app.command
def export(
    *,
    out: Path,
    memory: _Memory = None,
    config: _Config = None,
    source: str = "",
    from_: _From = None,
    until: str | None = None,
    severity: Severity = Severity.NOTICE,
    verdict: Literal["true", "false", "unsure", "none"] | None = None,
    utc: _Utc = False,
) -> None:
    """Write incidents to a table (.csv), or with all that is known of each (.json).

    Parameters
    ----------
    out
        File to write; its ending says which.
    source
        Only this source.
    from_
        Only what was not over by then, as for `dyadwatch events`.
    until
        Only what had begun by then, likewise.
    severity
        Only incidents at least so grave.
    verdict
        Only those that were judged so; none: not judged.
    """
    if out.suffix not in (".csv", ".json"):
        raise ConfigError(f"--out is {str(out)!r}; expected a name that ends in .csv or .json")
    check_output("--out", out)
    wanted = wanted_incidents(source, from_, until, severity, verdict, False, False, 2**31)
    with open_store(memory, config) as store:
        found = store.incidents(wanted)
    out.write_bytes(as_csv(found, when(utc)).encode() if out.suffix == ".csv" else as_json(found, when(utc)))
    sys.stderr.write(f"{counted(len(found), 'incident')} in {out}\n")


@app.command
def near_misses(
    *,
    memory: _Memory = None,
    config: _Config = None,
    source: str = "",
    limit: int = 50,
    utc: _Utc = False,
    json: Annotated[bool, _Flag] = False,
) -> None:
    """List what came near to an event and was none, the highest first.

    Parameters
    ----------
    source
        Only this source.
    limit
        How many at most.
    json
        Print a JSON list.
    """
    if limit < 1:
        raise ConfigError(f"--limit is {limit}; expected at least 1")
    with open_store(memory, config) as store:
        found = store.near_misses(source, limit)
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    for m in found:
        at = when(utc)(m.peak_stamp) if m.clock == "unix" else clock_moment(m.peak_stamp, m.clock)
        score = f"evidence {m.evidence:.2f}"
        sys.stdout.write(f"{at}  {m.source}  {m.pair[0]} + {m.pair[1]}  {score}  {m.explanation}\n")


@app.command
def acknowledge(
    ids: list[str], /, *, memory: _Memory = None, config: _Config = None, comment: str = "", who: str | None = None
) -> None:
    """Say that somebody has taken care of incidents.

    A running detector calls nobody about them any more, unless they become graver.

    Parameters
    ----------
    ids
        Ids, or how they begin.
    comment
        Kept beside it.
    who
        Name to keep; by default that of the user.
    """
    _act(ids, memory, config, Action(at=time.time_ns(), kind=ActionKind.ACKNOWLEDGE, who=who_is(who), note=comment))


@app.command
def verdict(
    id_: str,
    what: Verdict,
    /,
    *,
    memory: _Memory = None,
    config: _Config = None,
    comment: str = "",
    who: str | None = None,
) -> None:
    """Say what an incident was; the latest verdict counts.

    Parameters
    ----------
    id_
        Its id, or how that begins.
    what
        true: something had happened; false: a false alarm; unsure.
    comment
        Kept beside it.
    who
        Name to keep; by default that of the user.
    """
    action = Action(at=time.time_ns(), kind=ActionKind.VERDICT, verdict=what, who=who_is(who), note=comment)
    _act([id_], memory, config, action)


@app.command
def snooze(
    what: str,
    /,
    *,
    minutes: float = 30.0,
    memory: _Memory = None,
    config: _Config = None,
    comment: str = "",
    who: str | None = None,
) -> None:
    """Have a running detector call nobody for a while, about one incident or a whole source, unless it becomes graver.

    Parameters
    ----------
    what
        Id of an incident, or how that begins; or source:NAME.
    minutes
        For how long; 0 ends it.
    comment
        Kept beside it.
    who
        Name to keep; by default that of the user.
    """
    if not 0 <= minutes <= 60 * 24 * 366:
        raise ConfigError(f"--minutes is {minutes:g}; expected 0 to end it, up to a year")
    now = time.time_ns()
    until = now + round(minutes * 60e9) if minutes else 0
    action = Action(at=now, kind=ActionKind.SNOOZE, until=until, who=who_is(who), note=comment)
    if not what.startswith("source:"):
        _act([what], memory, config, action)
        return
    source = what.removeprefix("source:")
    check_source(source)
    with open_store(memory, config) as store:
        kept = store.act(structs.replace(action, source=source))
    sys.stderr.write(f"{source}: {about_action(kept, when(False))}\n")


def _act(ids: Sequence[str], memory: Path | None, config: Path | None, action: Action) -> None:
    """Keeps an action on each; none if one of the ids is wrong."""
    with open_store(memory, config) as store:
        for id_ in [store.incident(start).message.id for start in ids]:
            kept = store.act(structs.replace(action, incident=id_))
            sys.stderr.write(f"{id_}: {about_action(kept, when(False))}\n")


def _print_lines(found: Sequence[KeptIncident], utc: bool) -> None:
    """Two lines each: when, how grave, where, who, for how long, how it stands, its id; and why."""
    console = Console(highlight=False)
    if not found:
        console.print("no incident is kept that is wanted")
    write, now = when(utc), time.time_ns()
    for kept in found:
        m = kept.message
        line = Text(f"{write(span(kept)[0])}  ")
        line.append(f"{m.severity:8}", _STYLES[m.severity])
        lasted = f"{((m.stamp if m.end is None else m.end) - m.start) / 1e9:.1f} s"
        judged = f", judged {kept.verdict}" if kept.verdict else ""
        words = (m.source, leading(m), lasted, f"{state(kept, now)}{judged}", m.id)
        line.append("".join(f"  {word}" for word in words if word))
        line.append(f"\n    {m.explanation}", "dim")
        console.print(line, soft_wrap=True)


app.command(runs)
