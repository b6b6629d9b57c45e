"""When a frame should have come, by its source's own pace: what comes later is late, whatever held it up."""

from __future__ import annotations

from dyadwatch.core.units import NS
from dyadwatch.stream.health.running_minimum import RunningMinimum

_BACK_NS = NS // 2  # stamps that fall back by more begin anew
_SLOW = 0.05  # a source whose stamps rise by so much less than our clock is no live one: nothing is said of its age


class Pace:
    """The shortest way from stamp to arrival in the last minute, and so when each stamp was due.

    A message that waited, in a socket that nobody emptied or in a process that was stopped, is late by as long as it
    waited, though it left the socket only a moment ago. A recording that is replayed slowly falls behind our clock all
    the time; that is its own pace and makes nothing late.
    """

    def __init__(self) -> None:
        self._least = RunningMinimum()
        self._last = 0
        self._epoch = -1

    def due(self, epoch: int, stamp: int, arrived: int) -> int:
        """Records a frame; returns when it was due, monotonic ns, at the latest when it arrived.

        Arguments:
            epoch, stamp: of the frame, ns by the source's clock.
            arrived: monotonic ns.
        """
        if epoch != self._epoch or stamp < self._last - _BACK_NS:
            self._least.clear()
            self._epoch, self._last = epoch, stamp
        self._last = max(self._last, stamp)
        self._least.add(arrived, arrived - stamp)
        least = self._least.value
        return arrived if least is None or not self._live else min(arrived, stamp + least)

    @property
    def _live(self) -> bool:
        """Whether the whole parts show stamps that rise about as fast as our clock."""
        parts = self._least.parts
        if len(parts) < 3:
            return False
        (_, began, first), (_, ended, last) = parts[0], parts[-2]
        return last - first < _SLOW * (ended - began)
