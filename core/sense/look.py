"""A look at several people at once, and what it shows of each before they are judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.anatomy import Anatomy
from dyadwatch.core.sense.measures import measure

Place = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class BodyLook:
    """Some people at one moment; made by `look_at`.

    Arguments:
        stamp: ns.
        keys: of the P people.
        joints: metres, shape (P, J, 3), NaN where unseen.
        rows: of `measures.measure`, shape (P, C).
        places: where each is, metres: the middle of all joints that are seen, infinite where none is.
    """

    stamp: int
    keys: tuple[int, ...]
    joints: NDArray[np.float32]
    rows: NDArray[np.float32]
    places: Sequence[Place]

    def all_moved_since(self, before: BodyLook | None) -> bool:
        """Whether these are the people of that look and no joint has the same x as there; False says nothing."""
        if before is None or before.keys != self.keys:
            return False
        return not np.count_nonzero(self.joints[..., 0] == before.joints[..., 0])


def look_at(stamp: int, keys: Sequence[int], joints: NDArray[np.float32], anatomy: Anatomy) -> BodyLook:
    """Measures people, joints (P, J, 3) in metres."""
    return BodyLook(stamp, tuple(keys), joints, measure(joints, anatomy), _places(joints))


def _places(joints: NDArray[np.float32]) -> list[Place]:
    middles: list[Place] = (np.add.reduce(joints.transpose(1, 0, 2).copy(), axis=0) / joints.shape[1]).tolist()
    for i, (x, _, _) in enumerate(middles):
        if math.isnan(x):  # a joint is unseen, which is rare
            seen = joints[i][~np.isnan(joints[i, :, 0])]
            middles[i] = (seen.sum(axis=0) / len(seen)).tolist() if len(seen) else (math.inf, math.inf, math.inf)
    return middles
