"""Where to look for new people next: large parts often, small parts seldom, and none where nothing has changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.units import NS
from dyadwatch.stream.publishers.camera.boxes import Box, tiles
from dyadwatch.stream.publishers.camera.estimate import Image

_THUMB = 96  # pixels of the long side of the picture in which change is looked for
_CHANGED = 12.0  # grey values: less is noise of the sensor
_AREA = 0.004  # of a part must have changed, outside of the people followed already
_ALL_S = 4.0  # after this a part is looked into whether it has changed or not
_ONE_S = 0.05  # a part for each so many seconds while nobody is followed
_ONE_BUSY_S = 0.5  # and while somebody is, whose images come first
_ONE_FULL_S = 1.0  # and while no more can be followed


class Scan:
    """Deals out the parts of images of one size.

    Arguments:
        width, height: of the images.
        period_s: how often the large parts are due; the smaller ones are so 2 and 8 times less often.
        often: times as many parts are looked into while somebody is followed.
    """

    def __init__(self, width: int, height: int, period_s: float = 0.5, *, often: int = 1) -> None:
        self._often = often
        self.size = (width, height)
        self._boxes = tiles(width, height)
        short = min(width, height)
        self._period = [period_s * (1 if b.width >= short else 2 if b.width > 0.6 * short else 8) for b in self._boxes]
        self._looked: list[int | None] = [None] * len(self._boxes)
        self._as_it_was: list[NDArray[np.float32] | None] = [None] * len(self._boxes)
        self._step = max(1, max(width, height) // _THUMB)
        self._last: int | None = None

    def due(self, image: Image, stamp: int, followed: Iterable[Box], *, full: bool = False) -> Sequence[Box]:
        """The parts to look into now, the most overdue first; all of them the first time.

        Arguments:
            image: shape (height, width, 3).
            stamp: nanoseconds, growing.
            followed: where people are followed already: what changes there is no news.
            full: whether no more can be followed, so that it is of little use.
        """
        if self._last is None:
            self._last = stamp
            small = self._small(image)
            self._looked, self._as_it_was = [stamp] * len(self._boxes), [small] * len(self._boxes)
            return self._boxes
        small = self._small(image)
        free, one_s = np.ones(small.shape, bool), _ONE_S
        for box in followed:
            free[self._thumb(box)], one_s = False, _ONE_BUSY_S / self._often
        one = round((_ONE_FULL_S if full else one_s) * NS)
        most, rest = divmod(min(stamp - self._last, NS), one)
        if not most:
            return []
        self._last = stamp - rest
        overdue = sorted(
            ((self._overdue(k, stamp, small, free), k) for k in range(len(self._boxes))), key=lambda x: -x[0]
        )
        now = [k for late, k in overdue[:most] if late >= 1]
        for k in now:
            self._looked[k], self._as_it_was[k] = stamp, small
        return [self._boxes[k] for k in now]

    def _overdue(self, k: int, stamp: int, small: NDArray[np.float32], free: NDArray[np.bool_]) -> float:
        """Periods since a part was looked into; 0 where looking again would show nothing new."""
        looked, before = self._looked[k], self._as_it_was[k]
        if looked is None or before is None:
            return 1.0
        waited = (stamp - looked) / NS
        late = waited / self._period[k]
        if late < 1 or waited > _ALL_S:
            return late
        where = self._thumb(self._boxes[k])
        changed = (np.abs(small[where] - before[where]) > _CHANGED) & free[where]
        return late if changed.mean() > _AREA else 0.0

    def _small(self, image: Image) -> NDArray[np.float32]:
        return image[:: self._step, :: self._step].mean(axis=2, dtype=np.float32)

    def _thumb(self, box: Box) -> tuple[slice, slice]:
        s = self._step
        return (
            slice(max(box.y, 0) // s, (box.y + box.height) // s + 1),
            slice(max(box.x, 0) // s, (box.x + box.width) // s + 1),
        )
