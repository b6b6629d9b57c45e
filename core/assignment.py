"""Who is who: the assignment of least total cost, within limits."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

_FEW = 4  # among so many all ways are tried; for more scipy.optimize is loaded, which takes a third of a second


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
    rows, columns = np.flatnonzero(may.any(1)), np.flatnonzero(may.any(0))
    found = _cheapest(np.where(may, cost, dear)[np.ix_(rows, columns)])
    return {int(rows[r]): int(columns[c]) for r, c in found if may[rows[r], columns[c]]}


def _cheapest(cost: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Rows and columns, shape (R, C), finite: the smaller number of both, at the least total cost."""
    if cost.shape[0] > cost.shape[1]:
        return sorted((r, c) for c, r in _cheapest(cost.T))
    nearest: list[int] = cost.argmin(1).tolist() if cost.size else []
    if len(set(nearest)) < len(nearest):
        if cost.shape[1] > _FEW:
            from scipy.optimize import linear_sum_assignment

            rows, columns = linear_sum_assignment(cost)
            return list(zip(rows.tolist(), columns.tolist(), strict=True))
        of = cost.tolist()
        ways = permutations(range(cost.shape[1]), len(of))
        nearest = list(min(ways, key=lambda way: sum(row[c] for row, c in zip(of, way, strict=True))))
    return list(enumerate(nearest))
