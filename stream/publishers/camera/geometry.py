"""From pixels to metres in one frame: where a body of known size must stand to be seen as it is seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.stream.publishers.camera.camera_file import CameraFile
from dyadwatch.stream.publishers.camera.estimate import SeenPose

_LEVEL = np.diag(
    [1.0, -1.0, -1.0]
)  # camera axes (x right, y down, z away) -> Y up, right-handed, looking at the viewer
# Metres above the floor, in shoes: what estimators mark lies within the foot, and soles are 2 to 3 cm thick.
_FEET = {"ankle": 0.10, "heel": 0.05, "foot_index": 0.04, "big_toe": 0.04, "small_toe": 0.04, "foot": 0.06}
_ACROSS_PX, _ACROSS_M = 2.0, 0.01  # how well the middle of a person is seen
_DEPTH_PX = 3.0  # how well the height of a person is seen
_FLOOR_PX = 2.0  # how well a foot on the floor is seen
_SURE = 0.5
_STEEP = 0.03  # squared cosine of the angle below level: from 80 degrees on, feet move to the floor along the ray
_FLOOR_TRUST = 0.4  # of the distance: a foot that far off the floor does not stand on it
_SIZE_ERROR = 0.06  # people differ in size by so much, and with it their distance as seen from their size


class Placed(NamedTuple):
    """A person in the world.

    Arguments:
        joints: metres, Y up, shape (J, 3).
        root: the middle of the body, shape (3,).
        noise: how wrong the root may be along the camera's ray, metres: standard deviation.
        jitter: how much of that changes from image to image.
        across: how wrong the root may be across that ray, metres: standard deviation.
        ray: from the camera to the root, length 1, shape (3,).
        error: how far the joints lie beside where they are seen, as a part of the person's size; 0 is a perfect fit.
        height_px: how tall the person is in the image.
        on_floor: whether a foot on the floor helped.
        upright: how much the trunk points up, 1: it stands, 0: it lies, -1: it stands on its head; 1 where unknown.
    """

    joints: NDArray[np.float64]
    root: NDArray[np.float64]
    noise: float
    jitter: float
    across: float
    ray: NDArray[np.float64]
    error: float
    height_px: float
    on_floor: bool
    upright: float


class _Fit(NamedTuple):
    t: NDArray[np.float64]
    rays: NDArray[np.float64]
    body: NDArray[np.float64]
    weight: NDArray[np.float64]


class CameraModel:
    """A camera file at work.

    Arguments:
        file: the camera.
        width, height: of the images; of the same shape as the file's.
        layout: of the people it places.

    Raises:
        ConfigError: when the images have another shape than those the camera was calibrated with.
    """

    def __init__(self, file: CameraFile, width: int, height: int, layout: Layout) -> None:
        lens = file.intrinsics
        sx, sy = width / lens.width, height / lens.height
        if abs(sx / sy - 1) > 0.02:
            raise ConfigError(
                f"the camera file is for images of {lens.width}x{lens.height} and these are {width}x{height}; "
                "expected the same shape, since a cropped image has other intrinsics"
            )
        self.focal = np.array([lens.fx * sx, lens.fy * sy])
        self.centre = np.array([lens.cx * sx, lens.cy * sy])
        self.size = (width, height)
        self.scale = file.scale
        self._lean = float(np.radians(file.lean_deg))
        self._distortion = np.array([*lens.distortion, 0, 0, 0, 0, 0][:5], float)
        self.placed = file.extrinsics is not None
        self.rotation = _LEVEL if file.extrinsics is None else np.array(file.extrinsics.rotation)
        self.position = np.zeros(3) if file.extrinsics is None else np.array(file.extrinsics.position)
        feet = [(i, h) for end, h in _FEET.items() for i, j in enumerate(layout.joints) if j.split("_", 1)[-1] == end]
        self._feet = np.array([i for i, _ in feet], np.intp)
        self._trunk = _indices(layout, "hip", "ankle")
        self._back = _indices(layout, "hip", "shoulder")
        self._feet_high = np.array([h for _, h in feet]) * file.scale
        self._left = np.array([i for i, _ in feet if layout.joints[i].startswith("left")], np.intp)

    def rays(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where pixels look, at depth 1 in camera axes, without distortion; shape (..., 2) to (..., 2)."""
        seen = (pixels - self.centre) / self.focal
        if not self._distortion.any():
            return seen
        k1, k2, p1, p2, k3 = self._distortion
        out = seen.copy()
        for _ in range(10):
            x, y = out[..., 0], out[..., 1]
            r2 = x * x + y * y
            radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
            shift = np.stack([2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y], axis=-1)
            out = (seen - shift) / np.maximum(radial, 0.1)[..., None]
        return out

    def floor(self, pixels: NDArray[np.float64], high: float | NDArray[np.float64] = 0.0) -> NDArray[np.float64]:
        """Where pixels meet the plane `high` metres above the floor, in the world; NaN above the horizon; (..., 3)."""
        rays = self.rays(pixels)
        way = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1) @ self.rotation.T
        with np.errstate(divide="ignore", invalid="ignore"):
            far = (high - self.position[1]) / way[..., 1]
        return np.where((far > 0)[..., None], self.position + far[..., None] * way, np.nan)

    def to_world(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Camera axes to the world's, metres; shape (..., 3)."""
        return points @ self.rotation.T + self.position

    def place(self, seen: SeenPose) -> Placed | None:
        """Puts a person where they are seen.

        The translation t of the body X solves, weighted by visibility, t_x - u t_z = u Z - X and t_y - v t_z = v Z - Y
        for every joint seen along (u, v, 1): linear, 3 x 3. Where the floor is known, how far away the lower foot
        stands on it is joined to that by how sure either is.

        Arguments:
            seen: of this camera's image.

        Returns:
            None where too little is seen, or it would stand behind the camera.
        """
        fit = self._fit(seen)
        if fit is None:
            return None
        t, rays, body, weight = fit
        height_px = float(np.ptp(seen.image[weight > 0], axis=0).max())
        jitter = float(t[2] * _DEPTH_PX / height_px)
        noise = float(np.hypot(t[2] * _SIZE_ERROR, jitter))
        floor = self._floor_shift(seen, fit)
        if floor is not None:
            shift, deviation = floor
            gain = noise**2 / (noise**2 + deviation**2)
            t = t + gain * shift * self._ray(rays, weight)
            noise *= float(np.sqrt(1 - gain))
            jitter = float(np.hypot((1 - gain) * jitter, gain * deviation))
        joints = body + t
        residual = (joints[:, :2] / np.maximum(joints[:, 2:], 0.1) - rays) * self.focal
        error = float((np.linalg.norm(residual, axis=1) * weight).sum() / weight.sum() / max(height_px, 1.0))
        across = max(float(t[2] * _ACROSS_PX / self.focal.mean()), _ACROSS_M)
        ray = self.rotation @ t / float(np.linalg.norm(t))
        world = self.to_world(joints)
        return Placed(
            world,
            self.to_world(t),
            noise,
            jitter,
            across,
            ray,
            error,
            height_px,
            floor is not None,
            self._upright(world),
        )

    def _upright(self, world: NDArray[np.float64]) -> float:
        if not len(self._back):
            return 1.0
        hips, shoulders = world[self._back].reshape(2, 2, 3).mean(1)
        return float((shoulders - hips)[1] / max(float(np.linalg.norm(shoulders - hips)), 1e-6))

    def floor_ratio(self, seen: SeenPose) -> float | None:
        """How much further away the feet on the floor say a person is than their size says; None where unknown."""
        fit = self._fit(seen)
        if fit is None:
            return None
        floor = self._floor_shift(seen, fit, trust=0.8)
        return None if floor is None else 1.0 + floor[0] / float(fit.t[2])

    def _fit(self, seen: SeenPose) -> _Fit | None:
        """Translation, rays, body and weights of the linear fit."""
        inside = ((seen.image >= 0) & (seen.image < self.size)).all(1)
        weight = np.where(inside & (seen.visibility >= 0.2), seen.visibility, 0.0)
        if (weight > 0).sum() < 4:
            return None
        rays = self.rays(seen.image)
        body = (
            self._turned(seen.world - seen.world.mean(0), (rays * weight[:, None]).sum(0) / weight.sum()) * self.scale
        )
        a, b = _equations(rays, body)
        w = np.repeat(weight, 2)
        try:
            t = np.asarray(np.linalg.solve(a.T @ (a * w[:, None]), a.T @ (b * w)), np.float64)
        except np.linalg.LinAlgError:
            return None
        return _Fit(t, rays, body, weight) if np.isfinite(t).all() and t[2] > 0.1 else None

    def away_angle(self, seen: SeenPose) -> float | None:
        """By how many degrees a person seems to lean away from the camera, ankles to hips; None where unknown."""
        weight = np.where(((seen.image >= 0) & (seen.image < self.size)).all(1), seen.visibility, 0.0)
        if not len(self._trunk) or weight[self._trunk].min() < _SURE:
            return None
        ray = (self.rays(seen.image) * weight[:, None]).sum(0) / weight.sum()
        body = self.rotation @ self._turned(seen.world, ray)[self._trunk].reshape(2, 2, 3).mean(1).T
        axis = body[:, 0] - body[:, 1]
        away = self.rotation @ np.append(ray, 1.0) * (1, 0, 1)
        return float(np.degrees(np.arctan2(axis @ away / np.linalg.norm(away), axis[1])))

    def _turned(self, body: NDArray[np.float64], ray: NDArray[np.float64]) -> NDArray[np.float64]:
        """A body as an estimator sees it, in camera axes.

        An estimator looks at a part of the image and takes it for one straight ahead, so that it sees people turned
        by the angle of the part; and from above it sees them lean away, by the angle `lean` of the camera file.
        """
        ahead = np.append(ray, 1.0) / np.sqrt(1.0 + ray @ ray)
        turned = turn(np.cross((0.0, 0.0, 1.0), ahead), float(np.arccos(ahead[2])))
        if self._lean:
            sideways = np.asarray(np.cross(ahead, self.rotation[1]), np.float64)
            turned = turn(sideways, self._lean) @ turned
        return body @ turned.T

    def _floor_shift(self, seen: SeenPose, fit: _Fit, trust: float = _FLOOR_TRUST) -> tuple[float, float] | None:
        """How much further away along the ray a person is who stands on the floor, and how sure that is; or None.

        The foot that is lower in the image stands; a lifted one would meet the floor further away. Feet are brought
        over the floor they are seen on, and not to their distance from the camera: that the legs of the body are a
        little too short then makes someone float, and does not send them away.
        """
        if not self.placed or not len(self._feet):
            return None
        t, rays, body, weight = fit
        seen_well = weight[self._feet] >= 0.5
        feet, high = self._feet[seen_well], self._feet_high[seen_well]
        if not len(feet):
            return None
        way = self.rotation @ self._ray(rays, weight)
        level = way * (1, 0, 1)
        along = level if level @ level > _STEEP * (way @ way) else way
        there = self.to_world(body[feet] + t)
        shift, below = (
            (self.floor(seen.image[feet] + (0, lower), high) - there) @ along / (along @ along)
            for lower in (0, _FLOOR_PX)
        )
        left = np.isin(feet, self._left)
        sides = [shift[side] for side in (left, ~left) if side.any()]
        nearer = min((float(np.median(s)) for s in sides if np.isfinite(s).all()), default=np.nan)
        apart = np.abs(shift - below)
        deviation = float(np.nanmedian(apart)) if np.isfinite(apart).any() else np.nan
        if not abs(nearer) < trust * float(t[2]) or not np.isfinite(deviation):
            return None
        return nearer, max(deviation, 0.02)

    @staticmethod
    def _ray(rays: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where a person is seen, at depth 1 in camera axes; shape (3,)."""
        return np.append((rays * weight[:, None]).sum(0) / weight.sum(), 1.0)


def _indices(layout: Layout, *parts: str) -> NDArray[np.intp]:
    """The left and right of each part, or nothing where one is missing."""
    names = [f"{side}_{part}" for part in parts for side in ("left", "right")]
    return np.array([layout.index[n] for n in names] if all(n in layout.index for n in names) else [], np.intp)


def turn(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """The rotation by an angle about an axis, by Rodrigues' formula; shape (3, 3)."""
    length = float(np.linalg.norm(axis))
    if length < 1e-9:
        return np.eye(3)
    x, y, z = axis / length
    cross = np.array([(0.0, -z, y), (z, 0.0, -x), (-y, x, 0.0)])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _equations(rays: NDArray[np.float64], body: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows of A t = b, two a joint; shapes (2 J, 3) and (2 J,)."""
    n = len(rays)
    a = np.zeros((n, 2, 3))
    a[:, 0, 0] = a[:, 1, 1] = 1.0
    a[:, :, 2] = -rays
    b = rays * body[:, 2:] - body[:, :2]
    return a.reshape(2 * n, 3), b.reshape(2 * n)
