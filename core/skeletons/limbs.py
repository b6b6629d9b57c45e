"""Limbs: what of a body people name, and which joints belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Limb(StrEnum):
    """A part of one body; shoulders and hips belong to the trunk, from which the limbs hang."""

    HEAD = "head"
    LEFT_ARM = "left_arm"
    RIGHT_ARM = "right_arm"
    LEFT_LEG = "left_leg"
    RIGHT_LEG = "right_leg"
    TRUNK = "trunk"


_HEAD = ("head", "nose", "eye", "ear", "face", "jaw")
_ARM = ("elbow", "wrist", "hand", "thumb", "finger", "index", "middle", "ring", "pinky")
_LEG = ("knee", "ankle", "foot", "toe", "big_toe", "small_toe", "heel")
# Where a limb hangs, the best first.
_ROOTS = {
    Limb.HEAD: ("neck",),
    Limb.LEFT_ARM: ("left_shoulder", "neck"),
    Limb.RIGHT_ARM: ("right_shoulder", "neck"),
    Limb.LEFT_LEG: ("left_hip", "pelvis"),
    Limb.RIGHT_LEG: ("right_hip", "pelvis"),
}
# The joint that stands for a limb where one is to be named, the best first.
_ENDS = {
    Limb.HEAD: ("head", "nose"),
    Limb.LEFT_ARM: ("left_hand", "left_wrist", "left_elbow"),
    Limb.RIGHT_ARM: ("right_hand", "right_wrist", "right_elbow"),
    Limb.LEFT_LEG: ("left_foot", "left_ankle", "left_knee"),
    Limb.RIGHT_LEG: ("right_foot", "right_ankle", "right_knee"),
    Limb.TRUNK: ("pelvis", "chest", "torso", "neck"),
}


@dataclass(frozen=True)
class LimbJoints:
    """A limb of a body as a list of joints has it.

    Arguments:
        joints: its joints, as positions in the list.
        root: the joint that it hangs on; None for the trunk, or where there is none.
        end: the joint that stands for it.
    """

    limb: Limb
    joints: tuple[int, ...]
    root: int | None
    end: int


def limb_of(joint: str) -> Limb:
    """The limb that a joint belongs to; what is no limb is trunk."""
    side, _, rest = joint.partition("_")
    if side in ("left", "right"):
        if rest.startswith(_ARM):
            return Limb.LEFT_ARM if side == "left" else Limb.RIGHT_ARM
        if rest.startswith(_LEG):
            return Limb.LEFT_LEG if side == "left" else Limb.RIGHT_LEG
        joint = rest
    return Limb.HEAD if joint.startswith(_HEAD) else Limb.TRUNK


def members(joints: Sequence[str]) -> tuple[LimbJoints, ...]:
    """The limbs that a list of joints has something of, in the order of `Limb`."""
    place = {name: i for i, name in enumerate(joints)}
    out: list[LimbJoints] = []
    for limb in Limb:
        own = tuple(i for i, name in enumerate(joints) if limb_of(name) is limb)
        if own:
            root = next((place[name] for name in _ROOTS.get(limb, ()) if name in place), None)
            end = next((place[name] for name in _ENDS[limb] if name in place), own[-1])
            out.append(LimbJoints(limb, own, root, end))
    return tuple(out)
