"""Area under the ROC curve, from ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def auroc(normal: NDArray[np.floating], anomalous: NDArray[np.floating]) -> float:
    """The chance that an anomalous score is above a normal one, ties counting half; NaN where either is empty.

    Arguments:
        normal, anomalous: scores, higher is more anomalous; shapes (N,) and (M,).
    """
    if not len(normal) or not len(anomalous):
        return float("nan")
    ordered = np.sort(normal)
    below = np.searchsorted(ordered, anomalous, side="left")
    up_to = np.searchsorted(ordered, anomalous, side="right")
    return float((below + up_to).mean() / (2 * len(ordered)))
