"""Who is who: the assignment of least total cost, within limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


def assign(cost: NDArray[np.floating], limit: float | NDArray[np.floating] = np.inf) -> dict[int, int]:
    """Rows to columns, each at most once, as many as may be and then at the least total cost.

    Arguments:
        cost: shape (R, C), at least 0; not finite where the two cannot belong together.
        limit: the highest cost of two that may, one for all or shape (R, 1), (1, C) or (R, C).

    Returns:
        The column of each row that has one.
    """
    if not cost.size:
        return {}
    may = np.isfinite(cost) & (cost <= limit)
    # so dear that one pair within the limits is worth more than all others together
    dear = 1.0 + 2.0 * float(cost[may].sum()) if may.any() else 1.0
    rows, columns = linear_sum_assignment(np.where(may, cost, dear))
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if may[r, c]}
