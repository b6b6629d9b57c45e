"""Marker and bone names in common use, so that files with them need no marker map."""

from __future__ import annotations

from collections.abc import Sequence

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.skeletons.layout import Layout, normalise_joint_name
from dyadwatch.core.skeletons.layouts import LAYOUTS, UPPER11
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.skeletons.marker_map import MarkerMap


def _sided(middle: dict[str, str | list[str]], sided: dict[str, str | list[str]], left: str, right: str) -> MarkerMap:
    """A map whose sided names begin with a word for the side."""
    joints = dict(middle)
    for joint, markers in sided.items():
        for side, word in (("left", left), ("right", right)):
            joints[f"{side}_{joint}"] = [f"{word}{m}" for m in ([markers] if isinstance(markers, str) else markers)]
    return MarkerMap(joints=joints)


# In bone files a bone is named, and its position is where it begins: the upper arm begins at the shoulder. The head
# begins at the neck, so its middle is half way to where it ends; without an end it is where it begins.
_BONES: dict[str, str | list[str]] = {"collar": "Shoulder", "shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand",
                                      "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase"}  # fmt: skip

_KINECT_V1: dict[str, str | list[str]] = {
    "head": "Head", "neck": "ShoulderCenter", "torso": "Spine", "pelvis": "HipCenter",
}  # fmt: skip
for _joint in ("Shoulder", "Elbow", "Wrist", "Hand", "Hip", "Knee", "Ankle", "Foot"):
    for _side in ("Left", "Right"):
        _KINECT_V1[f"{_side}_{_joint}".lower()] = f"{_joint}{_side}"

MARKER_SETS: dict[str, MarkerMap] = {
    # MotionBuilder, Mixamo and the many that name bones as they do
    "motionbuilder": _sided(
        {"head": ["Head", "Head_end"], "neck": "Neck", "pelvis": "Hips", "torso": "Spine"}, _BONES, "Left", "Right"
    ),
    # the ASF skeletons of CMU's collection
    "cmu": _sided(
        {"head": ["head", "head_end"], "neck": "lowerneck", "pelvis": "hip", "torso": "upperback"},
        {"collar": "clavicle", "shoulder": "humerus", "elbow": "radius", "wrist": "wrist", "hip": "femur",
         "knee": "tibia", "ankle": "foot", "foot": "toes"}, "l", "r",
    ),
    # Motive, both as streamed and as exported
    "motive": _sided(
        {"head": ["Head", "Head_end"], "neck": "Neck", "pelvis": "Hip", "torso": "Chest"},
        {"collar": "Shoulder", "shoulder": "UArm", "elbow": "FArm", "wrist": "Hand", "hip": "Thigh", "knee": "Shin",
         "ankle": "Foot", "foot": "Toe"}, "L", "R",
    ),
    # Vicon's Plug-in Gait skin markers. It has none at the hip joint: the middle of the pelvis' side is some 5 cm off.
    "plug-in-gait": _sided(
        {"head": ["LFHD", "RFHD", "LBHD", "RBHD"], "neck": ["C7", "CLAV"], "pelvis": ["LASI", "RASI", "LPSI", "RPSI"]},
        {"shoulder": "SHO", "elbow": "ELB", "wrist": ["WRA", "WRB"], "hip": ["ASI", "PSI"], "knee": "KNE",
         "ankle": "ANK", "foot": "TOE"}, "L", "R",
    ),
    # Kinect v1, as its kit names joints
    "kinect-v1": MarkerMap(joints=_KINECT_V1),
}  # fmt: skip
# Names that say by themselves which joint they are.
_PLAIN = {joint for layout in LAYOUTS.values() for joint in layout.joints} | {"mid_hip", "hips", "spine", "chest"}


def choose_markers(labels: Sequence[str]) -> MarkerMap:
    """The map for labels of a set in common use, or for labels that name joints plainly.

    Arguments:
        labels: as the source has them, with what stands before a ':' or without.

    Raises:
        LayoutError: when too few of them are known; lists them and what to do.
    """
    bare = [label.strip().rpartition(":")[2] for label in labels]
    have = {label.casefold() for label in bare}
    for markers in MARKER_SETS.values():
        joints: dict[str, str | list[str]] = {}
        for joint, names in markers.joints.items():
            # a file may leave out where a bone ends
            wanted = [names] if isinstance(names, str) else [n for n in names if not n.endswith("_end")]
            ends = [] if isinstance(names, str) else [n for n in names if n.endswith("_end") and n.casefold() in have]
            if all(n.casefold() in have for n in wanted):
                joints[joint] = [*wanted, *ends]
        if _feeds(joints):
            return MarkerMap(joints=joints)
    plain: dict[str, str | list[str]] = {n: n for n in dict.fromkeys(bare) if normalise_joint_name(n) in _PLAIN}
    if _feeds(plain):
        return MarkerMap(joints=plain)
    shown = ", ".join(dict.fromkeys(bare[:40]))
    raise LayoutError(
        f"the markers are of no known set ({', '.join(MARKER_SETS)}) and do not name the joints of a person; "
        f"say with --map FILE which are which; there are {shown[:400]}"
    )


def _feeds(joints: dict[str, str | list[str]]) -> bool:
    """Whether the joints suffice for the layout of the shipped model, the smallest that tells what people do."""
    try:
        JointMap.between(Layout.custom(joints), UPPER11)
    except LayoutError:
        return False
    return True
