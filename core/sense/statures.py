"""How tall all people of a source are: children have grown people about them, and a wrong scale has not."""

from __future__ import annotations

import math
from collections.abc import Collection

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.person import PersonSense
from dyadwatch.core.sense.sense_codes import Odd, Oddity
from dyadwatch.core.units import NS

_GROWN_M = 1.35  # the smallest grown person of noisy recordings measures 1.39
_SMALL_M = 1.25  # in the mean
_PATIENCE_NS = 8 * NS
_FEWEST = 2
_LAPSE_NS = 3 * NS  # without them it begins anew; less may be a height that could not be told


class Statures:
    """What the heights of all people of a source say together.

    Attributes:
        odd: that all of them are small, and have been for long; None where they are not.
    """

    def __init__(self) -> None:
        self.odd: Odd | None = None
        self._since: int | None = None
        self._latest = 0  # when they were all small last
        self._tallest = 0.0

    def judge(self, stamp: int, people: Collection[PersonSense]) -> None:
        """Looks at everybody anew, ns."""
        heights = [p.height for p in people if p.sure and not p.misshapen and not math.isnan(p.height)]
        self._tallest = max([self._tallest, *heights])
        self.odd = None
        if len(heights) < _FEWEST or self._tallest >= _GROWN_M or sum(heights) >= _SMALL_M * len(heights):
            return
        if self._since is None or stamp - self._latest > _LAPSE_NS:
            self._since = stamp
        self._latest = stamp
        if stamp - self._since >= _PATIENCE_NS:
            seconds = round((stamp - self._since) / NS, 1)
            self.odd = Finding(Oddity.ALL_SMALL, tallest_m=round(self._tallest, 2), seconds=seconds)
