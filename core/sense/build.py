"""The build of bodies: how tall they are, and whether bodies can have these limbs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.anatomy import Anatomy
from dyadwatch.core.skeletons.body_size import SMALLEST_BODY_M

_FEWEST_LIMBS = 5  # of fewer nobody can tell which of them is wrong
_LEAST_WEIGHT = 4


class Build(NamedTuple):
    """What the limbs of a person come to.

    Arguments:
        height: metres when standing; NaN where too little is seen.
        misfit: how far the limbs are off those of a body of that height, in spreads, as the root of the mean square;
            noisy sensors come to 1.0, exchanged joints to 1.3 and more; 0 where too little is seen.
        worst: index of the limb that is off most.
        length: of that limb, metres.
    """

    height: float
    misfit: float
    worst: int
    length: float


_UNKNOWN = Build(float("nan"), 0.0, 0, 0.0)


def builds_of(lengths: NDArray[np.float32], anatomy: Anatomy) -> list[Build]:
    """Heights, and whether bodies can have these limbs.

    Arguments:
        lengths: middle lengths of the limbs of P people over some time, metres, shape (P, L), NaN where unseen.
        anatomy: of the layout.
    """
    if len(anatomy.limbs) < _FEWEST_LIMBS or len(anatomy.weighed) < _LEAST_WEIGHT:
        return [_UNKNOWN] * len(lengths)
    heights = lengths / anatomy.usual
    seen = ~np.isnan(heights)
    height = _heights(heights, seen, anatomy)
    known = [h >= SMALLEST_BODY_M for h in height.tolist()]  # smaller ones are refused for that elsewhere
    spread, most, short = anatomy.off
    off = np.log(np.maximum(heights / np.where(known, height, 1)[:, None], 1e-3))
    off = np.minimum(np.maximum(off, off * short) / spread, most)
    counts = np.add.reduce(seen, axis=1, dtype=np.intp)
    off = np.where(seen, off, 0)
    misfits = np.sqrt(np.einsum("pl,pl->p", off, off) / np.maximum(counts, 1).astype(np.float32)).tolist()
    worst = np.where(seen, off, -1).argmax(axis=1).tolist()
    return [
        Build(float(height[i]), misfits[i], limb, float(lengths[i, limb])) if known[i] else _UNKNOWN
        for i, limb in enumerate(worst)
    ]


def _heights(heights: NDArray[np.float32], seen: NDArray[np.bool_], anatomy: Anatomy) -> NDArray[np.float32]:
    """Of those that the limbs tell (P, L) the middle ones (P,), each limb counted by its weight; NaN where unknown."""
    weighed = np.sort(heights.take(anatomy.weighed, axis=1), axis=1)  # NaN last
    if np.count_nonzero(seen) == seen.size:  # as nearly always
        return weighed[:, weighed.shape[1] // 2]
    count = (~np.isnan(weighed)).sum(axis=1)
    middle = weighed[np.arange(len(weighed)), np.minimum(count // 2, weighed.shape[1] - 1)]
    enough = (seen.sum(axis=1) >= _FEWEST_LIMBS) & (count >= _LEAST_WEIGHT)
    return np.where(enough, middle, np.float32(np.nan))
