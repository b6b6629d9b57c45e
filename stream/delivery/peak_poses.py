"""The poses of two people at the moment of most evidence, kept until a delivery that is to show them."""

from __future__ import annotations

import threading

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dyadwatch.core.explanation.explainer import How
from dyadwatch.core.skeletons.landmarks import has_soles, head_of
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.limbs import members
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.stream.alarms.guilty import guilty_joints
from dyadwatch.stream.messages import IncidentMessage, OddLimb

_MOST = 256  # windows, of some 10 kB each
_LEGS = 1.85  # lengths of the trunk, neck to pelvis, from the pelvis to the floor
_UPRIGHT = 0.8  # of the length of a trunk that stands, its height
_Key = tuple[str, tuple[TrackId, TrackId], int]


class PeakPose(Struct, frozen=True, kw_only=True):
    """Two people at one moment, and which joints are to be lit.

    Arguments:
        ids: of the two.
        bones: positions of two joints each.
        head: position of the joint that stands for the head; -1 for none.
        places: metres, Y up, float32 little endian, shape (2, joints, 3), without NaN.
        floor_m: height of the floor below them.
        stands: where no feet are seen, position of the joint that a line leads down from; -1 where they are.
        lit: of each of the two the joints that explain the incident, as positions.
        path: where the joint that stands for the odd limb went before and after: float32 (moments, 3); empty for none.
        at: moment of the path at which the two are shown.
        limb: person (0 or 1) and position of that joint, and of the joint of the other that it is odd towards.
        stamp: ns of the source's clock, end of the window.
    """

    ids: tuple[TrackId, TrackId]
    bones: tuple[tuple[int, int], ...]
    head: int
    places: bytes
    floor_m: float
    stands: int
    lit: tuple[tuple[int, ...], tuple[int, ...]]
    path: bytes = b""
    at: int = 0
    limb: tuple[int, int, int] | None = None
    stamp: int = 0


class PeakPoses:
    """Windows with the highest score of the latest events. From any thread.

    Arguments:
        layout: of the windows.
        most: windows that are kept; the oldest go first.
    """

    def __init__(self, layout: Layout, most: int = _MOST) -> None:
        self._layout = layout
        self._most = most
        self._lock = threading.Lock()
        self._windows: dict[_Key, NDArray[np.float32]] = {}

    def put(self, source: str, pair: tuple[TrackId, TrackId], stamp: int, joints: NDArray[np.float32]) -> None:
        """Keeps a window.

        Arguments:
            source, pair: whose it is.
            stamp: its end, ns of the source's clock.
            joints: metres, shape (2, T, J, 3), without NaN.
        """
        with self._lock:
            self._windows.pop((source, pair, stamp), None)  # or it kept its old place
            self._windows[source, pair, stamp] = joints
            while len(self._windows) > self._most:
                del self._windows[next(iter(self._windows))]

    def of(self, incident: IncidentMessage) -> PeakPose | None:
        """The leading pair of an incident at its moment of most evidence; None where nothing of it is kept."""
        if not incident.pairs:
            return None
        pair = incident.pairs[0]
        with self._lock:
            joints = self._windows.get((incident.source, pair.pair, pair.peak_stamp))
        return None if joints is None else peak_pose(joints, self._layout, incident)


def peak_pose(joints: NDArray[np.float32], layout: Layout, incident: IncidentMessage) -> PeakPose:
    """What is to be drawn of a window.

    Arguments:
        joints: metres, shape (2, T, J, 3), without NaN.
        layout: of the joints.
        incident: whose leading pair it is.
    """
    pair = incident.pairs[0]
    lit = {guilty.person: guilty.joints for guilty in guilty_joints(incident, layout.joints)}
    if pair.limb is not None:
        lit[pair.limb.person] += _roots(layout, pair.limb)
    limb, row, path = _limb(joints, layout, pair.pair, pair.limb)
    return PeakPose(
        ids=pair.pair,
        bones=layout.bone_indices,
        head=head_of(layout.joints),
        places=np.ascontiguousarray(joints[:, row], "<f4").tobytes(),
        floor_m=round(_floor(joints[:, row], layout), 3),
        stands=-1 if has_soles(layout.joints) else layout.index.get("pelvis", -1),
        lit=(lit.get(pair.pair[0], ()), lit.get(pair.pair[1], ())),
        path=path,
        at=row,
        limb=limb,
        stamp=pair.peak_stamp,
    )


def _roots(layout: Layout, odd: OddLimb) -> tuple[int, ...]:
    """The joint that a limb hangs on, with which all of its bones are lit."""
    return tuple(m.root for m in members(layout.joints) if m.limb is odd.limb and m.root is not None)


def _floor(joints: NDArray[np.float32], layout: Layout) -> float:
    """Height of the floor: below the feet; where none are seen below who is upright, by the length of the trunk."""
    lowest, index = float(joints[..., 1].min()), layout.index
    if has_soles(layout.joints) or not {"pelvis", "neck"} <= index.keys():
        return lowest
    pelvis, trunk = joints[:, index["pelvis"]], joints[:, index["neck"]] - joints[:, index["pelvis"]]
    length = np.linalg.norm(trunk, axis=1)
    below = [float(p[1] - _LEGS * n) for p, t, n in zip(pelvis, trunk, length, strict=True) if t[1] > _UPRIGHT * n]
    return min(lowest, max(below, default=lowest))  # who sits would have it too low, who lies has it


def _limb(
    joints: NDArray[np.float32], layout: Layout, ids: tuple[TrackId, TrackId], odd: OddLimb | None
) -> tuple[tuple[int, int, int] | None, int, bytes]:
    """The odd limb, the row that shows best what it does, and its path; without one the last row."""
    last = joints.shape[1] - 1
    if odd is None or odd.person not in ids or not {odd.joint, odd.toward} <= layout.index.keys():
        return None, last, b""
    who, joint, toward = ids.index(odd.person), layout.index[odd.joint], layout.index[odd.toward]
    path = joints[who, :, joint]
    away = np.linalg.norm(path - joints[1 - who, :, toward], axis=1)
    match odd.how:
        case How.FAST | How.NEAR:
            row = int(away.argmin())
        case How.FAR:
            row = int(away.argmax())
        case How.PLACE:
            row = last
    return (who, joint, toward), row, np.ascontiguousarray(path, "<f4").tobytes()
