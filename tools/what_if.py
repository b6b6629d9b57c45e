"""`dyadwatch what-if`: a recorded day, decided again with other thresholds."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table
from rich.text import Text

from dyadwatch import redeciding
from dyadwatch.core.errors import TooShortError
from dyadwatch.core.iso_time import clock_moment
from dyadwatch.core.words import counted
from dyadwatch.redeciding import WhatIf
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.redecide import Happening

_Flag = Parameter(negative=())


def what_if(
    paths: list[Path],
    /,
    *,
    budget: str | None = None,
    scale: float | None = None,
    calibration: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    until: str | None = None,
    json: Annotated[bool, _Flag] = False,
) -> None:
    """Decide a recorded day again with other thresholds: which events come, go and stay.

    From the scores that the detector told while it recorded: nothing is scored again, so a day takes seconds. Without
    anything asked for, the recorded thresholds are used, which gives the recorded events.

    Parameters
    ----------
    paths
        Recordings (.mcap) that a running detector made, or folders of them.
    budget
        False events, such as 1/day: the lowest levels that keep them, if the hours were normal.
    scale
        Levels so many times as high as those recorded.
    calibration
        The levels of this calibration file.
    set_
        One configuration key of the section alarm, such as --set alarm.hold_s=3; may be repeated.
    from_
        Where to begin: seconds from the beginning, or a time as it is printed.
    until
        Where to end, likewise.
    json
        Print one JSON object.
    """
    playback = Playback(paths, from_, until)
    console = Console(stderr=True)
    total = playback.seconds
    try:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("reading scores", total=total)
            found = redeciding.what_if(
                playback, budget, scale=scale, calibration=calibration, options=set_,
                progress=lambda seconds: progress.update(task, completed=min(seconds, total)),
            )  # fmt: skip
    except TooShortError as error:
        sys.stderr.write(f"dyadwatch: {error}; give more days, or try --scale\n")
        sys.exit(1)
    for note in playback.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    if json:
        sys.stdout.write(json_module.dumps(as_values(found)) + "\n")
    else:
        show(found, Console())


def as_values(found: WhatIf) -> dict[str, Any]:
    """Everything as plain values."""
    return {
        "hours": round(found.hours, 4),
        "sources": {name: round(hours, 4) for name, hours in found.sources.items()},
        "thresholds": {"before": str(found.before), "after": str(found.after)},
        "events": len(found.events),
        "events_per_hour": round(len(found.events) / found.hours, 4) if found.hours else None,
        "events_per_hour_95": round(found.bound, 4) if found.hours else None,
        "certified": None if found.choice is None else found.choice.certified,
        **{
            name: [_values(h) for h in getattr(found.changes, name)] for name in ("stay", "go", "come")
        },
    }  # fmt: skip


def _values(happening: Happening) -> dict[str, Any]:
    values = asdict(happening)
    rule = values.pop("rule")
    return {**values, "part": str(rule.part), "over_s": rule.over_s, "mean": rule.mean}


def show(found: WhatIf, console: Console) -> None:
    """Events that go, come and stay, and what that makes an hour."""
    changes = found.changes
    console.print(Text(f"before: {found.before}"), soft_wrap=True)
    console.print(Text(f"after:  {found.after}"), soft_wrap=True)
    rows = [("goes", h) for h in changes.go] + [("comes", h) for h in changes.come]
    rows += [("stays", h) for h in changes.stay]
    if rows:
        console.print(_table(sorted(rows, key=lambda row: row[1].opened)))
    console.print(
        f"{counted(len(found.events), 'event')} in {found.hours:.2f} h of "
        f"{counted(len(found.sources), 'source')}: {len(changes.stay)} stay, {len(changes.go)} go, "
        f"{len(changes.come)} come",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if found.hours:
        rate = f"{len(found.events) / found.hours:.3g} events an hour, at most {found.bound:.3g} (95 % sure)"
        console.print(f"{rate}, if none of them was real", highlight=False, soft_wrap=True)


def _table(rows: Sequence[tuple[str, Happening]]) -> Table:
    table = Table("", Column("opened", min_width=29), "source", "pair", "lasts", "evidence", "by")
    for what, h in rows:
        table.add_row(
            what, clock_moment(h.opened, h.clock), Text(h.source), Text(f"{h.pair[0]} and {h.pair[1]}"),
            f"{h.seconds:.1f} s", f"{h.evidence:.2f}",
            f"{h.rule.part}" + (f" over {h.rule.over_s:g} s" if h.rule.over_s else ""),
        )  # fmt: skip
    return table
