"""A real browser with the live page open, and what it shows and holds."""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple, Self

import psutil
from playwright.sync_api import sync_playwright

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.tools.benchmarks.chromium import FLAGS, find_chromium

# Every change of a tile's state, with when it was drawn.
_NOTE = """() => {
  window.shown = [];
  const note = tile => window.shown.push([tile.dataset.source, tile.dataset.state, Date.now() / 1000]);
  new MutationObserver(all => all.forEach(one => note(one.target)))
    .observe(document.querySelector("main"), { subtree: true, attributes: true, attributeFilter: ["data-state"] });
  document.querySelectorAll(".tile").forEach(note);
}"""


class ShownState(NamedTuple):
    """A source in another state than before.

    Arguments:
        source: its name.
        state: as the page or a broker has it.
        at: wall seconds.
    """

    source: str
    state: str
    at: float


class Held(NamedTuple):
    """What a browser holds.

    Arguments:
        heap_mb: objects of the page's scripts, after a collection.
        nodes: of the document.
        rss_mb: resident memory of all its processes.
    """

    heap_mb: float
    nodes: int
    rss_mb: float


class Wall:
    """The live page on a wall of 1920 by 1080, as a context manager.

    Arguments:
        url: of the page.
        token: that it knows.
        tiles: how many sources to wait for.

    Raises:
        DyadwatchError: no Chromium is installed.
    """

    def __init__(self, url: str, token: str, tiles: int) -> None:
        self._chromium = find_chromium()
        if self._chromium is None:
            raise DyadwatchError("no chromium is installed; on Debian and Ubuntu: apt install chromium")
        self._url, self._token, self._tiles = url, token, tiles
        self._before = {p.pid for p in psutil.Process().children(recursive=True)}

    def __enter__(self) -> Self:
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=self._chromium, headless=True, args=list(FLAGS)
        )
        self._tab = self._browser.new_page(viewport={"width": 1920, "height": 1080})
        self._tab.goto(f"{self._url}?token={self._token}")
        self._tab.locator(".tile").nth(self._tiles - 1).wait_for(timeout=60_000)
        self._tab.evaluate(_NOTE)
        self._tools = self._tab.context.new_cdp_session(self._tab)
        self._tools.send("Performance.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._browser.close()
        self._playwright.stop()

    def shown(self) -> list[ShownState]:
        """All changes of state since the beginning."""
        noted = [ShownState(*one) for one in self._tab.evaluate("() => window.shown")]
        now: dict[str, str] = {}
        changes: list[ShownState] = []
        for one in noted:  # a tile notes its state with every status
            if now.get(one.source) != one.state:
                now[one.source] = one.state
                changes.append(one)
        return changes

    def wait(self, seconds: float) -> None:
        """Lets the page live on."""
        self._tab.wait_for_timeout(1000 * seconds)

    def held(self) -> Held:
        """What it holds now."""
        self._tools.send("HeapProfiler.collectGarbage")
        figures = {one["name"]: one["value"] for one in self._tools.send("Performance.getMetrics")["metrics"]}
        own = [p for p in psutil.Process().children(recursive=True) if p.pid not in self._before]
        rss = sum(p.memory_info().rss for p in own if p.is_running())
        return Held(figures["JSHeapUsedSize"] / 1e6, int(figures["Nodes"]), rss / 1e6)
