"""Where up is, by how the people of a source stand, sit and lie.

Who lies is no fault of a source, and nor are all people of a ward who do: only who walks while all lie along one axis
shows that the axes are wrong. Until anybody was seen upright it is doubtful, and nothing more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.person import PersonSense
from dyadwatch.core.sense.posture import Posture
from dyadwatch.core.sense.sense_codes import Odd, Oddity
from dyadwatch.core.sense.tilt import Tilt

_ALIKE = 0.93  # how much alike the axes of several people are who are turned together
# Metres across their own axis that several people move, or one; who falls out of a bed moves less than a metre.
_WALKED_M, _WALKED_FAR_M = 0.5, 1.2
_LYING_M = (-0.3, 1.4)  # how high above the ankles of others the hips of somebody who lies may be


class Gravity:
    """What the postures of all people of a source say together.

    Attributes:
        upright: whether anybody was seen upright since there was nobody.
        odd: what is odd about all of them; None for nothing.
        tilt: by how much all of them lean one way; None where they do not.
    """

    def __init__(self) -> None:
        self.upright = False
        self.odd: Odd | None = None
        self.tilt: Odd | None = None  # a little off
        self._tilt = Tilt()
        self._floor = math.nan  # height of the ankles of those who stand, metres

    def judge(self, people: Iterable[PersonSense]) -> None:
        """Looks at everybody anew."""
        known = [p for p in people if p.known and not p.misshapen]
        self.upright = self.upright or any(p.posture.upright for p in known)
        floors = [p.posture.floor for p in known if not math.isnan(p.posture.floor)]
        self._floor = min(floors) if floors else self._floor
        self.odd = None if self.upright or not known else _of_all(known)
        for p in known:
            if p.posture.lean is not None:
                self._tilt.add(*p.posture.lean)
        found = self._tilt.found
        self.tilt = None if found is None else Finding(Oddity.TILTED, degrees=found[0], axis=found[1])

    def of_person(self, person: PersonSense) -> list[Odd]:
        """What is odd about how somebody stands or lies."""
        posture = person.posture
        if posture.upright or not person.sure:
            return []
        if posture.down:
            return [Finding(Oddity.UPSIDE_DOWN, person=person.id)]
        if not self.upright or posture.axis is None:
            return []
        moved, above = posture.moved_across(), posture.hips - self._floor
        if moved < _WALKED_FAR_M and not (above < _LYING_M[0] or above > _LYING_M[1]):
            return []
        detail = {} if math.isnan(above) else {"above_m": round(above, 1)}
        axis = _axis_name(posture.axis)
        return [Finding(Oddity.WALKS_LYING, person=person.id, axis=axis, moved_m=round(moved, 1), **detail)]


def _of_all(known: Sequence[PersonSense]) -> Odd | None:
    """What is odd about people of whom nobody was ever upright."""
    postures = [p.posture for p in known]
    sure = all(p.sure for p in known)
    if all(posture.down for posture in postures):
        # Once that is sure, each of them is said to be upside down.
        return None if sure else Finding(Oddity.NOBODY_UPRIGHT, axis="-y")
    axis = _common_axis(postures)
    if axis is None:
        return Finding(Oddity.NOBODY_UPRIGHT, axis="")
    moved = sorted(posture.moved_across() for posture in postures)
    walk = len(moved) > 1 and (moved[-1] >= _WALKED_FAR_M or moved[-2] >= _WALKED_M)
    if walk and sure:
        return Finding(Oddity.TURNED, axis=_axis_name(axis), moved_m=round(moved[-1], 1))
    return Finding(Oddity.NOBODY_UPRIGHT, axis=_axis_name(axis))


def _common_axis(postures: Sequence[Posture]) -> NDArray[np.floating] | None:
    """The level axis along which all lie; None where there is none."""
    level = [posture.axis for posture in postures if posture.axis is not None]
    if len(level) < len(postures):
        return None
    mean = np.mean(level, axis=0)
    return mean if float(np.linalg.norm(mean)) > _ALIKE else None


def _axis_name(axis: NDArray[np.floating]) -> str:
    """The axis of the world that a direction lies nearest to, such as `+z`."""
    i = int(np.abs(axis).argmax())
    return f"{'+' if axis[i] > 0 else '-'}{'xyz'[i]}"
