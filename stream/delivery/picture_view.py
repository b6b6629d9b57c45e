"""From where two people are looked at in a picture of them: side by side, whole, the odd limb in front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dyadwatch.stream.delivery.peak_poses import PeakPose

_ELEVATION = np.radians(14)
_TURN = np.radians(22)  # off the view from the side, so that depth shows
_LARGEST = 0.5  # of the height of the picture: a metre
_ROOM_M = 0.16  # around what must be seen: heads, hands and the width of limbs
_ABOVE_M = 0.3  # for the names over the heads
_TOGETHER_M = 0.05  # two who stand so near to each other have no side

Points = NDArray[np.float64]


class PictureView:
    """A parallel projection, in which a metre is as long wherever it lies.

    Arguments:
        pose: who is to be seen.
        box: left, top, right and bottom of the place for them, pixels.

    Attributes:
        scale: pixels a metre.
        places: metres, shape (2, joints, 3).
        path: of the odd limb, metres, shape (moments, 3); empty for none.
    """

    def __init__(self, pose: PeakPose, box: tuple[float, float, float, float]) -> None:
        self.places: Points = np.frombuffer(pose.places, "<f4").reshape(2, -1, 3).astype(np.float64)
        self.path: Points = np.frombuffer(pose.path, "<f4").reshape(-1, 3).astype(np.float64)
        side = (self.places[1] - self.places[0]).mean(axis=0)[[0, 2]]
        across = float(np.arctan2(side[0], side[1])) if np.hypot(*side) > _TOGETHER_M else 0.0
        self._axes = _axes(across + np.pi / 2 + _TURN)
        if pose.limb is not None:
            limb = self.places[pose.limb[0], pose.limb[1]] - self.places.reshape(-1, 3).mean(axis=0)
            if float(limb @ self._axes[2]) < 0:  # it would be behind the two
                self._axes = _axes(across - np.pi / 2 - _TURN)
        self._middle: Points = np.zeros(2)
        self._centre: Points = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        self.scale = 1.0
        shadows = self.places * [1, 0, 1] + [0, pose.floor_m, 0]
        seen = np.concatenate([self.places.reshape(-1, 3), shadows.reshape(-1, 3), self.path]) @ self._axes[:2].T
        low, high = seen.min(axis=0) - _ROOM_M, seen.max(axis=0) + np.array([_ROOM_M, _ROOM_M + _ABOVE_M])
        width, height = box[2] - box[0], box[3] - box[1]
        self.scale = min(width / (high[0] - low[0]), height / (high[1] - low[1]), _LARGEST * height)
        self._middle = (low + high) / 2

    def __call__(self, points: Points) -> Points:
        """Pixels (..., 2) of points (..., 3) in metres."""
        return self._centre + (points @ self._axes[:2].T - self._middle) * self.scale * [1, -1]

    def nearness(self, points: Points) -> Points:
        """How far points (..., 3) are towards who looks, metres."""
        return points @ self._axes[2]

    def floor_at(self, pixels: tuple[float, float], height_m: float) -> Points:
        """The place (x, z) on the floor that is seen at a pixel."""
        flat = (np.asarray(pixels) - self._centre) / self.scale * [1, -1] + self._middle
        return np.asarray(np.linalg.solve(self._axes[:2][:, [0, 2]], flat - self._axes[:2, 1] * height_m), np.float64)


def _axes(azimuth: float) -> Points:
    """Right, up and towards who looks from a direction; rows of a rotation."""
    c, s = np.cos(_ELEVATION), np.sin(_ELEVATION)
    towards = np.array([c * np.sin(azimuth), s, c * np.cos(azimuth)])
    right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
    return np.stack([right, np.cross(towards, right), towards])
