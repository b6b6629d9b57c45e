"""Points of one time grid at which several sources see the same place, each taken up once all have come so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.stream.merging.fusion import GroupSighting
from dyadwatch.stream.tracking.time_grid import TimeGrid

_GONE_NS = 1_000_000_000  # a source that sends nothing while others go on for so long has no say in what time it is


class Reached(Enum):
    """What a source's coming so far means."""

    IN_TIME = auto()
    LATE = auto()  # the points of its stamp were taken up without it
    STEPPED_BACK = auto()  # all who are left are far behind where the group was: all begins anew here


class Point(NamedTuple):
    """A point of the grid, and what is seen there; metres and confidence, shape (J, 4), NaN where unseen."""

    k: int
    rows: dict[GroupSighting, NDArray[np.float32]]


class CommonGrid:
    """What waits until every source has come as far.

    Arguments:
        sources: names.
        grid: the points.
        wait: ns; a source that is farther behind the foremost is not waited for.
    """

    def __init__(self, sources: Sequence[str], grid: TimeGrid, wait: int) -> None:
        self._grid = grid
        self._wait = wait
        self._last: dict[str, int] = {}  # source -> stamp of its last frame
        self._quiet: dict[str, dict[str, int]] = {s: {} for s in sources}  # others' stamps when last it was heard
        self._waiting: dict[int, dict[GroupSighting, NDArray[np.float32]]] = {}
        self._next: int | None = None  # the point of the grid that is taken up next; None before the first
        self._begun: int | None = None  # stamp of the first frame

    @property
    def waiting(self) -> int:
        """Number of points that wait."""
        return len(self._waiting)

    def reach(self, source: str, stamp: int) -> Reached:
        """Records how far a source has come."""
        # The least: a source that begins anew with earlier stamps must not be waited for until it is where it was.
        self._begun = stamp if self._begun is None else min(self._begun, stamp)
        self._last[source] = stamp
        self._quiet[source].clear()
        for other, stamps in self._quiet.items():
            if other != source and stamp - stamps.setdefault(source, stamp) > _GONE_NS:
                self._last.pop(other, None)
        if self._next is None:
            return Reached.IN_TIME
        if max(self._last.values()) < self._grid.stamp(self._next - 1) - self._wait:
            self.begin()
            self._begun = stamp
            return Reached.STEPPED_BACK
        return Reached.IN_TIME if self._grid.at_or_after(stamp) >= self._next else Reached.LATE

    def put(self, k: int, sighting: GroupSighting, row: NDArray[np.float32]) -> None:
        """Keeps what a source shows at a point until it is taken up; what comes too late is left out."""
        if self._next is None or k >= self._next:
            self._waiting.setdefault(k, {})[sighting] = row

    def ready(self, sources: Iterable[str]) -> list[Point]:
        """The points that all have reached.

        Arguments:
            sources: who is to be waited for at the beginning, when it must not matter who comes first.
        """
        newest = max(self._last.values())
        opening = self._next is None and self._begun is not None and newest - self._begun <= self._wait
        if opening and any(source not in self._last for source in sources):
            return []
        horizon = min(stamp for stamp in self._last.values() if newest - stamp <= self._wait)
        return self._up_to(self._grid.at_or_after(horizon + 1) - 1)

    def rest(self) -> list[Point]:
        """All that waits, at the end; nobody has a say any more."""
        out = self._up_to(max(self._waiting)) if self._waiting else []
        self.begin()
        self._last.clear()
        return out

    def gone(self, source: str) -> None:
        """The source has no say any more in what time it is, until it is heard again."""
        self._last.pop(source, None)
        self._quiet[source].clear()
        for stamps in self._quiet.values():
            stamps.pop(source, None)

    def begin(self) -> None:
        """Forgets what waits: the next frame is the first."""
        self._waiting.clear()
        self._next = self._begun = None

    def _up_to(self, last: int) -> list[Point]:
        if self._next is not None and last < self._next:
            return []
        self._next = last + 1
        return [Point(k, self._waiting.pop(k, {})) for k in sorted({*(k for k in self._waiting if k <= last), last})]
