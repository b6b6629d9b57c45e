"""Places that no body has: all joints in one plane, or one of them nailed to a spot while the body moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.anatomy import PARTS, Anatomy
from dyadwatch.core.sense.measures import columns

_FLAT_M = 0.02  # the thinnest person of noisy recordings is 0.09 m along each axis
_BODY_M = 0.3
_MOSTLY = 0.8
_FEWEST = 4
_NAILED_M = 0.0005  # no sensor is steadier than that, and nobody breathes without it
_NAILED_SAMPLES = 10
_STIRS_M = 0.02
_STUCK_LOOKS = 6
_WENT_M = 0.08


def flat_axes(rows: NDArray[np.float32], anatomy: Anatomy) -> list[str]:
    """The axis along which each of P people has no extent; empty where there is some along each.

    Arguments:
        rows: of `measure`, shape (P, N, C).
        anatomy: of the joints.
    """
    extents = rows[..., columns(anatomy, "extent")]
    if not np.count_nonzero(extents < _FLAT_M):  # as nearly always
        return [""] * len(rows)
    return [_flat_axis(extent[(extent > _BODY_M).any(axis=1)]) for extent in extents]


def _flat_axis(extent: NDArray[np.float32]) -> str:
    if len(extent) < _FEWEST:
        return ""
    flat = np.count_nonzero(extent < _FLAT_M, axis=0) >= _MOSTLY * len(extent)
    return "xyz"[int(flat.argmax())] if flat.any() else ""


def nailed_parts(rows: NDArray[np.float32], anatomy: Anatomy) -> list[str]:
    """The part of each of P people whose place on the floor never changes while trunk or legs move; empty for none.

    Arms alone do not count: who sits fast may wave them.

    Arguments:
        rows: of `measure`, shape (P, N, C).
        anatomy: of the joints.
    """
    if rows.shape[1] < _NAILED_SAMPLES:
        return [""] * len(rows)
    places = rows[..., columns(anatomy, PARTS[0]).start : columns(anatomy, PARTS[-1]).stop]
    still = places.max(axis=1) - places.min(axis=1) < _NAILED_M
    if not np.count_nonzero(still):  # as nearly always
        return [""] * len(rows)
    return [_nailed_part(own, fast, anatomy) for own, fast in zip(rows, still, strict=True)]


def _nailed_part(rows: NDArray[np.float32], still: NDArray[np.bool_], anatomy: Anatomy) -> str:
    for i, part in enumerate(PARTS):
        if not (still[3 * i] and still[3 * i + 2]):  # nor where it is unseen
            continue
        others = rows[:, [k for name in ("trunk", "legs") for k in _level(columns(anatomy, name))]]
        if bool((others.max(axis=0) - others.min(axis=0) > _STIRS_M).any()):
            return part
    return ""


def _level(three: slice) -> tuple[int, int]:
    return three.start, three.stop - 1


class StuckJoints:
    """Joints whose coordinates stay the same, bit for bit, while the body goes elsewhere.

    Arguments:
        anatomy: of the joints; those that stand on the floor at times are not watched.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        self._stands = anatomy.stands
        self._names = anatomy.layout.joints
        self._before: NDArray[np.float32] | None = None
        self._since = np.zeros((len(self._names), 3), np.float32)  # place of the body when they came to stand still
        self._looks = np.zeros(len(self._names), np.intp)
        self._any = False

    def look(self, joints: NDArray[np.float32], place: tuple[float, float, float], *, moved: bool = False) -> str:
        """The first joint that is stuck; empty where none is.

        Arguments:
            joints: metres, shape (J, 3), NaN where unseen.
            place: of the body, metres.
            moved: whether every joint is known to have another x than in the look before.
        """
        before, self._before = self._before, joints
        if before is None:
            return ""
        if moved or not np.count_nonzero(joints[:, 0] == before[:, 0]):  # as nearly always
            if self._any:
                self._looks[:], self._any = 0, False
            return ""
        same: NDArray[np.bool_] = (joints == before).all(axis=1)
        self._any = True
        self._since[self._looks == 0] = place
        self._looks = np.where(same, self._looks + 1, 0)
        if same.all():
            return ""
        went = np.abs(self._since - np.array(place, np.float32)).max(axis=1)
        stuck = np.flatnonzero((self._looks >= _STUCK_LOOKS) & (went > _WENT_M) & ~self._stands)
        return self._names[stuck[0]] if len(stuck) else ""
