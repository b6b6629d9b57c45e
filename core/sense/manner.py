"""What is odd about how a body is seen over its last seconds, whatever its limbs are called and however it stands."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.finding import Value
from dyadwatch.core.sense.anatomy import Anatomy
from dyadwatch.core.sense.places import flat_axes, nailed_parts
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.sense.sides import are_crossed, backward
from dyadwatch.core.sense.steadiness import varying_limbs

# How wide shoulders and hips are by their usual shares of the height, both of them, as a logarithm. Of two noisy
# sensors none comes to more than 0.12, or less than -0.02; some layouts have their hip joints near each other.
_WIDE, _NARROW = 0.3, -0.3


Manner = list[tuple[Oddity, dict[str, Value]]]  # what is odd about a person, and its data but for the person


def odd_widths(lengths: NDArray[np.float32], heights: Sequence[float], anatomy: Anatomy) -> list[float]:
    """How many times too wide, or too narrow, shoulders and hips of P people are by the height; 0 where they may be so.

    Arguments:
        lengths: middle lengths of the limbs over some time, metres, shape (P, L), NaN where unseen.
        heights: metres when standing.
        anatomy: of the layout.
    """
    if len(anatomy.widths) < 2:
        return [0.0] * len(lengths)
    usual = anatomy.usual[anatomy.widths] * np.array([h if h > 0 else np.nan for h in heights], np.float32)[:, None]
    out: list[float] = []
    for times in np.log(np.maximum(lengths[:, anatomy.widths] / usual, 1e-3)).tolist():
        odd = min(times) > _WIDE or max(times) < _NARROW  # NaN is neither
        out.append(round(math.exp(sum(times) / len(times)), 2) if odd else 0.0)
    return out


def odd_manners(
    measured: NDArray[np.float32],
    ordered: NDArray[np.float32],
    lengths: NDArray[np.float32],
    heights: Sequence[float],
    anatomy: Anatomy,
    *,
    sure: bool,
    flipped: Sequence[bool],
) -> list[Manner]:
    """What is odd about each of P people.

    Arguments:
        measured: as `measures.by_column` has it, shape (27, P, N).
        ordered: lengths of limbs in the same samples, each by size with NaN last, shape (P, N, L).
        lengths, heights: as of `odd_widths`.
        anatomy: of the layout.
        sure: whether there is enough for a verdict that blinds.
        flipped: whose left and right were exchanged of late.
    """
    axes = flat_axes(measured) if sure else [""] * len(lengths)
    widths = odd_widths(lengths, heights, anatomy)
    crossed, behind = are_crossed(measured), backward(measured, anatomy)
    varying, nailed = varying_limbs(ordered[..., anatomy.rigid]), nailed_parts(measured)
    out: list[Manner] = []
    for i, axis in enumerate(axes):
        found: Manner = [(Oddity.FLAT, {"axis": axis})] if axis else []
        if widths[i]:
            found.append((Oddity.ODD_WIDTH, {"times": widths[i]}))
        if crossed[i]:
            found.append((Oddity.SIDES_CROSSED, {}))
        elif behind[i] and not flipped[i]:
            found.append((Oddity.MIRRORED, {"part": behind[i]}))
        varies = varying[i]
        if varies is not None:
            limb = anatomy.limbs[anatomy.rigid[varies[0]]]
            found.append((Oddity.LIMBS_VARY, {"joint": limb.second, "other": limb.first, "share": round(varies[1], 2)}))
        if nailed[i]:
            found.append((Oddity.NAILED, {"part": nailed[i]}))
        out.append(found)
    return out
