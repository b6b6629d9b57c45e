"""`dyadwatch bench liveness`: a wall watched for an hour; how soon a source's death is shown, and never a false one."""

from __future__ import annotations

import getpass
import math
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec
from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.errors import ConfigError, DyadwatchError, MissingExtraError
from dyadwatch.stream.sockets.free_port import free_port
from dyadwatch.tools.benchmarks.machine import describe_machine
from dyadwatch.tools.benchmarks.page import running_page
from dyadwatch.tools.benchmarks.soak import RSS_MB, settled, sparkline
from dyadwatch.tools.benchmarks.unsteady import UnsteadySources
from dyadwatch.tools.benchmarks.verdict import Bar, print_verdict, table

try:
    import paho.mqtt.client as paho
    import psutil
    from paho.mqtt.enums import CallbackAPIVersion

    from dyadwatch.tools.benchmarks.wall import ShownState, Wall
except ModuleNotFoundError as e:
    raise MissingExtraError.of(e, "dev") from None

DEATH_S, RECOVERY_S = 3.5, 2.0
_FPS, _JITTER, _LOSS = 30.0, 0.20, 0.05
_MORTAL = "mortal"
_DEAD_S = 8.0
_SILENT = "silent"
_WHERE = ("page", "mqtt")
_STATES = "dyadwatch/dyadwatch/sources/+/state"
# A pair of simulated people that raises an alarm would stand in the place of a state.
_OPTIONS = ("alarm.raise_at=1000", "alarm.clear_at=1000")


@dataclass(frozen=True)
class WallReading:
    """What was held at a moment.

    Arguments:
        minute: since the page was open.
        heap_mb: objects of the page's scripts, after a collection.
        nodes: of the document.
        browser_mb: resident memory of all processes of the browser.
        server_mb: of the process that serves the page.
    """

    minute: float
    heap_mb: float
    nodes: int
    browser_mb: float
    server_mb: float


@dataclass(frozen=True)
class Delay:
    """Seconds until a source that sends nothing more, or again, was shown so; infinite where it never was."""

    page: float
    mqtt: float


def liveness(
    *,
    minutes: float = 60.0,
    sources: int = 4,
    deaths: int = 10,
    every: float = 30.0,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Watch the live page in a browser for long: its memory, and how soon and how truly deaths of sources are shown.

    `dyadwatch up` with a broker (mosquitto), sources of two simulated people at 30 frames a second whose frames come up
    to 20 % of the time between two early or late, and 5 % not at all. One of the sources dies again and again; nobody
    else may be shown as silent. Exit status 1 where a bar is missed.

    Parameters
    ----------
    minutes
        How long the page is open.
    sources
        How many send, with the one that dies.
    deaths
        How often it does, evenly over the time.
    every
        Seconds between two readings of the memory.
    json
        Print one JSON object instead.
    """
    if sources < 2 or deaths < 1 or not minutes * 60 >= max(6 * every, 2 * deaths * _DEAD_S) > 0:
        raise ConfigError(
            f"--minutes is {minutes:g}, --sources {sources}, --deaths {deaths}, --every {every:g}; expected two "
            f"sources, a death, six readings, and {2 * _DEAD_S:g} s a death"
        )
    progress = Console(stderr=True)
    report: dict[str, Any] = {"machine": describe_machine()}
    names = (*(f"s{i}" for i in range(1, sources)), _MORTAL)
    with tempfile.TemporaryDirectory(prefix="dyadwatch-bench-") as name:
        folder = Path(name)
        with _broker(folder) as port:
            target = f"delivery.to={{home: {{kind: mqtt, port: {port}}}}}"
            with (
                running_page(folder, (*_OPTIONS, target)) as page,
                _States(port) as states,
                UnsteadySources(page.into, names, _FPS, _JITTER, _LOSS) as sender,
                Wall(page.url, page.token, sources) as wall,
            ):
                dead, back, readings = _watch(wall, states, sender, page.server, minutes, deaths, every, progress)
                false = _false(wall.shown()), _false(states.shown)
                late = sender.late_s
                if any(false):
                    for line in page.log.read_text("utf8").splitlines():
                        progress.print(f"the detector said: {line}", markup=False, highlight=False)
    report["readings"] = [asdict(r) for r in readings]
    report["false_silences"] = {w: [[s.source, s.at] for s in f] for w, f in zip(_WHERE, false, strict=True)}
    report["seconds_to_silent"], report["seconds_to_recovered"] = [asdict(d) for d in dead], [asdict(d) for d in back]
    print_verdict(report, _bars(dead, back, false, readings, minutes, late), _tables(readings, minutes), json)


def _watch(
    wall: Wall,
    states: _States,
    sender: UnsteadySources,
    server: psutil.Process,
    minutes: float,
    deaths: int,
    every: float,
    progress: Console,
) -> tuple[list[Delay], list[Delay], list[WallReading]]:
    began = time.monotonic()
    apart = minutes * 60 / deaths
    due = [(began + (n + 1) * every, False) for n in range(int(minutes * 60 / every))]
    due += [(began + (n + 0.5) * apart, True) for n in range(deaths)]
    dead: list[Delay] = []
    back: list[Delay] = []
    readings: list[WallReading] = []
    for at, dies in sorted(due):
        wall.wait(max(0.0, at - time.monotonic()))
        if dies:
            last = sender.kill(_MORTAL)
            wall.wait(_DEAD_S)
            dead.append(_delay(wall, states, last, silent=True))
            first = sender.revive(_MORTAL)
            wall.wait(_DEAD_S / 2)
            back.append(_delay(wall, states, first, silent=False))
            progress.print(f"a death: shown after {dead[-1].page:.2f} s, by MQTT {dead[-1].mqtt:.2f} s; "
                           f"back after {back[-1].page:.2f} s and {back[-1].mqtt:.2f} s")  # fmt: skip
            continue
        held = wall.held()
        served = server.memory_info().rss / 1e6
        minute = (time.monotonic() - began) / 60
        readings.append(
            WallReading(round(minute, 2), round(held.heap_mb, 2), held.nodes, round(held.rss_mb, 1), round(served, 1))
        )
        progress.print(
            f"minute {minute:.1f}: heap {held.heap_mb:.1f} MB, {held.nodes} nodes, browser {held.rss_mb:.0f} MB, "
            f"server {served:.0f} MB"
        )
    return dead, back, readings


def _delay(wall: Wall, states: _States, since: float, silent: bool) -> Delay:
    def first(shown: Sequence[ShownState]) -> float:
        found = [s.at for s in shown if s.source == _MORTAL and s.at > since and (s.state == _SILENT) == silent]
        return found[0] - since if found else math.inf

    return Delay(first(wall.shown()), first(states.shown))


def _false(shown: Sequence[ShownState]) -> list[ShownState]:
    """Where a source that was sending was shown as silent."""
    return [s for s in shown if s.state == _SILENT and s.source != _MORTAL]


def _bars(
    dead: Sequence[Delay],
    back: Sequence[Delay],
    false: Sequence[Sequence[ShownState]],
    readings: Sequence[WallReading],
    minutes: float,
    late_s: float,
) -> list[Bar]:
    bars: list[Bar] = []
    for what, delays, most in (("death shown", dead, DEATH_S), ("recovery shown", back, RECOVERY_S)):
        for where in _WHERE:
            seconds = [getattr(d, where) for d in delays]
            figure = f"{statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s of {len(seconds)}"
            bars.append(Bar(f"{what}, {where}", figure, f"<= {most:g} s", max(seconds) <= most))
    for where, found in zip(_WHERE, false, strict=True):
        bars.append(Bar(f"false silences in {minutes:g} minutes, {where}", str(len(found)), "0", not found))
    after = settled(readings, minutes)
    for what, key in (("objects of the page", "heap_mb"), ("server of the page", "server_mb")):
        values = [getattr(r, key) for r in after]
        grown = max(values) - values[0]
        figure = f"{grown:+.1f} MB of {values[0]:.0f}"
        bars.append(Bar(f"{what} after minute {after[0].minute:g}, most", figure, f"<= {RSS_MB:g} MB", grown <= RSS_MB))
    nodes, browser = [r.nodes for r in after], [r.browser_mb for r in after]
    bars.append(Bar("nodes of the document", f"{min(nodes)} to {max(nodes)}", "for the reader", True))
    bars.append(Bar("browser, all processes", f"{min(browser):.0f} to {max(browser):.0f} MB", "for the reader", True))
    return [*bars, Bar("worst lateness of the sender", f"{late_s:.2f} s", "for the reader", True)]


def _tables(readings: Sequence[WallReading], minutes: float) -> list[str]:
    step = max(1, round(len(readings) / 12))
    rows = [list(asdict(r).values()) for i, r in enumerate(readings) if i % step == 0 or i == len(readings) - 1]
    header = ("minute", "objects MB", "nodes", "browser MB", "server MB")
    return [*table(header, rows), f"Objects over {minutes:g} minutes: {sparkline([r.heap_mb for r in readings])}", ""]


class _States:
    """What a broker is told of the state of each source, with when it came; as a context manager."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._now: dict[str, str] = {}
        self._ready = threading.Event()
        self.shown: list[ShownState] = []

    def __enter__(self) -> Self:
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda _, __, message: self._take(message.topic, bytes(message.payload))
        self._client.connect_async("127.0.0.1", self._port)
        self._client.loop_start()
        if not self._ready.wait(10):
            raise DyadwatchError("the broker does not answer")
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: paho.Client, *_: Any) -> None:
        client.subscribe(_STATES, 1)

    def _take(self, topic: str, body: bytes) -> None:
        came, source = time.time(), topic.split("/")[3]
        state = msgspec.json.decode(body)["state"] if body else ""
        if self._now.get(source) != state:
            self._now[source] = state
            self.shown.append(ShownState(source, state, came))


@contextmanager
def _broker(folder: Path) -> Iterator[int]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise DyadwatchError("no mosquitto is installed; on Debian and Ubuntu: apt install mosquitto")
    port, file = free_port(), folder / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {getpass.getuser()}\n")
    process = subprocess.Popen([program, "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > until:
                raise DyadwatchError("mosquitto did not start")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
