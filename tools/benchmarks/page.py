"""What pages cost the detector, and how fast a browser draws."""

from __future__ import annotations

import itertools
import re
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from cyclopts import Parameter

from dyadwatch.core.errors import DyadwatchError, MissingExtraError
from dyadwatch.live_detector import free_address
from dyadwatch.stream.messages import ScoreMessage
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.subscriber import Subscriber
from dyadwatch.tools.benchmarks.chromium import FLAGS, find_chromium
from dyadwatch.tools.benchmarks.machine import describe_machine, spread

try:
    import psutil
except ImportError:
    raise MissingExtraError("psutil", "dev") from None

_START_S = 120.0
_ROUNDS = 3
_READS = 0.8  # of the pages that are open; the others never read
# How often the browser comes round to draw on a page that draws nothing.
_EMPTY = """() => new Promise(done => {
  let n = 0; const began = performance.now();
  const turn = now => { n++; now - began < 3000 ? requestAnimationFrame(turn) : done(n / 3); };
  requestAnimationFrame(turn); })"""
# And how often it draws sixteen tiles of four moving people, each time all of them, whatever the detector can send.
_DRAWN = """async () => {
  const { View3D } = await import("/static/view3d.js");
  const wall = document.createElement("div"), J = 25, people = 4;
  wall.style.cssText = "position:fixed;inset:0;display:grid;z-index:9;" +
    "grid-template-columns:repeat(4,1fr);grid-auto-rows:25%";
  document.body.append(wall);
  const bones = [...Array(J - 1).keys()].map(i => [i, i + 1]);
  const views = [...Array(16)].map(() => { const c = document.createElement("canvas");
    c.style.cssText = "width:100%;height:100%"; wall.append(c); return new View3D(c); });
  const scene = t => { const places = new Float32Array(people * J * 3);
    for (let p = 0; p < people; p++) for (let j = 0; j < J; j++) places.set([p + Math.sin(t + j) * 0.3, j * 0.07,
      Math.cos(t + p + j) * 0.3], (p * J + j) * 3);
    return { bones, head: J - 1, soles: true, ids: [1, 2, 3, 4], pairs: [{ pair: [1, 2], evidence: 0.7 }], places }; };
  return await new Promise(done => { let n = 0; const began = performance.now();
    const turn = now => { for (const v of views) { v.set(scene(now / 300)); v.render(); } n++;
      now - began < 5000 ? requestAnimationFrame(turn) : (wall.remove(), done(n / 5)); };
    requestAnimationFrame(turn); }); }"""
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def page(
    *, sources: int = 16, pages: int = 50, seconds: float = 10.0, json: Annotated[bool, Parameter(negative=())] = False
) -> None:
    """Measure what open pages cost the detector, and how fast a browser paints and draws.

    Latency is what scores tell of themselves, with no page and with many, in turn, three times; a fifth of the pages
    never read. Where chromium and playwright are installed, the first paint and the pictures a second are those of a
    browser without a graphics card, beside an empty page's.

    Parameters
    ----------
    sources
        Sources of four simulated people, 30 frames a second each.
    pages
        How many pages are open.
    seconds
        How long each measurement lasts.
    json
        Print one JSON object instead.
    """
    with tempfile.TemporaryDirectory(prefix="dyadwatch-bench-") as folder, running_page(Path(folder)) as up:
        stop = threading.Event()
        sender = threading.Thread(target=_send, args=(up.into, sources, stop), name="sender")
        sender.start()
        try:
            time.sleep(5.0)
            report = {
                "machine": describe_machine(),
                **_latency(up.out, up.url, up.token, pages, seconds),
                **_browser(up.url, up.token),
            }
        finally:
            stop.set()
            sender.join()
    if json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        return
    for name, value in report.items():
        sys.stdout.write(f"{name}: {value}\n")


class RunningPage(NamedTuple):
    """A detector with its page.

    Arguments:
        into, out: where it takes poses and tells results.
        url: of the page, with a slash at its end.
        token: that the page knows.
        server: the process that serves the page.
        log: file of what the detector says.
    """

    into: str
    out: str
    url: str
    token: str
    server: psutil.Process
    log: Path


@contextmanager
def running_page(folder: Path, more: Sequence[str] = ()) -> Iterator[RunningPage]:
    """`dyadwatch up` with the simulated model, on free ports.

    Arguments:
        folder: for what it keeps.
        more: further `--set` options.

    Raises:
        DyadwatchError: it does not start; the text says what it said.
    """
    into, out, bind = free_address(), free_address(), free_address().removeprefix("tcp://")
    options = (f"wire.bind={into}", f"sinks.bind={out}", f"page.bind={bind}", "record.min_free_mb=0", *more)
    settings = [word for option in options for word in ("--set", option)]
    program = [sys.executable, "-m", "dyadwatch.tools.main"]
    log = folder / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*program, "up", "--model", "simulated", "--data", str(folder / "data"), *settings],
            stdout=said,
            stderr=said,
        )
    try:
        until = time.monotonic() + _START_S
        while not re.search(r"\?token=\S+ ", log.read_text()):
            if process.poll() is not None or time.monotonic() > until:
                raise DyadwatchError(f"the detector did not start: {log.read_text().strip()}")
            time.sleep(0.1)
        memory = f"memory.file={folder / 'data' / 'incidents.db'}"
        made = subprocess.run(
            [*program, "page", "add-token", "bench", "--set", memory], capture_output=True, check=True
        )
        server = next(p for p in psutil.Process(process.pid).children(recursive=True) if "page" in p.cmdline())
        yield RunningPage(into, out, f"http://{bind}/", made.stdout.decode().strip(), server, log)
    finally:
        process.terminate()
        process.wait(30)


def _send(into: str, sources: int, stop: threading.Event) -> None:
    scenario = list(make_scenario(seed=1, people=4, duration_s=60.0).frames(30.0))
    span = scenario[-1].stamp - scenario[0].stamp + 33_333_333
    with PosePublisher(into) as publisher:
        began, first = time.monotonic(), time.time_ns()
        for n, frame in enumerate(itertools.cycle(scenario)):
            at = n // len(scenario) * span + frame.stamp - scenario[0].stamp
            if stop.wait(max(began + at / 1e9 - time.monotonic(), 0)):
                return
            for k in range(sources):
                publisher.send(replace(frame, source=f"s{k:02}", seq=n, stamp=first + at + k))


def _latency(out: str, url: str, token: str, pages: int, seconds: float) -> dict[str, Any]:
    without: list[float] = []
    among: list[float] = []
    for _ in range(_ROUNDS):
        without += _scores(out, seconds)
        with _open_pages(url, token, pages):
            among += _scores(out, seconds)
    ratio = spread(among)["p99"] / max(spread(without)["p99"], 1e-9)
    return {
        "latency_ms_without_pages": spread(without, 1),
        f"latency_ms_with_{pages}_pages": spread(among, 1),
        "ratio_of_p99": round(ratio, 2),
    }


def _scores(out: str, seconds: float) -> list[float]:
    """What scores tell of themselves for so long."""
    found: list[float] = []
    with Subscriber(out, kinds=("score",)) as subscriber:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            message = subscriber.receive(0.1)
            if isinstance(message, ScoreMessage):
                found.append(message.latency_ms)
    return found


@contextmanager
def _open_pages(url: str, token: str, count: int) -> Iterator[None]:
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    request = f"GET /api/v1/stream HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    stop = threading.Event()
    with ExitStack() as stack:
        opened: list[socket.socket] = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection((host, int(port)), 10))
            one.sendall(request.encode())
            opened.append(one)
        reader = threading.Thread(target=_read, args=(opened[: round(count * _READS)], stop), name="pages")
        reader.start()
        time.sleep(1.0)
        try:
            yield
        finally:
            stop.set()
            reader.join()


def _read(pages: Sequence[socket.socket], stop: threading.Event) -> None:
    while not stop.is_set():
        for one in select.select(pages, [], [], 0.1)[0]:
            one.recv(1 << 18)


def _browser(url: str, token: str) -> dict[str, Any]:
    """First paint and pictures a second; nothing where there is no browser."""
    chromium = find_chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {}
    if chromium is None:
        return {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=list(FLAGS))
        tab = browser.new_page(viewport={"width": 1920, "height": 1080})
        tab.goto("about:blank")
        empty = tab.evaluate(_EMPTY)
        tab.goto(f"{url}?token={token}")
        tab.goto(url)  # once more: what a wall screen does in the morning
        tab.locator(".tile").first.wait_for(timeout=60_000)
        paint = tab.evaluate(_PAINT)
        rates: list[float] = []
        for _ in range(8):
            tab.wait_for_timeout(1000)
            rates.append(float(tab.locator("main").get_attribute("data-rate") or 0))
        drawn = tab.evaluate(_DRAWN)
        browser.close()
    return {
        "first_paint_ms": round(paint),
        "pictures_a_second_as_they_came": sorted(rates)[len(rates) // 2],
        "of_16_tiles_drawn_without_end": round(drawn, 1),
        "of_an_empty_page": round(empty, 1),
    }
