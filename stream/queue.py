"""The bounded queue between the thread that receives and the thread that scores."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from dyadwatch.stream.line import Item, Window


class ItemQueue:
    """Windows and ends of pairs, in order; once more windows come than may wait, sources take turns, one window each,
    until nothing waits any more. Those of one source always stay in order.

    When it is full, the source with the most windows waiting loses its oldest one, so that a flood from one source
    costs no other; among equals it is the one that lost none for longest. Or whoever brings more waits. Ends of pairs
    are never shed.

    Arguments:
        max_windows: windows that may wait.
        shed: called with the source of every window that is shed.
        waits: whether `put` waits for room instead of shedding.
    """

    def __init__(self, max_windows: int, shed: Callable[[str], None], *, waits: bool = False) -> None:
        self._max = max_windows
        self._shed = shed
        self._waits = waits
        self._lines: dict[str, deque[tuple[int, Item]]] = {}  # items with their number, in the order of turns
        self._next = 0
        self._in_turn = False
        self._waiting: dict[str, int] = {}  # source -> windows in its line
        self._lost_at: dict[str, int] = {}  # source -> number of the last window that it lost
        self._lost = 0
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
                    self._waiting[item.source] = self._waiting.get(item.source, 0) + 1
                self._lines.setdefault(item.source, deque()).append((self._next, item))
                self._next += 1
                if self._windows > self._max:
                    self._drop_oldest_of_greediest()
            self._ready.notify()

    def take(self, most: int, timeout_s: float) -> list[Item] | None:
        """The next items with at most `most` windows; empty after `timeout_s`; None once closed and empty."""
        with self._ready:
            if not self._lines and not self._closed:
                self._ready.wait(timeout_s)
            if not self._lines:
                return None if self._closed else []
            out: list[Item] = []
            windows = 0
            while self._lines and windows < most:
                windows += self._serve(out)
            self._windows -= windows
            if not self._lines:
                self._in_turn = False
                self._lost_at.clear()
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
            for source, line in list(self._lines.items()):
                ends = deque(entry for entry in line if not isinstance(entry[1], Window))
                for _ in range(len(line) - len(ends)):
                    self._shed(source)
                if ends:
                    self._lines[source] = ends
                else:
                    del self._lines[source]
            self._waiting.clear()
            self._windows = 0
            self._ready.notify()

    def abandon(self) -> None:
        """Nobody takes any more: what waits is shed, and so is all that is put from now on; `put` does not wait."""
        with self._ready:
            self._waits = False
            self._max = 0
        self.shed_all()

    def _serve(self, out: list[Item]) -> int:
        """Hands out the next item; returns how many windows that is."""
        lines = self._lines
        source = next(iter(lines)) if self._in_turn else min(lines, key=lambda s: lines[s][0][0])
        line = lines.pop(source)
        _, item = line.popleft()
        if line:
            lines[source] = line  # its next turn is after all others
        out.append(item)
        if not isinstance(item, Window):
            return 0
        self._count_out(source)
        return 1

    def _count_out(self, source: str) -> None:
        left = self._waiting[source] - 1
        if left:
            self._waiting[source] = left
        else:
            del self._waiting[source]

    def _drop_oldest_of_greediest(self) -> None:
        greedy = max(self._waiting, key=lambda s: (self._waiting[s], -self._lost_at.get(s, 0)))
        line = self._lines[greedy]
        for i, (_, item) in enumerate(line):
            if isinstance(item, Window):
                del line[i]
                break
        if not line:
            del self._lines[greedy]
        self._windows -= 1
        self._lost += 1
        self._lost_at[greedy] = self._lost
        self._in_turn = True
        self._count_out(greedy)
        self._shed(greedy)
