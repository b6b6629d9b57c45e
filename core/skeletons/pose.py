"""The one pose type that every source makes and every station takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.skeletons.layout import Layout

TrackId = int | str


@dataclass(frozen=True, slots=True)
class PoseFrame:
    """All people one source saw at one instant. Validated at the border (`stream/wire.py`), trusted after it.

    Arguments:
        source: name of the source, 1-64 characters of `A-Za-z0-9_-`.
        epoch: constant for one run of the publisher, larger after each restart.
        seq: number of the frame in its epoch, +1 each.
        stamp: time of acquisition, integer nanoseconds on the source's own clock.
        clock: name of that clock's domain, such as `unix` or `media`.
        layout: what the J axis means.
        joints: metres, right-handed, Y up; shape (P, J, 3) float32; NaN where a joint was not seen.
        confidence: 0..1, shape (P, J) float32; 1 where the source sends none.
        ids: the source's own id of each person, or None where it does not track.
        warnings: what the source says is wrong with its own frames, in names such as `assumed_field_of_view`.
        zeros: joints that came as 0 0 0, or another filler, and were made NaN, see `core.skeletons.unseen`.
    """

    source: str
    epoch: int
    seq: int
    stamp: int
    clock: str
    layout: Layout
    joints: NDArray[np.float32]
    confidence: NDArray[np.float32]
    ids: tuple[TrackId, ...] | None
    warnings: tuple[str, ...] = ()
    zeros: int = 0

    @property
    def people(self) -> int:
        """Number of people in the frame."""
        return self.joints.shape[0]
