"""`dyadwatch events runs`: when a detector ran, what it judged by, and how its configuration was changed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.decision.calibration_file import CalibratedRule
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.memory.kept import KeptRun
from dyadwatch.stream.memory.rows import When, when
from dyadwatch.tools.events_flags import open_store


def runs(
    *,
    memory: Annotated[Path | None, Parameter(help="File of the incidents, what memory.file names.")] = None,
    config: Annotated[Path | None, Parameter(help="Configuration file of the detector, where that names it.")] = None,
    limit: int = 10,
    utc: Annotated[bool, Parameter(negative=(), help="Print times in UTC instead of local time.")] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """List the runs of the detector, the latest first: what each judged by, and changes of its configuration.

    Parameters
    ----------
    limit
        How many at most.
    json
        Print a JSON list, with all that the calibrations rest on.
    """
    if limit < 1:
        raise ConfigError(f"--limit is {limit}; expected at least 1")
    with open_store(memory, config) as store:
        found = store.runs(limit)
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
        sys.stdout.flush()
        return
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for run in found:
        for line in _lines(run, when(utc)):
            console.print(line)


def _lines(run: KeptRun, write: When) -> list[str]:
    ended = "?" if run.ended is None else write(run.ended)
    lines = [f"{write(run.started)} to {ended}  run {run.id}, {run.program}, model {run.model}"]
    if run.thresholds:
        plain = run.thresholds
        rules = tuple(msgspec.convert(rule, CalibratedRule).rule for rule in plain["rules"])
        lines.append(f"  alarm by {Thresholds(plain['raise_at'], plain['clear_at'], rules)}")
        lines.append(f"  calibrated on {_rests_on(run)}")
    for change in run.changes:
        said = "; ".join(
            f"{c.key} from {_json(c.before)} to {_json(c.after)}{' after a restart' if c.waits else ''}"
            for c in change.changes
        )
        lines.append(f"  {write(change.at)}  {change.who}: {said or 'other thresholds'}")
    return lines


def _rests_on(run: KeptRun) -> str:
    evidence = run.evidence
    if not evidence:
        return "nothing: the levels are those of the configuration"
    hours = (
        f"{evidence['hours']:g} h" if isinstance(evidence.get("hours"), int | float) else "hours that it does not tell"
    )
    certified = "certified" if evidence.get("certified") else "not certified"
    method = f", {evidence['method']}" if evidence.get("method") else ""
    return f"{hours}{method}, {certified}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
