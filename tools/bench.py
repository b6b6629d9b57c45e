"""`dyadwatch bench`: what it costs, measured here and now."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape

from dyadwatch.core.errors import MissingExtraError
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.loading import configure, model_path
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.tools.benchmarks.latency import measure_latency
from dyadwatch.tools.benchmarks.machine import describe_machine
from dyadwatch.tools.benchmarks.paper_size import build_paper_model, paper_frames
from dyadwatch.tools.benchmarks.stations import measure_stations
from dyadwatch.tools.benchmarks.throughput import measure_throughput

PEOPLE, FPS = 4, 30.0

app = App(name="bench", help="Measure what each station costs, throughput and latency.")
_OTHERS = {
    "budget": "Whether a budget of false events holds in simulated hours that were not calibrated on.",
    "camera": "People on photos and videos: how many are found, how fast, and how far off their places are.",
    "delivery": "Latency of scores with and without deliveries that hang or fail, run alternately.",
    "kill": "Detectors killed with SIGKILL under load: no incident that was shown or acknowledged may be lost.",
    "learning": "A site learnt from clips that are played: time to a first model, windows lost, what verdicts change.",
    "liveness": "An hour of the live page in a browser: its memory, and how soon deaths of sources are shown.",
    "page": "What open pages cost the detector, and how fast a browser paints and draws.",
    "recordings": "What recording costs, what kills lose, and how fast a recording is run again.",
    "compare": "Message-to-window cost and scoring rate of this checkout and another, run alternately.",
    "keys": "What encryption costs from a message to a frame: CPU, messages a second, latency, with and without.",
    "scenarios": "How many staged anomalies of simulated people are found, and how many false alarms there are.",
    "soak": "An hour of faults, restarts and refused messages: memory, files, threads and scores all the while.",
    "stop": "Seconds from SIGTERM and SIGINT to the end, whatever blocks outputs, disk or model.",
    "stress": "Hostile messages of every kind beside a source that behaves, and what becomes of its scores.",
}
for _name, _help in _OTHERS.items():
    app.command(f"dyadwatch.tools.benchmarks.{_name}:{_name}", name=_name, help=_help)


@app.default
def bench(
    *,
    model: Path | None = None,
    paper: bool = True,
    sources: Annotated[tuple[int, ...], Parameter(negative=())] = (1, 4, 16),
    seconds: float = 20.0,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Measure stations, throughput and latency, as Markdown tables.

    Latency runs from the sending of the frame that completes a window to the coming of its score, through a detector
    in a process of its own, real sockets, and sources of four simulated people at 30 frames a second.

    Parameters
    ----------
    model
        Model file to measure, instead of the shipped one.
    paper
        Measure a network of the paper's size as well (needs torch to make it).
    sources
        How many sources send at once; may be repeated.
    seconds
        How long each latency measurement sends.
    json
        Print one JSON object instead.
    """
    config = configure(None, (), model)
    measured = model_path(config)
    progress = Console(stderr=True)
    frames = list(make_scenario(seed=1, people=PEOPLE, duration_s=max(seconds, 10.0)).frames(FPS))
    frames = [f for f in frames if f.stamp - frames[0].stamp < seconds * 1e9]
    report: dict[str, Any] = {"machine": describe_machine(), "models": []}
    with tempfile.TemporaryDirectory(prefix="dyadwatch-bench-") as folder:
        for path, mine, settings in _models(measured, frames, paper, Path(folder), progress):
            info = read_info(path)
            progress.print(f"measuring {info.title}")
            shape = WindowShape(info.skeleton, info.frames, info.fps, info.lead)
            rows = [measure_latency(path, mine, n, settings) for n in sources]
            report["models"].append(
                {
                    "name": info.title,
                    "window": f"{info.frames} frames at {info.fps:g} fps, {len(info.joints)} joints",
                    "megabytes": round(path.stat().st_size / 1e6, 2),
                    "stations_us_per_frame": measure_stations(mine, shape, config),
                    "throughput": measure_throughput(path, config.scorer, seconds / 4),
                    "latency_ms": rows,
                }
            )
    if json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        sys.stdout.write("\n".join(_markdown(report)) + "\n")


def _models(
    model: Path, frames: list[PoseFrame], paper: bool, folder: Path, progress: Console
) -> Iterator[tuple[Path, list[PoseFrame], Sequence[str]]]:
    yield model, frames, ()
    if not paper:
        return
    path = folder / "paper.onnx"
    try:
        progress.print("making an untrained model of the paper's size")
        build_paper_model(path)
    except MissingExtraError as e:
        progress.print(f"the paper-size model is left out: {escape(str(e))}")
        return
    yield path, paper_frames(frames), ("alarm.raise_at=1000", "alarm.clear_at=1000")


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]


def _markdown(report: Mapping[str, Any]) -> list[str]:
    machine = report["machine"]
    out = [
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_1min']} at the start, "
        f"Python {machine['python']}; sources of {PEOPLE} people at {FPS:g} frames a second.",
        "",
    ]
    for m in report["models"]:
        out += [f"### {m['name']}: {m['window']}, {m['megabytes']} MB", ""]
        stations = m["stations_us_per_frame"].items()
        header = ("station, microseconds a frame", "p50", "p95", "p99")
        out += _table(header, [(name, r["p50"], r["p95"], r["p99"]) for name, r in stations])
        header = ("batch", "windows/s", "ms a batch p50", "p95", "p99")
        out += _table(header, [(r["batch"], r["windows_per_s"], r["p50"], r["p95"], r["p99"]) for r in m["throughput"]])
        header = ("sources", "scores", "shed", "latency ms p50", "p95", "p99")
        rows = [(r["sources"], r["scores"], r["shed"], r["p50"], r["p95"], r["p99"]) for r in m["latency_ms"]]
        out += _table(header, rows)
    return out
