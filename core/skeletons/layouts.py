"""The layouts known by name. Order and names follow each source's own documentation."""

from __future__ import annotations

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.skeletons.layout import Layout


def _both(*rest: str) -> tuple[str, ...]:
    """left_x, right_x for every x, side by side."""
    return tuple(f"{side}_{r}" for r in rest for side in ("left", "right"))


def _sided(bones: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Bones written once with `*_` for a side, spelt out for left and right."""
    out: list[tuple[str, str]] = []
    for a, b in bones:
        sides = ("left", "right") if "*" in a + b else ("",)
        out += [(a.replace("*", s), b.replace("*", s)) for s in sides]
    return tuple(out)


_ARMS = (("*_shoulder", "*_elbow"), ("*_elbow", "*_wrist"))
_LEGS = (("*_hip", "*_knee"), ("*_knee", "*_ankle"))

# The layout of the shipped model: what every source below has or can derive, so that any of them works at once.
UPPER11 = Layout(
    "upper11",
    ("head", "neck", "pelvis", *_both("shoulder", "elbow", "wrist", "hip")),
    _sided((("head", "neck"), ("neck", "pelvis"), ("neck", "*_shoulder"), *_ARMS, ("pelvis", "*_hip"))),
)

SBU15 = Layout(
    "sbu15",
    ("head", "neck", "torso", "left_shoulder", "left_elbow", "left_hand", "right_shoulder", "right_elbow",
     "right_hand", "left_hip", "left_knee", "left_foot", "right_hip", "right_knee", "right_foot"),
    _sided((("head", "neck"), ("neck", "torso"), ("neck", "*_shoulder"), ("*_shoulder", "*_elbow"),
            ("*_elbow", "*_hand"), ("torso", "*_hip"), ("*_hip", "*_knee"), ("*_knee", "*_foot"))),
)  # fmt: skip

# Kinect v2 and NTU RGB+D: "spine base" is the pelvis, "spine shoulder" lies between the shoulders.
KINECT25 = Layout(
    "kinect25",
    ("pelvis", "spine_mid", "neck", "head", "left_shoulder", "left_elbow", "left_wrist", "left_hand",
     "right_shoulder", "right_elbow", "right_wrist", "right_hand", "left_hip", "left_knee", "left_ankle",
     "left_foot", "right_hip", "right_knee", "right_ankle", "right_foot", "spine_shoulder", "left_handtip",
     "left_thumb", "right_handtip", "right_thumb"),
    _sided((("pelvis", "spine_mid"), ("spine_mid", "spine_shoulder"), ("spine_shoulder", "neck"), ("neck", "head"),
            ("spine_shoulder", "*_shoulder"), *_ARMS, ("*_wrist", "*_hand"), ("*_hand", "*_handtip"),
            ("*_wrist", "*_thumb"), ("pelvis", "*_hip"), *_LEGS, ("*_ankle", "*_foot"))),
)  # fmt: skip

_ZED_UPPER = ("pelvis", "naval_spine", "chest_spine", "neck")
_ZED_BONES = (
    ("pelvis", "naval_spine"), ("naval_spine", "chest_spine"), ("chest_spine", "neck"), ("neck", "head"),
    ("head", "nose"), ("nose", "*_eye"), ("*_eye", "*_ear"), ("chest_spine", "*_clavicle"),
    ("*_clavicle", "*_shoulder"), *_ARMS, ("*_wrist", "*_hand"), ("*_hand", "*_handtip"), ("*_wrist", "*_thumb"),
    ("pelvis", "*_hip"),
)  # fmt: skip


def _zed_arm(side: str) -> tuple[str, ...]:
    return tuple(f"{side}_{j}" for j in ("clavicle", "shoulder", "elbow", "wrist", "hand", "handtip", "thumb"))


ZED34 = Layout(
    "zed34",
    (*_ZED_UPPER, *_zed_arm("left"), *_zed_arm("right"), "left_hip", "left_knee", "left_ankle", "left_foot",
     "right_hip", "right_knee", "right_ankle", "right_foot", "head", "nose", "left_eye", "left_ear", "right_eye",
     "right_ear", "left_heel", "right_heel"),
    _sided((*_ZED_BONES, *_LEGS, ("*_ankle", "*_foot"), ("*_ankle", "*_heel"))),
)  # fmt: skip

# ZED's 34 without the legs: the joints of the dynamic handover data set.
ZED26 = Layout(
    "zed26",
    (*_ZED_UPPER, *_zed_arm("left"), *_zed_arm("right"), "left_hip", "right_hip", "head", "nose", "left_eye",
     "left_ear", "right_eye", "right_ear"),
    _sided(_ZED_BONES),
)  # fmt: skip

MEDIAPIPE33 = Layout(
    "mediapipe33",
    ("nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
     "left_ear", "right_ear", "left_mouth", "right_mouth",
     *_both("shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle", "heel", "foot_index")),
    _sided((("nose", "*_eye"), ("*_eye", "*_ear"), ("left_shoulder", "right_shoulder"), *_ARMS, ("*_wrist", "*_index"),
            ("*_shoulder", "*_hip"), ("left_hip", "right_hip"), *_LEGS, ("*_ankle", "*_heel"),
            ("*_ankle", "*_foot_index"))),
)  # fmt: skip

COCO17 = Layout(
    "coco17",
    ("nose", *_both("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")),
    _sided((("nose", "*_eye"), ("*_eye", "*_ear"), ("left_shoulder", "right_shoulder"), *_ARMS,
            ("*_shoulder", "*_hip"), ("left_hip", "right_hip"), *_LEGS)),
)  # fmt: skip

OPENPOSE25 = Layout(
    "openpose25",
    ("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
     "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye",
     "left_eye", "right_ear", "left_ear", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe",
     "right_small_toe", "right_heel"),
    _sided((("nose", "neck"), ("nose", "*_eye"), ("*_eye", "*_ear"), ("neck", "*_shoulder"), *_ARMS,
            ("neck", "pelvis"), ("pelvis", "*_hip"), *_LEGS, ("*_ankle", "*_heel"), ("*_ankle", "*_big_toe"),
            ("*_big_toe", "*_small_toe"))),
)  # fmt: skip

SMPL22 = Layout(
    "smpl22",
    ("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
     "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
     "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    _sided((("pelvis", "spine1"), ("spine1", "spine2"), ("spine2", "spine3"), ("spine3", "neck"), ("neck", "head"),
            ("spine3", "*_collar"), ("*_collar", "*_shoulder"), *_ARMS, ("pelvis", "*_hip"), *_LEGS,
            ("*_ankle", "*_foot"))),
)  # fmt: skip

LAYOUTS: dict[str, Layout] = {
    layout.name: layout for layout in (UPPER11, SBU15, KINECT25, ZED34, ZED26, MEDIAPIPE33, COCO17, OPENPOSE25, SMPL22)
}


def get_layout(name: str) -> Layout:
    """The known layout of that name.

    Arguments:
        name: such as `upper11`, `coco17` or `mediapipe33`.

    Raises:
        LayoutError: when there is none; the message lists those there are.
    """
    try:
        return LAYOUTS[name]
    except KeyError:
        known = ", ".join(sorted(LAYOUTS))
        raise LayoutError(
            f"layout {name!r} is not known; expected one of {known}, or send joint names instead"
        ) from None


def find_layout(joints: tuple[str, ...]) -> Layout:
    """The known layout with exactly these normalised joints in this order, or a custom one."""
    for layout in LAYOUTS.values():
        if layout.joints == joints:
            return layout
    return Layout("custom", joints)
