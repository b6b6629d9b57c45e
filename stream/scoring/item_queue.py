"""The bounded queue between the thread that receives and the thread that scores."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence

from dyadwatch.stream.items import Item, Window


class _Share:
    """What waits of the sources that have one share: a line each, in the order of their turns."""

    def __init__(self) -> None:
        self.lines: dict[str, deque[tuple[int, Item]]] = {}  # items with their number
        self.waiting: dict[str, int] = {}  # source -> windows in its line
        self.windows = 0

    @property
    def oldest(self) -> tuple[int, str]:
        """Number of the item that waits for longest, and its source."""
        return min((line[0][0], source) for source, line in self.lines.items())

    def put(self, number: int, item: Item) -> None:
        self.lines.setdefault(item.source, deque()).append((number, item))
        if isinstance(item, Window):
            self.windows += 1
            self.waiting[item.source] = self.waiting.get(item.source, 0) + 1

    def take(self, source: str) -> Item:
        """The next item of a source, whose next turn is after all others."""
        line = self.lines.pop(source)
        _, item = line.popleft()
        if line:
            self.lines[source] = line
        if isinstance(item, Window):
            self._count_out(source)
        return item

    def drop(self, source: str) -> None:
        """Drops the oldest window of a source."""
        line = self.lines[source]
        del line[next(i for i, (_, item) in enumerate(line) if isinstance(item, Window))]
        if not line:
            del self.lines[source]
        self._count_out(source)

    def drop_all(self) -> list[str]:
        """Drops every window; returns their sources."""
        dropped = [source for source, count in self.waiting.items() for _ in range(count)]
        for source in self.waiting:
            ends = deque(entry for entry in self.lines[source] if not isinstance(entry[1], Window))
            if ends:
                self.lines[source] = ends
            else:
                del self.lines[source]
        self.waiting.clear()
        self.windows = 0
        return dropped

    def _count_out(self, source: str) -> None:
        self.windows -= 1
        left = self.waiting.pop(source) - 1
        if left:
            self.waiting[source] = left


class ItemQueue:
    """A bounded fair queue: round robin over shares, then over their sources; one source's items stay in order.

    When full, the largest share loses the oldest window of its largest source; among equals, the one that lost none for
    longest. With `waits`, `put` blocks instead. Ends of pairs are never dropped.

    Arguments:
        max_windows: windows that may wait.
        shed: called with the source of every window that is shed.
        share_of: key of the share that a source belongs to, such as its connection; by default every source has a share
            of its own. Asked while nothing of the source waits.
        waits: whether `put` waits for room instead of shedding.
    """

    def __init__(
        self,
        max_windows: int,
        shed: Callable[[str], None],
        share_of: Callable[[str], Hashable] = str,
        *,
        waits: bool = False,
    ) -> None:
        self._max = max_windows
        self._shed = shed
        self._share_of = share_of
        self._waits = waits
        self._shares: dict[Hashable, _Share] = {}  # in the order of their turns
        self._key_of: dict[str, Hashable] = {}  # source -> key of its share, while anything of it waits
        self._next = 0
        self._in_turn = False
        self._lost_at: dict[tuple[Hashable, str], int] = {}  # of shares (source "") and sources: their last loss
        self._lost = 0
        self._windows = 0
        self._closed = False
        self._ready = threading.Condition()

    @property
    def windows(self) -> int:
        """How many windows wait; from any thread."""
        return self._windows

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
                key = self._key_of.get(item.source)
                if key is None:
                    key = self._key_of[item.source] = self._share_of(item.source)
                self._shares.setdefault(key, _Share()).put(self._next, item)
                self._next += 1
                if self._windows > self._max:
                    self._drop_oldest_of_greediest()
            self._ready.notify()

    def take(self, most: int, timeout_s: float) -> list[Item] | None:
        """The next items with at most `most` windows; empty after `timeout_s`; None once closed and empty."""
        with self._ready:
            if not self._shares and not self._closed:
                self._ready.wait(timeout_s)
            if not self._shares:
                return None if self._closed else []
            out: list[Item] = []
            windows = 0
            while self._shares and windows < most:
                out.append(self._serve())
                windows += isinstance(out[-1], Window)
            self._windows -= windows
            if not self._shares:
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
            for key, share in list(self._shares.items()):
                for source in share.drop_all():
                    self._shed(source)
                    self._tidy(key, source)
            self._windows = 0
            self._ready.notify()

    def abandon(self) -> None:
        """Nobody takes any more: what waits is shed, and so is all that is put from now on; `put` does not wait."""
        with self._ready:
            self._waits = False
            self._max = 0
        self.shed_all()

    def _serve(self) -> Item:
        if self._in_turn:
            key = next(iter(self._shares))
            source = next(iter(self._shares[key].lines))
        else:
            (_, source), key = min(((share.oldest, key) for key, share in self._shares.items()), key=lambda o: o[0])
        share = self._shares.pop(key)
        self._shares[key] = share  # its next turn is after all others
        item = share.take(source)
        self._tidy(key, source)
        return item

    def _drop_oldest_of_greediest(self) -> None:
        lost_at = self._lost_at
        key = max(self._shares, key=lambda k: (self._shares[k].windows, -lost_at.get((k, ""), 0)))
        share = self._shares[key]
        source = max(share.waiting, key=lambda s: (share.waiting[s], -lost_at.get((key, s), 0)))
        share.drop(source)
        self._tidy(key, source)
        self._windows -= 1
        self._lost += 1
        lost_at[key, ""] = lost_at[key, source] = self._lost
        self._in_turn = True
        self._shed(source)

    def _tidy(self, key: Hashable, source: str) -> None:
        """Forgets a source, and a share, of which nothing waits any more."""
        share = self._shares.get(key)
        if share is None or source not in share.lines:
            self._key_of.pop(source, None)
        if share is not None and not share.lines:
            del self._shares[key]
