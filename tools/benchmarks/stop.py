"""`dyadwatch bench stop`: seconds from SIGTERM and SIGINT to the end, whatever blocks outputs, disk or model."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.errors import ConfigError
from dyadwatch.tools.benchmarks.blocked import Pipe, bound_files, small_disk
from dyadwatch.tools.benchmarks.endless_model import FAR_M, build_endless_model
from dyadwatch.tools.benchmarks.floods import FLOODS, Flood
from dyadwatch.tools.benchmarks.machine import describe_machine
from dyadwatch.tools.benchmarks.process import DetectorProcess
from dyadwatch.tools.benchmarks.session import Flooding, Sender
from dyadwatch.tools.benchmarks.steady import NS, Steady
from dyadwatch.tools.benchmarks.verdict import Bar, print_verdict

STOP_S = 5.0
_ALARM_S = 6.0  # by then there are events, whose lines wait for somebody to read them
_KILL_S = 12.0  # who has not stopped by then is killed
_SETTINGS = ("sinks.status_s=0.05",)  # much to tell, so that what is blocked is felt
_ALARMS = ("alarm.raise_at=0.001", "alarm.clear_at=0.001", "alarm.min_duration_s=0", "alarm.update_s=0.1")
_NOTHING = ("--no-table",)


@dataclass
class Blockage:
    """What one case has to work with.

    Arguments:
        stack: ends all that the case begins.
        folder: for what it writes.
    """

    stack: ExitStack
    folder: Path

    def start(self, settings: Sequence[str] = (), **options: Any) -> DetectorProcess:
        """A detector that ends with the case."""
        return self.stack.enter_context(DetectorProcess(self.folder, (*_SETTINGS, *settings), **options))

    def pipe(self, terminal: bool = False) -> Pipe:
        """A pipe or terminal that can be filled."""
        return self.stack.enter_context(Pipe(terminal))

    def watch(self, detector: DetectorProcess, seconds: float, far_m: float = 0.0, people: int = 4) -> None:
        """Two sources of simulated people, whom the detector watches for so long and longer."""
        start = time.time_ns() + 2 * NS
        sources = [Steady(f"s{i}", people=people, seed=i + 1, start_ns=start, far_m=far_m) for i in range(2)]
        self.stack.callback(Sender(detector.into, sources).stop)
        time.sleep(2 + seconds)

    def flood(self, detector: DetectorProcess, flood: Flood, seconds: float) -> None:
        """A flood that goes on until the case ends."""
        self.stack.enter_context(Flooding(flood, detector.into, 60.0, 10**9))
        time.sleep(seconds)


def _stdout(t: Blockage, arguments: Sequence[str]) -> DetectorProcess:
    pipe = t.pipe()
    pipe.fill()
    detector = t.start(_ALARMS, arguments=arguments, stdout=pipe.writer)
    t.watch(detector, _ALARM_S)
    return detector


def _stderr(t: Blockage) -> DetectorProcess:
    pipe = t.pipe()
    detector = t.start(stderr=pipe.writer)
    pipe.read_until_ready()
    pipe.fill()
    t.flood(detector, FLOODS[0], 3.0)
    return detector


def _terminal(t: Blockage) -> DetectorProcess:
    terminal = t.pipe(terminal=True)
    detector = t.start(_ALARMS, arguments=(), stdout=terminal.writer, stderr=terminal.writer)
    terminal.read_until_ready()
    terminal.fill()
    t.watch(detector, _ALARM_S)
    return detector


def _full_disk(t: Blockage) -> DetectorProcess:
    place, kind = t.stack.enter_context(small_disk(t.folder))
    detector = t.start((f"record.folder={place}", "record.min_free_mb=0"))
    if kind == "limit":
        bound_files(detector.pid)
    t.flood(detector, next(f for f in FLOODS if f.name == "new ids"), 0.0)
    t.flood(detector, next(f for f in FLOODS if f.name == "sources"), 4.0)
    return detector


def _endless_model(t: Blockage) -> DetectorProcess:
    path = t.folder / "endless.onnx"
    build_endless_model(path)
    detector = t.start(("alarm.raise_at=1", "alarm.clear_at=1"), arguments=("--json", "--model", str(path)))
    t.watch(detector, 4.0, far_m=2 * FAR_M)
    return detector


def _flood(t: Blockage) -> DetectorProcess:
    detector = t.start()
    t.flood(detector, next(f for f in FLOODS if f.name == "sources"), 0.0)
    t.flood(detector, FLOODS[0], 3.0)
    return detector


def _hang_up(t: Blockage) -> DetectorProcess:
    """A closed terminal must not end it; then it must end as ever."""
    detector = t.start()
    detector.process.send_signal(signal.SIGHUP)
    time.sleep(1.5)
    return detector


CASES: dict[str, Callable[[Blockage], DetectorProcess]] = {
    "nothing": lambda t: t.start(),
    "stdout, JSON lines": lambda t: _stdout(t, ("--json",)),
    "stdout, event lines": lambda t: _stdout(t, _NOTHING),
    "stderr": _stderr,
    "terminal": _terminal,
    "full disk": _full_disk,
    "endless model": _endless_model,
    "flood": _flood,
    "SIGHUP": _hang_up,
}
_SIGNALS = {"SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}


def stop(
    *,
    only: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Stop detectors whose output nobody reads, whose disk is full, whose model never returns, and that are flooded.

    Exit status 1 where one does not end within 5 seconds, or ends before it is told to.

    Parameters
    ----------
    only
        Only the cases of these names; may be repeated.
    json
        Print one JSON object instead.
    """
    for name in only:
        if name not in CASES:
            raise ConfigError(f"--only is {name!r}; expected one of {', '.join(CASES)}")
    progress = Console(stderr=True)
    report: dict[str, Any] = {"machine": describe_machine()}
    bars: list[Bar] = []
    for name in only or CASES:
        for signal_name, number in _SIGNALS.items():
            progress.print(f"{name}: {signal_name}")
            took, alive = measure_stop(CASES[name], number)
            bars.append(_bar(f"{name}: {signal_name}", took, alive))
    print_verdict(report, bars, (), json)


def measure_stop(case: Callable[[Blockage], DetectorProcess], number: int) -> tuple[float | None, bool]:
    """Seconds from the signal to the end (None: it had to be killed), and whether it ran until the signal."""
    with tempfile.TemporaryDirectory(prefix="dyadwatch-stop-") as folder, ExitStack() as stack:
        detector = case(Blockage(stack, Path(folder)))
        alive = detector.alive
        return detector.stop(_KILL_S, number), alive


def _bar(what: str, took: float | None, alive: bool) -> Bar:
    if not alive:
        figure = "ended before it was told to"
    else:
        figure = f"killed after {_KILL_S:g} s" if took is None else f"{took:.2f} s"
    return Bar(what, figure, f"<= {STOP_S:g} s", alive and took is not None and took <= STOP_S)


if sys.platform != "linux":
    CASES = {name: case for name, case in CASES.items() if name in ("nothing", "flood", "SIGHUP", "endless model")}
