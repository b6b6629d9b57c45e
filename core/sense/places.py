"""Places that no body has: all joints in one plane, or one of them nailed to a spot while the body moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.anatomy import PARTS, Anatomy
from dyadwatch.core.sense.measures import SPANS

_FLAT_M = 0.02  # the thinnest person of noisy recordings is 0.09 m along each axis
_BODY_M = 0.3
_MOSTLY = 0.8
_FEWEST = 4
_NAILED_M = 0.0005  # no sensor is steadier than that, and nobody breathes without it
_NAILED_SAMPLES = 10
_STIRS_M = 0.02
_STUCK_LOOKS = 6
_WENT_M = 0.08


def flat_axes(measured: NDArray[np.float32]) -> list[str]:
    """The axis along which each of P people has no extent; empty where there is some along each.

    Arguments:
        measured: as `by_column` has it, shape (27, P, N).
    """
    extents = measured[SPANS["extent"]]
    if not np.count_nonzero(extents < _FLAT_M):  # as nearly always
        return [""] * extents.shape[1]
    return [_flat_axis(extents[:, i]) for i in range(extents.shape[1])]


def _flat_axis(extent: NDArray[np.float32]) -> str:
    extent = extent[:, (extent > _BODY_M).any(axis=0)]
    if extent.shape[1] < _FEWEST:
        return ""
    flat = np.count_nonzero(extent < _FLAT_M, axis=1) >= _MOSTLY * extent.shape[1]
    return "xyz"[int(flat.argmax())] if flat.any() else ""


def nailed_parts(measured: NDArray[np.float32]) -> list[str]:
    """The part of each of P people whose place on the floor never changes while trunk or legs move; empty for none.

    Arms alone do not count: who sits fast may wave them.

    Arguments:
        measured: as `by_column` has it, shape (27, P, N).
    """
    people, samples = measured.shape[1:]
    if samples < _NAILED_SAMPLES:
        return [""] * people
    places = measured[SPANS[PARTS[0]].start : SPANS[PARTS[-1]].stop]
    still = np.maximum.reduce(places, axis=2) - np.minimum.reduce(places, axis=2) < _NAILED_M
    fast = still[::3] & still[2::3]  # (2, P); not where it is unseen
    if not np.count_nonzero(fast):  # as nearly always
        return [""] * people
    return [PARTS[int(own.argmax())] if own.any() and _stirs(measured[:, i]) else "" for i, own in enumerate(fast.T)]


def _stirs(measured: NDArray[np.float32]) -> bool:
    """Whether the trunk or the legs of somebody, shape (27, N), lean now one way and now another."""
    others = measured[[k for name in ("trunk", "legs") for k in (SPANS[name].start, SPANS[name].stop - 1)]]
    return bool((others.max(axis=1) - others.min(axis=1) > _STIRS_M).any())


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
