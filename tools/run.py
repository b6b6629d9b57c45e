"""`dyadwatch run`: the detector as a service."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from dyadwatch.loading import configure, load_scorer
from dyadwatch.stream.receiving.heap import map_large_blocks
from dyadwatch.stream.service import Service
from dyadwatch.stream.signals import stop_on_signals
from dyadwatch.stream.sinks.live_table import IncidentLinesSink, TableSink
from dyadwatch.stream.sinks.sinks import JsonLinesSink, Sink
from dyadwatch.stream.start_check import check_start
from dyadwatch.tools.log_output import log_in_background
from dyadwatch.tools.security_flags import security_options

_log = logging.getLogger(__name__)


def run(
    *,
    config: Path | None = None,
    model: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    json: Annotated[bool, Parameter(negative=())] = False,
    no_table: Annotated[bool, Parameter(negative=())] = False,
    keys: Path | None = None,
    insecure: Annotated[bool, Parameter(negative=())] = False,
    memory: str | None = None,
) -> None:
    """Run the detector until it is stopped with Ctrl-C or SIGTERM.

    Any number of publishers connect to tcp://127.0.0.1:5570 and send pose frames; scores, events, incidents and status
    are published on tcp://127.0.0.1:5571. Both addresses, and everything else, are keys of the configuration.

    Parameters
    ----------
    config
        Configuration file; without one the commented default, config.yaml, is used.
    model
        Model file to score with, instead of the one the configuration names; shipped: the one that comes with
        dyadwatch.
    set_
        One configuration key, such as --set alarm.hold_s=3; may be repeated.
    json
        Print every score, event, incident and status as one JSON object a line on standard output.
    no_table
        On a terminal print lines on incidents only, without the live table.
    keys
        Folder that `dyadwatch keys` made: publishers and subscribers then need a key. See `dyadwatch docs security`.
    insecure
        Listen where other machines can reach it although nobody is asked for a key.
    memory
        File to keep incidents in, for `dyadwatch events`; off: none. By default it lies beside the recordings, where
        they are made.
    """
    kept = () if memory is None else (f"memory.file={memory}",)
    settings = configure(config, (*set_, *security_options(keys, insecure), *kept), model)
    check_start(settings)
    map_large_blocks()
    log = log_in_background()
    scorer, thresholds = load_scorer(settings)
    console = Console()
    sinks: dict[str, Sink] = {}
    service = Service(scorer, thresholds, settings, sinks_for(json, no_table, console, sinks))
    _log.info(
        "model %s %s on %s; alarm by %s",
        scorer.info.name,
        scorer.info.version,
        scorer.provider,
        thresholds,
    )
    with stop_on_signals(service.stop):
        service.run()
    if not log.written() or service.left_behind:
        # Python would wait for the locks these threads hold, and for as long as they hold them.
        os._exit(1)


def sinks_for(json: bool, no_table: bool, console: Console, sinks: dict[str, Sink]) -> dict[str, Sink]:
    """The sink for standard output that suits it: JSON lines, a live table on a terminal, or lines on incidents."""
    if json:
        # Without a buffer that is shared with the end of the program: a reader that stops reading must not hold it up.
        sinks["json"] = JsonLinesSink(open(sys.stdout.fileno(), "wb", buffering=0, closefd=False))  # noqa: SIM115
    elif console.is_terminal and not no_table:
        sinks["table"] = TableSink(console)
    else:
        sinks["lines"] = IncidentLinesSink(console)
    return sinks
