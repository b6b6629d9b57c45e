"""What is odd about how a body is seen over its last seconds, whatever its limbs are called and however it stands."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.finding import Value
from dyadwatch.core.sense.anatomy import Anatomy
from dyadwatch.core.sense.places import flat_axis, nailed_part
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.sense.sides import are_crossed, backward
from dyadwatch.core.sense.steadiness import varying_limb

# How wide shoulders and hips are by their usual shares of the height, both of them, as a logarithm. Of two noisy
# sensors none comes to more than 0.12, or less than -0.02; some layouts have their hip joints near each other.
_WIDE, _NARROW = 0.3, -0.3


def odd_width(lengths: NDArray[np.float32], height: float, anatomy: Anatomy) -> float:
    """How many times too wide, or too narrow, shoulders and hips are by the height; 0 where they may be so.

    Arguments:
        lengths: middle lengths of the limbs over some time, metres, shape (L,), NaN where unseen.
        height: metres when standing.
        anatomy: of the layout.
    """
    if len(anatomy.widths) < 2 or not height > 0:
        return 0.0
    times = np.log(np.maximum(lengths[anatomy.widths] / (anatomy.usual[anatomy.widths] * height), 1e-3)).tolist()
    least, most = min(times), max(times)
    if least > _WIDE or most < _NARROW:  # NaN is neither
        return round(math.exp(sum(times) / len(times)), 2)
    return 0.0


def odd_manner(
    rows: NDArray[np.float32],
    lengths: NDArray[np.float32],
    height: float,
    anatomy: Anatomy,
    *,
    sure: bool,
    flipped: bool,
) -> list[tuple[Oddity, dict[str, Value]]]:
    """What is odd, and its data but for the person.

    Arguments:
        rows: of `measures.measure`, shape (N, C).
        lengths: as of `odd_width`.
        height: metres when standing.
        anatomy: of the layout.
        sure: whether there is enough for a verdict that blinds.
        flipped: whether left and right were exchanged of late.
    """
    found: list[tuple[Oddity, dict[str, Value]]] = []
    axis = flat_axis(rows, anatomy) if sure else ""
    if axis:
        found.append((Oddity.FLAT, {"axis": axis}))
    times = odd_width(lengths, height, anatomy)
    if times:
        found.append((Oddity.ODD_WIDTH, {"times": times}))
    if are_crossed(rows, anatomy):
        found.append((Oddity.SIDES_CROSSED, {}))
    elif not flipped and (part := backward(rows, anatomy)):
        found.append((Oddity.MIRRORED, {"part": part}))
    varies = varying_limb(rows[:, anatomy.rigid])
    if varies is not None:
        limb = anatomy.limbs[anatomy.rigid[varies[0]]]
        found.append((Oddity.LIMBS_VARY, {"joint": limb.second, "other": limb.first, "share": round(varies[1], 2)}))
    part = nailed_part(rows, anatomy)
    if part:
        found.append((Oddity.NAILED, {"part": part}))
    return found
