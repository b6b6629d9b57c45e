"""How far the clocks of sources lie apart, by nothing but their stamps and the order in which frames come.

The receiver's clock has no part in it: a recording that is run again, at any speed, gives the same answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median

_KEPT = 32  # comparisons of two sources that are remembered
_ENOUGH = 16  # and from which on they are believed


class StampSkew:
    """Compares the stamps of sources as their frames come side by side.

    When a frame of one source comes right after one of another, their stamps differ by what the clocks differ, by the
    difference of their ways, and by part of the time between two frames; the last has the other sign when it is the
    other's turn, so that it cancels out in the median.

    Arguments:
        sources: names.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._order = {source: i for i, source in enumerate(sources)}
        self._since: dict[str, dict[str, int]] = {source: {} for source in sources}  # stamps since a source was heard
        self._steps: dict[tuple[str, str], deque[int]] = {}

    def heard(self, source: str, stamp: int) -> list[str]:
        """Records a frame as it came; returns the sources with which there is something new to compare."""
        new: list[str] = []
        for other, stamps in self._since.items():
            if other == source:
                continue
            theirs = self._since[source].pop(other, None)
            if theirs is not None:
                a, b = self._pair(source, other)
                step = stamp - theirs if a == source else theirs - stamp
                self._steps.setdefault((a, b), deque[int](maxlen=_KEPT)).append(step)
                new.append(other)
            stamps[source] = stamp
        return new

    def forget(self, source: str) -> None:
        """The source began a new run: what was known of its clock is void."""
        self._since[source].clear()
        for stamps in self._since.values():
            stamps.pop(source, None)
        self._steps = {pair: steps for pair, steps in self._steps.items() if source not in pair}

    def ahead(self, source: str, other: str) -> int | None:
        """By how many ns the stamps of a source lie ahead of another's; None until enough frames came."""
        a, b = self._pair(source, other)
        steps = self._steps.get((a, b), ())
        if len(steps) < _ENOUGH:
            return None
        middle = round(median(steps))
        return middle if a == source else -middle

    def _pair(self, a: str, b: str) -> tuple[str, str]:
        return (a, b) if self._order[a] < self._order[b] else (b, a)
