"""A Unity humanoid as VMC tells of it: local bone transforms become joints in metres, right-handed, Y up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dyadwatch.core.errors import ConfigError, WireError
from dyadwatch.core.files import plain_yaml
from dyadwatch.core.files.plain_yaml import PlainYamlError
from dyadwatch.core.skeletons.layouts import SMPL22
from dyadwatch.stream.codes import SenderReason

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]

LAYOUT = SMPL22
ROOT = "(root)"  # no bone is called so
_STILL: Quaternion = (0.0, 0.0, 0.0, 1.0)
AS_IT_IS: tuple[float, Vector] = (1.0, (0.0, 0.0, 0.0))

# Bone -> (parent, joint of ours that its origin is). Parents first. Unity's LeftShoulder is the collar bone; its
# LeftUpperArm begins at the shoulder.
_BONES: dict[str, tuple[str, str]] = {
    "Hips": (ROOT, "pelvis"),
    "Spine": ("Hips", "spine1"),
    "Chest": ("Spine", "spine2"),
    "UpperChest": ("Chest", "spine3"),
    "Neck": ("UpperChest", "neck"),
    "Head": ("Neck", "head"),
}
for _side in ("Left", "Right"):
    _own = _side.lower()
    _BONES.update(
        {
            f"{_side}Shoulder": ("UpperChest", f"{_own}_collar"),
            f"{_side}UpperArm": (f"{_side}Shoulder", f"{_own}_shoulder"),
            f"{_side}LowerArm": (f"{_side}UpperArm", f"{_own}_elbow"),
            f"{_side}Hand": (f"{_side}LowerArm", f"{_own}_wrist"),
            f"{_side}UpperLeg": ("Hips", f"{_own}_hip"),
            f"{_side}LowerLeg": (f"{_side}UpperLeg", f"{_own}_knee"),
            f"{_side}Foot": (f"{_side}LowerLeg", f"{_own}_ankle"),
            f"{_side}Toes": (f"{_side}Foot", f"{_own}_foot"),
        }
    )
BONES = frozenset(_BONES)


class _BindPose(Struct, forbid_unknown_fields=True):
    bones: dict[str, Vector]


def read_bind_pose(path: str | Path) -> dict[str, Vector]:
    """Where each bone begins, seen from its parent in the bind pose: metres, Unity's axes (x right, y up, z forward).

    Arguments:
        path: YAML or JSON, `bones: {Hips: [0, 1, 0], Spine: [0, 0.1, 0], ...}`.

    Raises:
        ConfigError: when it cannot be read, or names a bone that is none.
    """
    try:
        bones = plain_yaml.decode(Path(path), _BindPose).bones
    except OSError as error:
        raise ConfigError(f"bind pose {path} cannot be read: {error.strerror}") from None
    except PlainYamlError as error:
        raise ConfigError(f"bind pose {path}: {error}") from None
    unknown = sorted(set(bones) - BONES)
    if unknown:
        raise ConfigError(f"bind pose {path} names {', '.join(unknown)}; expected bones of {', '.join(_BONES)}")
    return bones


class Avatar:
    """The transforms received so far; bones keep theirs until they are sent again, as VMC means it.

    Arguments:
        bind: where bones begin, for senders that tell rotations only; see `read_bind_pose`.

    Attributes:
        fit: how many times larger than the performer the avatar is, and the metres by which it is out of place, in
            Unity's axes; what a sender of VMC 2.1 tells with the root, so that avatars can be brought to the size and
            place of the body.
    """

    def __init__(self, bind: Mapping[str, Vector] | None = None) -> None:
        self._bind = bind
        self.fit: tuple[float, Vector] = AS_IT_IS
        self._local: dict[str, tuple[Vector, Quaternion]] = {ROOT: ((0.0, 0.0, 0.0), _STILL)}

    def move(self, bone: str, position: Vector, rotation: Quaternion) -> None:
        """Records a bone's, or the root's, transform seen from its parent; in Unity's axes.

        Raises:
            WireError: `bad_bone` for what no transform is.
        """
        rotation = unit_rotation(bone, position, rotation)
        if self._bind is not None and bone in self._bind and not (bone == "Hips" and any(position)):
            position = self._bind[bone]
        self._local[bone] = position, rotation

    def joints(self) -> NDArray[np.float64]:
        """Forward kinematics: joints of `LAYOUT`, shape (22, 3), NaN where no bone was received.

        Unity is left-handed with z forward; turning x round makes it ours. A bone that the avatar lacks is passed
        over: its child hangs on the next bone above. Without a neck, the middle of the shoulders stands for it.

        Raises:
            WireError: `no_hips`, or `no_bone_lengths` where all bones begin at their parent.
        """
        local = self._local
        if "Hips" not in local:
            raise WireError(
                SenderReason.NO_HIPS, "no transform of the bone 'Hips' has come; expected /VMC/Ext/Bone/Pos for it"
            )
        if len(local) > 2 and not any(any(local[b][0]) for b in local if b not in (ROOT, "Hips")):
            raise WireError(
                SenderReason.NO_BONE_LENGTHS,
                "all bones begin where their parent does: the sender sends rotations only; give --bind, a file with "
                "the avatar's bind pose",
            )
        world = {ROOT: local[ROOT]}
        joints = np.full((len(LAYOUT), 3), np.nan)
        for bone, (parent, joint) in _BONES.items():
            if bone not in local:
                continue
            while parent not in world:
                parent = _BONES[parent][0]
            (place, turn), (offset, rotation) = world[parent], local[bone]
            x, y, z = _turned(turn, offset)
            here = (place[0] + x, place[1] + y, place[2] + z)
            world[bone] = here, _product(turn, rotation)
            joints[LAYOUT.index[joint]] = -here[0], here[1], here[2]
        if "Neck" not in local:
            shoulders = [LAYOUT.index["left_shoulder"], LAYOUT.index["right_shoulder"]]
            joints[LAYOUT.index["neck"]] = joints[shoulders].mean(axis=0)
        scale, (x, y, z) = self.fit
        return (joints - (-x, y, z)) / scale


def unit_rotation(bone: str, position: Vector, rotation: Quaternion) -> Quaternion:
    """The rotation at unit length.

    Raises:
        WireError: `bad_bone` where it is too far from that, or the position is none in a room.
    """
    length = math.sqrt(sum(q * q for q in rotation))
    if not (0.5 < length < 2.0 and all(abs(p) < 1e4 for p in position)):
        raise WireError(
            SenderReason.BAD_BONE,
            f"{bone} has position {position} and rotation {rotation}; expected metres and a unit quaternion",
        )
    x, y, z, w = rotation
    return x / length, y / length, z / length, w / length


def _product(a: Quaternion, b: Quaternion) -> Quaternion:
    """Rotation b, then a, as seen from outside."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _turned(q: Quaternion, v: Vector) -> Vector:
    """v rotated by q: v + 2 w (q x v) + 2 q x (q x v)."""
    x, y, z, w = q
    a, b, c = 2 * (y * v[2] - z * v[1]), 2 * (z * v[0] - x * v[2]), 2 * (x * v[1] - y * v[0])
    return (
        v[0] + w * a + y * c - z * b,
        v[1] + w * b + z * a - x * c,
        v[2] + w * c + x * b - y * a,
    )
