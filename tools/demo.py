"""`dyadwatch demo`: simulated people, real sockets, the shipped model, and an honest summary."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.core.units import NS
from dyadwatch.live_detector import free_address
from dyadwatch.loading import configure, load_scorer
from dyadwatch.model_files import SIMULATED
from dyadwatch.staged import Outcome, match
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.messages import EventMessage, Message, ScoreMessage
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.service import Service
from dyadwatch.stream.signals import stop_on_signals
from dyadwatch.stream.sinks.live_table import PictureSink
from dyadwatch.tools.benchmarks.machine import spread
from dyadwatch.tools.outputs import check_output
from dyadwatch.tools.run import sinks_for

ANOMALIES = ("push", "chase", "fall", "punch", "kick")
_SETTLE_S = 1.5  # the last windows are scored, the last events told
_ENOUGH = 0.8  # part of the staged anomalies that must be found
_MOST_FALSE_ALARMS = 1


class Collector:
    """A sink that keeps events and latencies."""

    def __init__(self) -> None:
        self.events: list[EventMessage] = []
        self.latencies_ms: list[float] = []
        self.windows = 0

    def emit(self, messages: Sequence[Message]) -> None:
        """Keeps what the summary needs."""
        for m in messages:
            if isinstance(m, EventMessage):
                self.events.append(m)
            elif isinstance(m, ScoreMessage):
                self.windows += 1
                self.latencies_ms.append(m.latency_ms)

    def close(self) -> None:
        """Nothing is held."""


def demo(
    *,
    seed: int = 7,
    people: int = 4,
    duration: float = 100.0,
    rate: float = 1.0,
    model: Path | None = None,
    picture: Path | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Watch simulated people through the whole detector: real sockets, the shipped model, alarms as they happen.

    Five anomalies are staged among everyday meetings. The exit code is 0 only if at least four of them were found
    with at most one false alarm.

    Parameters
    ----------
    seed
        Another seed makes other people, meetings and anomalies.
    people
        How many people walk about, 2 to 6.
    duration
        Seconds of scenario.
    rate
        Times real time.
    model
        Model file to show, instead of the simulated one that comes with dyadwatch.
    picture
        File for an SVG of the table as it stood during the last event.
    json
        Print the summary as one JSON object on standard output; everything else goes to standard error.
    """
    logging.getLogger("dyadwatch").setLevel(logging.WARNING)
    console = Console(stderr=json)
    if picture is not None:
        check_output("--picture", picture)
    if not 0 < rate < float("inf"):
        raise ConfigError(f"--rate is {rate:g}; expected a positive factor of real time")
    addresses = (f"wire.bind={free_address()}", f"sinks.bind={free_address()}")
    settings = configure(None, addresses, model or Path(SIMULATED))
    detector = load_scorer(settings)
    scenario = make_scenario(seed=seed, people=people, duration_s=duration, anomalies=ANOMALIES)
    collector = Collector()
    start = time.time_ns()
    _introduce(console, people, duration, rate)
    publisher = _publish_command(settings, seed, people, duration, rate, start)
    _watch(detector, settings, collector, console, picture, publisher)
    outcomes, false_alarms = match([t.shifted(start) for t in scenario.truth], collector.events)
    summary = _summary(outcomes, false_alarms, collector)
    _show(console, outcomes, false_alarms, summary, start)
    if json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
    if not summary["passed"]:
        sys.exit(1)


def _introduce(console: Console, people: int, duration: float, rate: float) -> None:
    console.print(
        f"{people} simulated people for {duration / rate:.0f} s; staged among their meetings: {', '.join(ANOMALIES)}.",
        "The model has seen simulated normal behaviour only, and no anomaly.",
        sep="\n",
    )


def _publish_command(config: Config, seed: int, people: int, duration: float, rate: float, start: int) -> list[str]:
    options = {
        "to": config.wire.bind,
        "source": "simulator",
        "seed": seed,
        "people": people,
        "duration": duration,
        "rate": rate,
        "start-stamp": start,
        "anomalies": ",".join(ANOMALIES),
    }
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return [sys.executable, "-m", "dyadwatch.tools.main", "publish", "simulator", "--json", *words]


def _watch(
    detector: tuple[Scorer, Thresholds],
    config: Config,
    collector: Collector,
    console: Console,
    picture: Path | None,
    command: list[str],
) -> None:
    """Runs the detector in this process and the publisher in another until the publisher is done.

    Raises:
        DyadwatchError: when the publisher fails.
    """
    scorer, thresholds = detector
    sinks = sinks_for(False, False, console, {"collector": collector})
    if picture is not None:
        sinks["picture"] = PictureSink(picture)
    service = Service(scorer, thresholds, config, sinks)
    publisher = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said: list[bytes] = []

    def stop_when_done() -> None:
        said.append(publisher.communicate()[1])
        time.sleep(_SETTLE_S)
        service.stop()

    waiter = threading.Thread(target=stop_when_done, name="publisher")
    waiter.start()
    try:
        with stop_on_signals(service.stop):
            service.run()
    finally:
        publisher.terminate()
        waiter.join()
    if publisher.returncode:
        raise DyadwatchError(f"the simulator stopped with exit code {publisher.returncode}: {said[0].decode().strip()}")


def _summary(
    outcomes: Sequence[Outcome], false_alarms: Sequence[EventMessage], collector: Collector
) -> dict[str, object]:
    found = [o for o in outcomes if o.event is not None]
    delays = sorted(o.delay_s for o in found if o.delay_s is not None)
    latency = spread(collector.latencies_ms, 1)
    return {
        "staged": len(outcomes),
        "found": len(found),
        "missed": len(outcomes) - len(found),
        "false_alarms": len(false_alarms),
        "delay_s_median": round(delays[len(delays) // 2], 2) if delays else None,
        "windows": collector.windows,
        "latency_ms_p50": latency["p50"],
        "latency_ms_p99": latency["p99"],
        "passed": len(found) >= _ENOUGH * len(outcomes) and len(false_alarms) <= _MOST_FALSE_ALARMS,
    }


def _show(
    console: Console,
    outcomes: Sequence[Outcome],
    false_alarms: Sequence[EventMessage],
    summary: dict[str, object],
    start: int,
) -> None:
    table = Table(title="Staged anomalies", title_justify="left")
    for name in ("at", "what", "who", "found", "delay", "peak", "why"):
        table.add_column(name)
    for o in outcomes:
        at = f"{(o.staged.start - start) / NS:.1f} s"
        who = " + ".join(str(p) for p in o.staged.people)
        if o.event is None:
            table.add_row(at, o.staged.kind, who, "[red]missed[/]", "", "", "")
        else:
            e = o.event
            table.add_row(
                at, o.staged.kind, who, "[green]yes[/]", f"{o.delay_s:.1f} s", f"{e.peak_score:.1f}", e.explanation
            )
    console.print(table)
    for e in false_alarms:
        at = (e.stamp - start) / NS
        console.print(
            f"false alarm at {at:.1f} s: {e.pair[0]} + {e.pair[1]}, score {e.peak_score:.1f}, {e.explanation}"
        )
    console.print(
        f"found {summary['found']} of {summary['staged']}, missed {summary['missed']}, "
        f"false alarms {summary['false_alarms']}; detection delay {summary['delay_s_median']} s (median); "
        f"{summary['windows']} windows scored, latency p50 {summary['latency_ms_p50']} ms, "
        f"p99 {summary['latency_ms_p99']} ms"
    )
    console.print(
        "[bold green]passed[/]" if summary["passed"] else "[bold red]failed[/]: expected 4 of 5, at most 1 false"
    )
