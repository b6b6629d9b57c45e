"""What pages cost the detector, and how fast a browser draws."""

from __future__ import annotations

import itertools
import re
import select
import shutil
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
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.live_detector import free_address
from dyadwatch.stream.messages import ScoreMessage
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.subscriber import Subscriber
from dyadwatch.tools.benchmarks.machine import describe_machine, spread

_START_S = 120.0
_ROUNDS = 3
_READS = 0.8  # of the pages that are open; the others never read
_BROWSER = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
# How often the browser comes round to draw on a page that draws nothing.
_EMPTY = """() => new Promise(done => {
  let n = 0; const began = performance.now();
  const turn = now => { n++; now - began < 3000 ? requestAnimationFrame(turn) : done(n / 3); };
  requestAnimationFrame(turn); })"""
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
    with tempfile.TemporaryDirectory(prefix="dyadwatch-bench-") as folder, _up(Path(folder)) as (into, out, url, token):
        stop = threading.Event()
        sender = threading.Thread(target=_send, args=(into, sources, stop), name="sender")
        sender.start()
        try:
            time.sleep(5.0)
            report = {
                "machine": describe_machine(),
                **_latency(out, url, token, pages, seconds),
                **_browser(url, token),
            }
        finally:
            stop.set()
            sender.join()
    if json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        return
    for name, value in report.items():
        sys.stdout.write(f"{name}: {value}\n")


@contextmanager
def _up(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """`dyadwatch up`; its addresses, its page, and a token for that."""
    into, out, bind = free_address(), free_address(), free_address().removeprefix("tcp://")
    options = (f"wire.bind={into}", f"sinks.bind={out}", f"page.bind={bind}", "record.min_free_mb=0")
    settings = [word for option in options for word in ("--set", option)]
    program = [sys.executable, "-m", "dyadwatch.tools.main"]
    log = folder / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*program, "up", "--model", "simulated", "--data", str(folder / "data"), *settings], stdout=said, stderr=said
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
        yield into, out, f"http://{bind}/", made.stdout.decode().strip()
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
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {}
    if chromium is None:
        return {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=list(_BROWSER))
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
        browser.close()
    return {
        "first_paint_ms": round(paint),
        "pictures_a_second": sorted(rates)[len(rates) // 2],
        "of_an_empty_page": round(empty, 1),
    }
