"""In which of a person's frames each joint was unseen: what decides whether a window is scored."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.units import NS

_FASTEST = 250  # frames a second


class Unseen(NamedTuple):
    """Of the frames that a window was made of: in how many each joint was unseen (J,), and how many they are."""

    frames: NDArray[np.intp]
    of: int

    def too_much(self, most: float) -> bool:
        """Whether a joint was unseen in more than this part of them, to the frame."""
        return bool(self.frames.max() > math.ceil(most * self.of - 1e-9))

    def without(self, implied: NDArray[np.bool_]) -> Unseen:
        """The same, of the joints that are not implied by others: two hidden in turn hide the middle all the time."""
        return Unseen(np.where(implied, 0, self.frames), self.of)


class Sightings:
    """The frames of one person, by stamp, as far back as a window may reach.

    The source's frames are counted, not points of the model's grid: at 30 frames a second and 15 points, a joint that
    is unseen in every fourth frame would be unseen at half of the points, or at none.

    Arguments:
        kept: seconds from the newest frame back.

    Attributes:
        stamps: of the frames, ns, rising; whoever has one appends it.
    """

    def __init__(self, kept: float) -> None:
        self._kept = round(kept * NS)
        self.stamps: deque[int] = deque(maxlen=math.ceil(kept * _FASTEST))  # of a faster source the last ones count
        self._unseen: deque[tuple[int, NDArray[np.bool_]]] = deque()  # of the frames in which a joint was

    def hidden(self, unseen: NDArray[np.bool_]) -> None:
        """Records the joints (J,) that were unseen in the newest frame."""
        now = self.stamps[-1]
        self._unseen.append((now, unseen))
        while self._unseen[0][0] < now - self._kept:
            self._unseen.popleft()

    def within(self, start: int, end: int) -> Unseen | None:
        """Of the frames between two stamps, and those that enclose them; None where every joint was seen in all."""
        while self._unseen and self._unseen[0][0] < self.stamps[-1] - self._kept:
            self._unseen.popleft()
        if not self._unseen:
            return None
        stamps = list(self.stamps)
        first = max(bisect_right(stamps, start) - 1, 0)
        last = min(bisect_left(stamps, end), len(stamps) - 1)
        masks = [mask for stamp, mask in self._unseen if stamps[first] <= stamp <= stamps[last]]
        return Unseen(np.stack(masks).sum(axis=0, dtype=np.intp), last - first + 1) if masks else None
