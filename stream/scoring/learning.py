"""What is heard of sources while no model of their own is named: nobody is judged, and time and pairs are counted."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Protocol

from dyadwatch.core.units import NS

_LONGEST_NS = NS // 2  # between two windows of a source; what is longer was no watching


@dataclass(frozen=True, slots=True)
class Heard:
    """How much of a source could be learnt from.

    Arguments:
        ns: time in which any two people were near each other and could be scored, by the source's clock.
        pairs: that were; who is lost and found again may count again.
    """

    ns: int = 0
    pairs: int = 0

    @property
    def minutes(self) -> float:
        """The time."""
        return self.ns / NS / 60


class ScoredWhileLearning(Protocol):
    """A window, or the score that was told of it."""

    @property
    def pair(self) -> Any:
        """Whose it is."""
        ...

    @property
    def start(self) -> int:
        """Its first moment, ns by the source's clock."""
        ...

    @property
    def end(self) -> int:
        """Its last."""
        ...

    @property
    def doubtful(self) -> bool:
        """Whether the bodies in it look odd."""
        ...


class Listener:
    """Adds up what is heard of one source."""

    def __init__(self) -> None:
        self.heard = Heard()
        self._last: int | None = None

    def take(self, window: ScoredWhileLearning, known: Container[Any]) -> None:
        """Takes a window in event time; what is doubtful is nothing to learn from.

        Arguments:
            window: the next of any pair of the source.
            known: pairs of it that are in view, before this window.
        """
        if window.doubtful:
            return
        length = window.end - window.start
        step = length if self._last is None else window.end - self._last
        if step < 0:  # the source's time began again
            step = length
        elif step > _LONGEST_NS:  # the first window after a pause holds as much as it is long, and is new of it
            step = min(step, length)
        self._last = window.end
        self.heard = Heard(self.heard.ns + step, self.heard.pairs + (window.pair not in known))
