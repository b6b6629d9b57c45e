"""Whether up is a little off: a tilted camera shows everybody leaning one way in the room, whichever way they face.

Who leans forward leans another way once they have turned round, and who is pushed stood upright before.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

_KEPT = 96  # of the newest
_FEWEST = 5  # on people who face one way, and as many on people who face the other
_TILTED, _EACH = math.sin(math.radians(18)), math.sin(math.radians(8))
_NEARLY_ALL = 0.9
_OPPOSITE = -0.77  # cosine of 140 degrees


class Tilt:
    """Gathers how people lean who stand or sit, and where they face."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float, float, float]] = deque(maxlen=_KEPT)
        self._sum = 0.0, 0.0  # of how they lean

    def add(self, up: NDArray[np.floating], ahead: NDArray[np.floating]) -> None:
        """Takes how somebody stands: unit vectors along the body and out of its chest, shape (3,)."""
        x, z = float(ahead[0]), float(ahead[2])
        level = max(math.hypot(x, z), 1e-6)
        old = self._seen[0] if len(self._seen) == _KEPT else (0.0, 0.0)
        self._sum = self._sum[0] + float(up[0]) - old[0], self._sum[1] + float(up[2]) - old[1]
        self._seen.append((float(up[0]), float(up[2]), x / level, z / level))

    @property
    def found(self) -> tuple[int, str] | None:
        """By how many degrees everybody leans, and towards which axis, such as `-z`; None where they do not."""
        if len(self._seen) < 2 * _FEWEST or math.hypot(*self._sum) < 0.5 * _TILTED * len(self._seen):
            return None  # as nearly always
        seen = np.array(self._seen)
        leans, facing = seen[:, :2], seen[:, 2:]
        opposite = facing @ facing.T < _OPPOSITE  # (N, N)
        of = opposite.sum(axis=1)
        if np.count_nonzero(of) < 2 * _FEWEST or of.sum() < 2 * _FEWEST**2:
            return None
        mean = of @ leans / of.sum()  # what is left of two who face opposite ways, in the middle
        length = float(np.hypot(*mean))
        if length < _TILTED or np.count_nonzero(leans @ mean > _EACH * length) < _NEARLY_ALL * len(leans):
            return None
        i = int(np.abs(mean).argmax())
        return round(math.degrees(math.asin(min(length, 1.0)))), f"{'+' if mean[i] > 0 else '-'}{'xz'[i]}"
