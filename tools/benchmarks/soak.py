"""`dyadwatch bench soak`: a detector for an hour among faults, restarts and refused messages, with recording on."""

from __future__ import annotations

import csv
import math
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import numpy as np
from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.errors import ConfigError
from dyadwatch.tools.benchmarks.heard import AGE_S, ScoreCollector
from dyadwatch.tools.benchmarks.machine import describe_machine
from dyadwatch.tools.benchmarks.process import DetectorProcess
from dyadwatch.tools.benchmarks.soak_sources import CLEAN, HABITS, send_soak
from dyadwatch.tools.benchmarks.steady import NS
from dyadwatch.tools.benchmarks.verdict import Bar, print_verdict, table

RSS_MB, FDS, THREADS = 10.0, 16, 4
SETTLED_MINUTES = 10.0
_SPARKS = "▁▂▃▄▅▆▇█"
_WIDTH = 60
_KEPT_FILES = 3
_FEW = 0.25  # of the median rate of scores: fewer, and somebody is not watched


@dataclass(frozen=True)
class SoakReading:
    """What was seen at a moment.

    Arguments:
        minute: since the sources began.
        rss_mb, fds, threads: of the detector and its children.
        cpu: part of one core, since the reading before.
        scores: a second, of all sources.
        age_p95_s: of the scores of sources without faults.
        refused: messages refused and frames dropped so far, of all sources.
    """

    minute: float
    rss_mb: float
    fds: int
    threads: int
    cpu: float
    scores: float
    age_p95_s: float
    refused: int


def soak(
    *,
    minutes: float = 60.0,
    people: int = 4,
    fps: float = 20.0,
    every: float = 10.0,
    to_csv: Annotated[Path | None, Parameter(name="--csv")] = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Watch a detector for long: eight sources with faults, restarts and pauses, one flaky, and refused messages.

    Memory must be flat within 10 MB after the tenth minute (of shorter runs: the first sixth). Exit status 1 where a
    bar is missed.

    Parameters
    ----------
    minutes
        How long the sources send.
    people
        Of every source.
    fps
        Frames a second of every source.
    every
        Seconds between two readings.
    to_csv
        File to write the readings to.
    json
        Print one JSON object instead.
    """
    if not minutes * 60 >= 6 * every > 0:
        raise ConfigError(f"--minutes is {minutes:g} and --every {every:g}; expected at least six readings")
    progress = Console(stderr=True)
    report: dict[str, Any] = {"machine": describe_machine()}
    with tempfile.TemporaryDirectory(prefix="dyadwatch-soak-") as folder:
        readings, late_s, alive = watch(Path(folder), minutes, people, fps, every, progress)
    if to_csv is not None:
        _write(to_csv, readings)
    report["readings"] = [asdict(r) for r in readings]
    report["rss"] = sparkline([r.rss_mb for r in readings])
    bars = verdicts(readings, minutes, alive, late_s)
    print_verdict(report, bars, _tables(readings, minutes), json)


def watch(
    folder: Path, minutes: float, people: int, fps: float, every: float, progress: Console
) -> tuple[list[SoakReading], float, bool]:
    """Runs it; returns the readings, the worst lateness of the sender in seconds, and whether the detector runs on."""
    spawn = multiprocessing.get_context("spawn")
    records = folder / "records"
    settings = (f"record.folder={records}", "record.max_mb=64", "record.min_free_mb=0")
    readings: list[SoakReading] = []
    with DetectorProcess(folder, settings) as detector, ScoreCollector(detector.out) as heard:
        until, late = spawn.Event(), spawn.Value("d", 0.0)
        start = time.time_ns() + 6 * NS
        args = (detector.into, people, fps, start, until, late)
        sender = spawn.Process(target=send_soak, args=args, daemon=True)
        sender.start()
        began = time.monotonic() + 6
        before = detector.sample()
        for n in range(1, int(minutes * 60 / every) + 1):
            time.sleep(max(0.0, began + n * every - time.monotonic()))
            now = detector.sample()
            if now is None or before is None:
                break
            cpu, took, before = now.cpu_s - before.cpu_s, now.at - before.at, now
            scores = heard.take()
            ages = [(came - end) / NS for s in CLEAN for (_, end), came in scores.get(s, {}).items()]
            count = sum(map(len, scores.values()))
            refused = sum(sum(m["dropped"].values()) for m in list(heard.status.values()))
            age = float(np.percentile(ages, 95)) if ages else math.nan
            r = SoakReading(
                round(n * every / 60, 3), round(now.rss_mb, 2), now.fds, now.threads, round(cpu / took, 3),
                round(count / took, 1), round(age, 3), refused,
            )  # fmt: skip
            readings.append(r)
            progress.print(
                f"minute {r.minute:.1f}: {r.rss_mb:.0f} MB, {r.cpu:.2f} cores, {r.scores:.0f} scores/s, "
                f"age p95 {r.age_p95_s} s"
            )
            _make_room(records)
        alive = detector.alive
        until.set()
        sender.join(5)
        if sender.is_alive():
            sender.kill()
    return readings, late.value, alive


class Reading(Protocol):
    """Of any kind, with when it was taken."""

    @property
    def minute(self) -> float:
        """Minutes since the beginning."""
        ...


R = TypeVar("R", bound=Reading)


def settled(readings: Sequence[R], minutes: float) -> list[R]:
    """The readings from the tenth minute on, or from a sixth of a shorter run on."""
    return [r for r in readings if r.minute >= min(SETTLED_MINUTES, minutes / 6)]


def sparkline(values: Sequence[float], width: int = _WIDTH) -> str:
    """The values as a line of blocks, the least lowest; of many, the largest of each stretch."""
    if not values:
        return ""
    parts = [max(p) for p in np.array_split(np.asarray(values), min(width, len(values)))]
    low, high = min(parts), max(parts)
    return "".join(_SPARKS[int((v - low) / (high - low or 1) * (len(_SPARKS) - 1))] for v in parts)


def verdicts(readings: Sequence[SoakReading], minutes: float, alive: bool, late_s: float) -> list[Bar]:
    """What an hour must hold, each with whether it did.

    Arguments:
        readings: in order.
        minutes: that it lasted.
        alive: whether the detector still ran at the end.
        late_s: how late the last score came.
    """
    after = settled(readings, minutes)
    bars = [
        Bar("the detector", "runs on" if alive else "ended by itself", "runs on", alive),
        Bar("worst lateness of the sender", f"{late_s:.2f} s", "for the reader", True),
    ]
    if not after:
        return [*bars, Bar("readings after it settled", "none", "some", False)]
    first, since = after[0], f"after minute {after[0].minute:g}"
    grown = max(r.rss_mb for r in after) - first.rss_mb
    files, threads = (max(getattr(r, k) for r in after) - getattr(first, k) for k in ("fds", "threads"))
    ages, rates, cores = ([getattr(r, k) for r in after] for k in ("age_p95_s", "scores", "cpu"))
    worst = math.inf if any(map(math.isnan, ages)) else max(ages)
    enough = min(rates) >= _FEW * float(np.median(rates)) > 0
    return [
        *bars,
        Bar(f"memory {since}, most", f"{grown:+.1f} MB of {first.rss_mb:.0f}", f"<= {RSS_MB:g} MB", grown <= RSS_MB),
        Bar(f"open files {since}, most", f"{files:+d} of {first.fds}", f"<= {FDS}", files <= FDS),
        Bar(f"threads {since}, most", f"{threads:+d} of {first.threads}", f"<= {THREADS}", threads <= THREADS),
        Bar("age p95 of sources without faults, worst reading", f"{worst:.2f} s", f"<= {AGE_S:g} s", worst <= AGE_S),
        Bar(f"scores a second of {len(HABITS)} sources", f"{min(rates):g} to {max(rates):g}", "never few", enough),
        Bar("processor", f"{np.mean(cores):.2f} cores", "< 1", float(np.mean(cores)) < 1),
    ]


def _tables(readings: Sequence[SoakReading], minutes: float) -> list[str]:
    step = max(1, round(len(readings) / 12))
    header = ("minute", "MB", "open files", "threads", "cores", "scores/s", "age p95 s", "refused, dropped")
    rows = [list(asdict(r).values()) for i, r in enumerate(readings) if i % step == 0 or i == len(readings) - 1]
    return [*table(header, rows), f"Memory over {minutes:g} minutes: {sparkline([r.rss_mb for r in readings])}", ""]


def _write(path: Path, readings: Sequence[SoakReading]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(SoakReading.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(r) for r in readings)


def _make_room(folder: Path) -> None:
    """Deletes all recordings but the newest few: an hour of eight sources is a gigabyte."""
    files = sorted(folder.glob("*.mcap"), key=lambda f: f.stat().st_mtime)
    for file in files[:-_KEPT_FILES]:
        file.unlink()
