"""The bounded queue between the thread that receives and the thread that scores."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence

from dyadwatch.stream.line import Item, Window


class ItemQueue:
    """Windows and ends of pairs in order. When it is full, the source with the most windows waiting loses its oldest
    one, so that a flood from one source costs no other; or whoever brings more waits. Ends of pairs are never shed.

    Arguments:
        max_windows: windows that may wait.
        shed: called with the source of every window that is shed.
        waits: whether `put` waits for room instead of shedding.
    """

    def __init__(self, max_windows: int, shed: Callable[[str], None], *, waits: bool = False) -> None:
        self._max = max_windows
        self._shed = shed
        self._waits = waits
        self._items: deque[Item] = deque()
        self._waiting: Counter[str] = Counter()
        self._windows = 0
        self._closed = False
        self._ready = threading.Condition()

    def put(self, items: Sequence[Item]) -> None:
        """Adds items at the end; most frames bring none, and those wake nobody."""
        if not items:
            return
        with self._ready:
            for item in items:
                if isinstance(item, Window):
                    while self._waits and self._windows >= self._max:
                        self._ready.notify()
                        self._ready.wait()
                    self._windows += 1
                    self._waiting[item.source] += 1
                self._items.append(item)
                if self._windows > self._max:
                    self._drop_oldest_window()
            self._ready.notify()

    def take(self, most: int, timeout_s: float) -> list[Item] | None:
        """The next items with at most `most` windows; empty after `timeout_s`; None once closed and empty."""
        with self._ready:
            if not self._items and not self._closed:
                self._ready.wait(timeout_s)
            if not self._items:
                return None if self._closed else []
            out: list[Item] = []
            windows = 0
            while self._items and windows < most:
                item = self._items.popleft()
                if isinstance(item, Window):
                    windows += 1
                    self._waiting[item.source] -= 1
                out.append(item)
            self._windows -= windows
            if windows:
                self._ready.notify()
            return out

    def close(self) -> None:
        """Lets `take` hand out what is left and then None."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def shed_all(self) -> None:
        """Sheds every window that waits; ends of pairs stay."""
        with self._ready:
            for item in self._items:
                if isinstance(item, Window):
                    self._shed(item.source)
            self._items = deque(i for i in self._items if not isinstance(i, Window))
            self._waiting.clear()
            self._windows = 0
            self._ready.notify()

    def abandon(self) -> None:
        """Nobody takes any more: what waits is shed, and so is all that is put from now on; `put` does not wait."""
        with self._ready:
            self._waits = False
            self._max = 0
        self.shed_all()

    def _drop_oldest_window(self) -> None:
        greedy = max(self._waiting, key=self._waiting.__getitem__)
        for i, item in enumerate(self._items):
            if isinstance(item, Window) and item.source == greedy:
                del self._items[i]
                self._windows -= 1
                self._waiting[greedy] -= 1
                self._shed(greedy)
                return
