"""A kinematic body: bone lengths of one person, and the 25 Kinect joints that a set of controls puts them at.

Body axes: x to the person's left, y up, z forward. World: Y up, right-handed; yaw 0 faces +Z and turns towards +X.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.stream.publishers.simulator.ik import Array, two_bone, unit

SIDES = (("left", 1.0), ("right", -1.0))


@dataclass(frozen=True)
class Body:
    """Sizes of one person, metres. Shares of the height follow Drillis and Contini (1966), each varied a little."""

    height: float
    spine: float
    chest: float
    neck: float
    head: float
    shoulder: float
    upper_arm: float
    forearm: float
    palm: float
    hip: float
    thigh: float
    shank: float
    ankle: float
    foot: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Body:
        """A grown-up between about 1.5 and 2.0 m."""
        h = float(np.clip(rng.normal(1.71, 0.09), 1.5, 1.98))
        shares = np.asarray([0.14, 0.147, 0.05, 0.072, 0.115, 0.168, 0.148, 0.05, 0.052, 0.243, 0.243, 0.045, 0.085])
        return cls(h, *(h * shares * rng.normal(1.0, 0.025, shares.size).clip(0.94, 1.06)).tolist())

    @property
    def arm(self) -> float:
        """Reach from shoulder to palm."""
        return self.upper_arm + self.forearm + self.palm

    @property
    def pelvis_height(self) -> float:
        """Height of the pelvis when standing, knees a little loose."""
        return 0.99 * (self.thigh + self.shank) + self.ankle + 0.02


@dataclass
class Controls:
    """What moves a body at T instants; all angles in radians.

    Arguments:
        root: x, z, yaw of the person on the floor, shape (T, 3).
        sway: pelvis beside its place, in body axes (left, forward), shape (T, 2).
        drop: metres that the pelvis is lower than in standing, shape (T,).
        tilt: pitch and roll of the whole body at the pelvis, shape (T, 2); what a fall turns.
        hip_yaw: turn of the pelvis against the heading, shape (T,).
        lean: pitch (forward positive), roll (to the right positive) and twist (to the left positive) of the chest
            against the pelvis, shape (T, 3).
        head: pitch of the head against the chest, shape (T,).
        hang: pitch of the hanging upper arm and bend of its elbow, shape (T, 2 sides, 2).
        near, near_weight: palm targets in chest axes, (T, 2, 3), and how much they rule over hanging, (T, 2).
        far, far_weight: palm targets in the world, (T, 2, 3), and how much they rule over all else, (T, 2).
        ankle: ankle targets in the world, shape (T, 2, 3).
        toe: pitch of the foot, downward positive, shape (T, 2).
    """

    root: Array
    sway: Array
    drop: Array
    tilt: Array
    hip_yaw: Array
    lean: Array
    head: Array
    hang: Array
    near: Array
    near_weight: Array
    far: Array
    far_weight: Array
    ankle: Array
    toe: Array


def rotation(yaw: Array, pitch: Array, roll: Array) -> Array:
    """Ry(yaw) Rx(pitch) Rz(roll), shape (T, 3, 3); pitch leans forward, roll to the right."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    m = np.empty((*np.shape(yaw), 3, 3))
    m[..., 0, 0], m[..., 0, 1], m[..., 0, 2] = cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr, sy * cp
    m[..., 1, 0], m[..., 1, 1], m[..., 1, 2] = cp * sr, cp * cr, -sp
    m[..., 2, 0], m[..., 2, 1], m[..., 2, 2] = -sy * cr + cy * sp * sr, sy * sr + cy * sp * cr, cy * cp
    return m


def turned(frame: Array, v: Array | tuple[float, float, float]) -> Array:
    """Vectors in the axes `frame` (T, 3, 3), brought into the world: shape (T, 3)."""
    v = np.asarray(v, np.float64)
    return frame @ v if v.ndim == 1 else np.einsum("tij,tj->ti", frame, v)


@dataclass
class Torso:
    """Trunk of a body at T instants: joints (T, 3) and the axes (T, 3, 3) of pelvis and chest."""

    pelvis: Array
    spine_mid: Array
    spine_shoulder: Array
    neck: Array
    head: Array
    pelvis_axes: Array
    chest_axes: Array


def pose_torso(body: Body, c: Controls) -> Torso:
    """The trunk alone: enough to know where to touch somebody."""
    yaw = c.root[:, 2]
    sin, cos = np.sin(yaw), np.cos(yaw)
    pelvis = np.stack(
        [
            c.root[:, 0] + cos * c.sway[:, 0] + sin * c.sway[:, 1],
            body.pelvis_height - c.drop,
            c.root[:, 1] - sin * c.sway[:, 0] + cos * c.sway[:, 1],
        ],
        axis=1,
    )
    axes = rotation(yaw + c.hip_yaw, c.tilt[:, 0], c.tilt[:, 1])
    pitch, roll, twist = c.lean.T
    chest = axes @ rotation(twist - c.hip_yaw, pitch, roll)
    mid = pelvis + turned(axes @ rotation(twist * 0.4, pitch * 0.5, roll * 0.5), (0.0, body.spine, 0.0))
    shoulders = mid + turned(chest, (0.0, body.chest, 0.0))
    neck = shoulders + turned(chest, (0.0, body.neck, 0.0))
    # People keep their head level: it takes part in only some of the lean.
    skull = axes @ rotation(twist, 0.45 * pitch + c.head, roll * 0.4)
    head = neck + turned(skull, (0.0, body.head * 0.97, body.head * 0.24))
    return Torso(pelvis, mid, shoulders, neck, head, axes, chest)


def pose_body(body: Body, c: Controls) -> Array:
    """All joints of one person.

    Returns:
        metres, layout `kinect25`, shape (T, 25, 3).
    """
    torso = pose_torso(body, c)
    out = np.empty((len(c.root), len(KINECT25), 3))
    index = KINECT25.index
    for name in ("pelvis", "spine_mid", "spine_shoulder", "neck", "head"):
        out[:, index[name]] = getattr(torso, name)
    for k, (side, s) in enumerate(SIDES):
        for name, points in (_arm(body, c, torso, k, s) | _leg(body, c, torso, k, s)).items():
            out[:, index[f"{side}_{name}"]] = points
    return out


def _arm(body: Body, c: Controls, torso: Torso, k: int, s: float) -> dict[str, Array]:
    axes = torso.chest_axes
    shoulder = torso.spine_shoulder + turned(axes, (s * body.shoulder, -0.012 * body.height, 0.0))
    swing, bend = c.hang[:, k].T
    lower = body.forearm + body.palm
    hang = np.stack(
        [
            np.full(len(swing), s * (0.12 * body.upper_arm + 0.06 * lower)),
            -body.upper_arm * np.cos(swing) - lower * np.cos(swing + bend),
            body.upper_arm * np.sin(swing) + lower * np.sin(swing + bend),
        ],
        axis=1,
    )
    at_rest = shoulder + turned(axes, hang)
    held = torso.spine_shoulder + turned(axes, c.near[:, k])
    target = at_rest + c.near_weight[:, k, None] * (held - at_rest)
    target = target + c.far_weight[:, k, None] * (c.far[:, k] - target)
    # An elbow points back under a hanging arm, down under a stretched one, forward over a raised one.
    u = unit(np.einsum("tji,tj->ti", axes, target - shoulder))
    pole = turned(axes, np.stack([np.full(len(u), 0.45 * s), -u[:, 2] - 0.3, u[:, 1]], axis=1))
    elbow, palm = two_bone(shoulder, target, body.upper_arm, lower, pole)
    along = (palm - elbow) / lower
    wrist = elbow + along * body.forearm
    thumb = unit(along - unit(pole - (pole * along).sum(axis=1, keepdims=True) * along))
    return {
        "shoulder": shoulder, "elbow": elbow, "wrist": wrist, "hand": palm,
        "handtip": palm + along * body.palm, "thumb": wrist + thumb * body.palm,
    }  # fmt: skip


def _leg(body: Body, c: Controls, torso: Torso, k: int, s: float) -> dict[str, Array]:
    axes = torso.pelvis_axes
    hip = torso.pelvis + turned(axes, (s * body.hip, -0.02, 0.0))
    pole = turned(axes, (0.12 * s, 0.5, 1.0))
    knee, ankle = two_bone(hip, c.ankle[:, k], body.thigh, body.shank, pole, zone=0.04)
    toe = c.toe[:, k]
    forward = turned(axes, np.stack([np.full(len(toe), 0.12 * s), -np.sin(toe), np.cos(toe)], axis=1))
    return {"hip": hip, "knee": knee, "ankle": ankle, "foot": ankle + unit(forward) * body.foot}
