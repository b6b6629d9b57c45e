"""When the images of a video file were taken, from the times the file gives them, which are not always usable."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from dyadwatch.core.units import NS

_LONGEST_STEP_MS = 3_600_000.0  # clocks of 33 bits leap by a day; a camera that films on movement pauses for less


class FilmTimes:
    """Stamps of the images of a file, one after the other; always rising.

    The times of the file hold. Where they stand still, go back or leap, the next image is taken to follow a period
    after the one before. Where they do so among the first images already, as in files that give none, the rate holds
    alone.

    Arguments:
        first_ms: times of the first images, milliseconds.
        fps: the rate that the file gives for the whole.
        start_ns: stamp of the first image.

    Attributes:
        fault: what is wrong with the times of the file; empty as long as nothing was found.
    """

    def __init__(self, first_ms: Sequence[float], fps: float, start_ns: int = 0) -> None:
        self._fps = fps
        self._start = start_ns
        self._count = 0
        self._before = 0.0  # time of the image before
        self._last = 0.0  # and how far after the start it was put, milliseconds
        found = (_fault(a, b) for a, b in pairwise(first_ms))
        self.fault = next(filter(None, found), "" if np.isfinite(first_ms).all() else "are not numbers")
        self._by_rate = bool(self.fault)

    def stamp(self, time_ms: float) -> int:
        """The stamp of the next image, nanoseconds, whose time the file gives as `time_ms`."""
        k, self._count = self._count, self._count + 1
        if self._by_rate:
            return self._start + round(k * NS / self._fps)
        if k:
            fault = _fault(self._before, time_ms)
            self.fault = self.fault or fault
            self._last += 1000 / self._fps if fault else time_ms - self._before
        self._before = time_ms
        return self._start + round(self._last * 1e6)


def _fault(before_ms: float, after_ms: float) -> str:
    """What is wrong with the step from one time to the next; mostly nothing."""
    step = after_ms - before_ms
    if not np.isfinite(step):
        return "are not numbers"
    if step <= 0:
        return "stand still" if step == 0 else "go back"
    return "leap" if step > _LONGEST_STEP_MS else ""
