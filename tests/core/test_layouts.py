from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.skeletons.layout import Layout, normalise_joint_name, normalise_joint_names
from dyadwatch.core.skeletons.layouts import COCO17, LAYOUTS, UPPER11, find_layout, get_layout

SIZES = {
    "upper11": 11,
    "sbu15": 15,
    "kinect25": 25,
    "zed34": 34,
    "zed26": 26,
    "mediapipe33": 33,
    "coco17": 17,
    "openpose25": 25,
    "smpl22": 22,
}


def test_the_known_layouts() -> None:
    assert {name: len(layout) for name, layout in LAYOUTS.items()} == SIZES
    assert all(name == layout.name for name, layout in LAYOUTS.items())


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_names_are_normalised_and_bones_reach_all_but_fingers_and_mouth(layout: Layout) -> None:
    assert tuple(map(normalise_joint_name, layout.joints)) == layout.joints
    alone = set(layout.joints) - {j for bone in layout.bones for j in bone}
    assert {j.partition("_")[2] for j in alone} <= {"mouth", "pinky", "thumb", "eye_inner", "eye_outer"}
    assert all(a != b for a, b in layout.bones)
    assert [(layout.joints[a], layout.joints[b]) for a, b in layout.bone_indices] == list(layout.bones)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_mirroring_swaps_sides_and_is_its_own_inverse(layout: Layout) -> None:
    swapped = [layout.joints[i] for i in layout.mirror]
    assert [layout.mirror[i] for i in layout.mirror] == list(range(len(layout)))
    for joint, other in zip(layout.joints, swapped, strict=True):
        if joint.startswith("left_"):
            assert other == "right_" + joint.removeprefix("left_")
        elif not joint.startswith("right_"):
            assert other == joint


def test_a_joint_without_its_other_side_stays() -> None:
    assert Layout("one-armed", ("left_wrist", "head")).mirror == (0, 1)


@pytest.mark.parametrize(
    "spelling",
    ["LShoulder", "l_shoulder", "left shoulder", "shoulder-left", "Left_Shoulder", "leftShoulder", "LEFT_SHOULDER",
     "ShoulderLeft", "shoulder.L", " left__shoulder "],
)  # fmt: skip
def test_spellings_of_one_joint(spelling: str) -> None:
    assert normalise_joint_name(spelling) == "left_shoulder"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("RAnkle", "right_ankle"), ("hip_r", "right_hip"), ("spine1", "spine1"), ("MidHip", "mid_hip"), ("", "")],
)
def test_other_spellings(spelling: str, name: str) -> None:
    assert normalise_joint_name(spelling) == name


def test_joints_find_their_layout() -> None:
    assert find_layout(COCO17.joints) is COCO17
    reordered = find_layout(COCO17.joints[::-1])
    assert reordered == Layout("custom", COCO17.joints[::-1])
    assert get_layout("upper11") is UPPER11


def test_errors() -> None:
    cases = [
        (lambda: get_layout("coco18"), f"layout 'coco18' is not known; expected one of {', '.join(sorted(LAYOUTS))}, "
         "or send joint names instead"),
        (lambda: Layout("x", ()), "layout 'x' has no joints; expected at least one"),
        (lambda: Layout("x", ("b", "a", "b")), "layout 'x' names joints more than once: b"),
        (lambda: Layout("x", ("a",), (("a", "z"),)), "layout 'x' has bones to unknown joints: z"),
        (lambda: Layout.custom(["head", "-"]),
         "joint 1 of layout 'custom' has no name; expected a word like 'left_wrist'"),
    ]  # fmt: skip
    for make, text in cases:
        with pytest.raises(LayoutError) as error:
            make()
        assert str(error.value) == text


@given(st.lists(st.text(st.sampled_from("lrLRaBx1_- .\tÄß\n") | st.characters(codec="ascii"), max_size=12), max_size=6))
def test_names_spelt_all_at_once_are_spelt_as_one_by_one(names: list[str]) -> None:
    assert normalise_joint_names(names) == tuple(map(plainly_spelt, names))


def plainly_spelt(name: str) -> str:
    """By regular expressions: as readable as can be, and slow."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    sides = {"l": "left", "r": "right", "lft": "left", "rgt": "right"}
    words = [sides.get(w, w) for w in re.split(r"[^a-z0-9]+", snake.lower()) if w]
    for side in ("left", "right"):
        if side in words[1:]:
            words.remove(side)
            words.insert(0, side)
    return "_".join(words)
