"""`dyadwatch bench delivery`: what deliveries that hang, fail and are refused cost the scores."""

from __future__ import annotations

import socket
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape

from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.loading import configure, model_path
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.tools.benchmarks.latency import measure_latency
from dyadwatch.tools.benchmarks.machine import describe_machine

# Events open easily, and each incident is updated five times a second: more than a home has in a day. Not more events
# than that: each takes an explanation when it opens, which is then what is measured.
_BUSY = ("alarm.raise_at=0.5", "alarm.clear_at=0.3", "incidents.update_s=0.2")
_FPS, _PEOPLE = 30.0, 4
_TRIES = 3


def delivery(
    *,
    model: Path | None = None,
    sources: int = 2,
    seconds: float = 10.0,
    rounds: int = 4,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Measure the latency of scores with and without deliveries that are broken, run alternately.

    Broken are a broker and a webhook where nobody listens, a webhook that never answers, and a command that hangs. A
    webhook beside them takes everything, with pictures. Both kinds of runs tell incidents as fast as they can.

    Parameters
    ----------
    model
        Model file, instead of the shipped one.
    sources
        How many sources of four simulated people send at once.
    seconds
        How long each run sends.
    rounds
        How many runs of each kind.
    json
        Print one JSON object instead.
    """
    for flag, value, least in (("--rounds", rounds, 1), ("--sources", sources, 1), ("--seconds", seconds, 5)):
        if value < least:
            raise ConfigError(f"{flag} is {value:g}; expected at least {least}")
    path = model_path(configure(None, (), model))
    frames = _frames(seconds)
    progress = Console(stderr=True)
    rows: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
    with (
        tempfile.TemporaryDirectory(prefix="dyadwatch-bench-") as folder,
        _hanging() as hung,
        _closed() as closed,
        _taking() as taking,
    ):
        broken = (f"delivery.to={_targets(hung, closed, taking)}", f"delivery.file={folder}/delivery.db")
        for number in range(rounds):
            kinds = list(rows)
            for kind in kinds if number % 2 == 0 else reversed(kinds):  # what drifts costs both alike
                progress.print(f"round {number + 1} of {rounds}, {kind} deliveries")
                settings = (*_BUSY, *(broken if kind == "with" else ()))
                rows[kind].append(_measured(path, frames, sources, settings, progress))
    report = {
        "machine": describe_machine(),
        "latency_ms": {kind: {p: _median(runs, p) for p in ("p50", "p95", "p99")} for kind, runs in rows.items()},
        "scores": {kind: int(sum(run["scores"] for run in runs)) for kind, runs in rows.items()},
        "shed": {kind: int(sum(run["shed"] for run in runs)) for kind, runs in rows.items()},
        "ratio": {p: _ratio(rows, p) for p in ("p50", "p95", "p99")},
    }
    if json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        return
    print("| deliveries | scores | shed | latency ms p50 | p95 | p99 |\n|---|---|---|---|---|---|")
    for kind, latency in report["latency_ms"].items():
        figures = " | ".join(f"{latency[p]:.1f}" for p in latency)
        print(f"| {kind} broken ones | {report['scores'][kind]} | {report['shed'][kind]} | {figures} |")
    print(
        "| with / without, median of the rounds | | | "
        + " | ".join(f"{r:.2f}" for r in report["ratio"].values())
        + " |"
    )


def _measured(
    path: Path, frames: list[PoseFrame], sources: int, settings: Sequence[str], progress: Console
) -> dict[str, float]:
    """One run; on a machine that is busy with other things it may need a second try.

    Raises:
        DyadwatchError: none of them told anything.
    """
    for left in reversed(range(_TRIES)):
        try:
            run = measure_latency(path, frames, sources, settings)
        except DyadwatchError as e:
            if not left:
                raise
            progress.print(f"once more: {escape(str(e))}")
            continue
        if run["p50"] > 0:
            progress.print(f"    {run['scores']} scores, p50 {run['p50']} ms, p99 {run['p99']} ms")
            return run
        progress.print("once more: no score came")
    raise DyadwatchError(f"no score came in {_TRIES} runs; the machine is too busy to measure anything")


def _frames(seconds: float) -> list[PoseFrame]:
    return list(make_scenario(seed=1, people=_PEOPLE, duration_s=seconds).frames(_FPS))


def _targets(hung: int, closed: int, taking: int) -> str:
    targets = {
        "broker": {"kind": "mqtt", "port": closed},
        "nobody": {"kind": "webhook", "url": f"http://127.0.0.1:{closed}/"},
        "mute": {"kind": "webhook", "url": f"http://127.0.0.1:{hung}/", "timeout_s": 2.0},
        "seen": {"kind": "webhook", "url": f"http://127.0.0.1:{taking}/", "picture": True},
        "stuck": {"kind": "command", "command": ["sleep", "60"], "send": "both", "timeout_s": 2.0},
    }
    return msgspec.json.encode(targets).decode()


class _Taker(BaseHTTPRequestHandler):
    """Takes everything."""

    def do_POST(self) -> None:
        """Answers that it has it."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def _taking() -> Iterator[int]:
    """A port at which every update is taken."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Taker) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _hanging() -> Iterator[int]:
    """A port at which connections stand and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield server.getsockname()[1]


@contextmanager
def _closed() -> Iterator[int]:
    """A port at which nobody listens, and nobody else will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def _median(runs: list[dict[str, float]], percentile: str) -> float:
    return round(statistics.median(run[percentile] for run in runs), 2)


def _ratio(rows: dict[str, list[dict[str, float]]], percentile: str) -> float:
    pairs = zip(rows["with"], rows["without"], strict=True)
    return round(statistics.median(a[percentile] / b[percentile] for a, b in pairs), 3)
