"""What colours someone wears, so that two people who come close are not mistaken for each other afterwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.stream.publishers.camera.estimate import Image, SeenPose

_SEEN = 0.5
_LEAST = 12  # pixels


def colours(image: Image, seen: SeenPose, layout: Layout) -> NDArray[np.float64]:
    """The mean colour of the trunk: shares of blue and green, and brightness, each 0..1; NaN where it is not seen.

    A few numbers, kept in memory for as long as the person is followed, and never sent.

    Arguments:
        image: shape (height, width, 3), BGR.
        seen: someone in it.
        layout: of the joints.
    """
    nothing = np.full(3, np.nan)
    try:
        trunk = [layout.index[f"{side}_{end}"] for end in ("shoulder", "hip") for side in ("left", "right")]
    except KeyError:
        return nothing
    if seen.visibility[trunk].min() < _SEEN:
        return nothing
    points = seen.image[trunk]
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2, np.maximum((high - low) * 0.3, 2)
    x0, y0 = np.clip(middle - half, 0, None).astype(int)
    x1, y1 = (middle + half).astype(int) + 1
    patch = image[y0:y1, x0:x1].reshape(-1, 3)
    if len(patch) < _LEAST:
        return nothing
    b, g, r = np.median(patch[:: max(1, len(patch) // 400)], axis=0)
    total = b + g + r + 30.0  # dark colours have no hue worth comparing
    return np.array([b / total, g / total, total / 795.0])


def unlike(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """How different two colours are, 0 where one is not known; brightness, which light changes, counts a quarter."""
    d = np.abs(a - b) * (1.0, 1.0, 0.25)
    return float(d.sum()) if np.isfinite(d).all() else 0.0
