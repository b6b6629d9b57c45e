"""From one performer's VMC messages to whole poses: which messages belong together, and when they were true."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import WireError
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import SenderReason
from dyadwatch.stream.publishers.osc import OscMessage, OscValue
from dyadwatch.stream.publishers.vmc_avatar import AS_IT_IS, BONES, ROOT, Avatar, Quaternion, Vector, unit_rotation

_LONGEST_TIME_S = 1e9
_LEAST_SCALE, _FARTHEST_M = 0.1, 1e4
_UNTIMED = 2  # poses without a time before a sender is believed to tell none


class Pose(NamedTuple):
    """A performer's joints, (22, 3) metres in our axes, and the stamp on the clock it was reported on."""

    stamp: int
    joints: NDArray[np.float64]


class VmcFrames:
    """Assembles a performer's poses.

    A pose ends at `/VMC/Ext/T`; where the sender tells no time, at `/VMC/Ext/OK`; and in any case when a bone comes
    again. Its stamp is that time, or its arrival where the sender tells none; only after two poses is it clear that
    it does not, and those are not used.

    Arguments:
        avatar: keeps the bones.
        fits: whether scale and offset that a sender tells with the root are made use of.
        refuse: called with reason and text for every message or pose that cannot be used.
    """

    def __init__(self, avatar: Avatar, refuse: Callable[[StrEnum, str], None], *, fits: bool = True) -> None:
        self._avatar = avatar
        self._fits = fits
        self._refuse = refuse
        self._moved: set[str] = set()
        self._began = 0
        self._time: int | None = None  # told before the pose in its own datagram
        self._timed = False
        self._untimed = 0
        self._ready = True

    def take(self, messages: Iterable[OscMessage], arrived: int) -> Iterator[Pose]:
        """The poses that a datagram completes.

        Arguments:
            messages: of the datagram, in order.
            arrived: unix ns at which it came.
        """
        told: int | None = None
        for address, values in messages:
            try:
                if address in ("/VMC/Ext/Bone/Pos", "/VMC/Ext/Root/Pos"):
                    bone, position, rotation = _transform(address, values)
                    if bone not in BONES and bone != ROOT:  # fingers, eyes, jaw
                        continue
                    if bone in self._moved:
                        yield from self._finish(None)
                    if not self._moved:
                        self._began, self._time = arrived, told
                    self._avatar.move(bone, position, rotation)
                    self._moved.add(bone)
                    if bone == ROOT and self._fits:
                        self._avatar.fit = _fit(values)
                elif address == "/VMC/Ext/T":
                    told, self._timed = _time(values), True
                    yield from self._finish(told)
                elif address == "/VMC/Ext/OK":
                    self._ready = _is_ready(values)
                    if not self._timed:
                        yield from self._finish(None)
            except WireError as e:
                self._refuse(e.reason, str(e))

    def _finish(self, time: int | None) -> Iterator[Pose]:
        if not self._moved - {ROOT}:
            return
        self._moved.clear()
        stamp = time if self._time is None else self._time
        if not self._ready:
            self._refuse(
                SenderReason.NOT_READY, "the sender says that its avatar is not loaded or not tracked; poses wait"
            )
        elif stamp is None and self._timed:
            self._refuse(SenderReason.TIME_MISSING, "a pose came without /VMC/Ext/T, which the sender sends otherwise")
        elif stamp is None and self._untimed < _UNTIMED:
            self._untimed += 1
        else:
            yield Pose(self._began if stamp is None else stamp, self._avatar.joints())


def _transform(address: str, values: tuple[OscValue, ...]) -> tuple[str, Vector, Quaternion]:
    name, numbers = values[0] if values else None, [float(v) for v in values[1:8] if isinstance(v, float | int)]
    if not isinstance(name, str) or len(numbers) != 7 or not all(map(math.isfinite, numbers)):
        raise WireError(
            SenderReason.BAD_BONE, f"{address} carries {_shown(values)}; expected a name and 7 finite numbers"
        )
    x, y, z, qx, qy, qz, qw = numbers
    bone = ROOT if address.endswith("Root/Pos") else name
    return bone, (x, y, z), unit_rotation(bone, (x, y, z), (qx, qy, qz, qw))


def _fit(values: tuple[OscValue, ...]) -> tuple[float, Vector]:
    """Scale and offset of VMC 2.1, which follow the root's rotation; as it is, where there are none."""
    told = values[8:14]
    if not told:
        return AS_IT_IS
    numbers = [float(v) for v in told if isinstance(v, float | int)]
    scales, offset = numbers[:3], numbers[3:]
    plain = len(offset) == 3 and all(abs(v) < _FARTHEST_M for v in offset)  # False for NaN
    if not (plain and all(_LEAST_SCALE < s < 1 / _LEAST_SCALE for s in scales) and max(scales) < 1.01 * min(scales)):
        raise WireError(
            SenderReason.BAD_SCALE,
            f"/VMC/Ext/Root/Pos carries the scale and offset {_shown(told)}; expected one scale from {_LEAST_SCALE} "
            f"to {1 / _LEAST_SCALE:g} for all three axes and an offset in metres; both are left out",
        )
    x, y, z = offset
    return sum(scales) / 3, (x, y, z)


def _time(values: tuple[OscValue, ...]) -> int:
    seconds = values[0] if values else None
    if not isinstance(seconds, float | int) or not 0 <= seconds < _LONGEST_TIME_S:
        raise WireError(SenderReason.BAD_TIME, f"/VMC/Ext/T carries {_shown(values)}; expected seconds, 0 or more")
    return round(seconds * NS)


def _is_ready(values: tuple[OscValue, ...]) -> bool:
    """Loaded; and where the fourth value is there, tracked."""
    return values[:1] != (0,) and values[3:4] != (0,)


def _shown(values: tuple[OscValue, ...]) -> str:
    return repr(values)[:120]
