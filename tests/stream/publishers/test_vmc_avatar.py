"""Bone transforms in Unity's axes become joints in ours; worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from dyadwatch.core.errors import ConfigError, WireError
from dyadwatch.stream.publishers.vmc_avatar import BONES, LAYOUT, ROOT, Avatar, read_bind_pose

S = math.sqrt(0.5)
STILL = (0.0, 0.0, 0.0, 1.0)
YAW_90 = (0.0, S, 0.0, S)  # Unity: forward (+z) turns to the right (+x)
PITCH_BACK_90 = (-S, 0.0, 0.0, S)  # down (-y) turns forward (+z)
HERE = (0.0, 0.0, 0.0)


def at(avatar: Avatar, joint: str) -> list[float]:
    return avatar.joints()[LAYOUT.index[joint]].round(6).tolist()


def test_a_person_who_turned_right_and_lifts_the_left_thigh() -> None:
    avatar = Avatar()
    avatar.move(ROOT, (1.0, 0.0, 2.0), YAW_90)
    avatar.move("Hips", (0.0, 1.0, 0.0), STILL)
    avatar.move("Spine", (0.0, 0.2, 0.05), STILL)
    avatar.move("LeftUpperLeg", (-0.1, -0.05, 0.0), PITCH_BACK_90)
    avatar.move("LeftLowerLeg", (0.0, -0.4, 0.0), STILL)
    avatar.move("LeftFoot", (0.0, -0.4, 0.0), STILL)
    # In Unity the pelvis is at (1, 1, 2) and looks along +x. Its left is +z, so the left hip lies at z = 2.1; the
    # thigh points where the person looks, the shin goes on with it. Ours has x the other way round.
    assert at(avatar, "pelvis") == [-1.0, 1.0, 2.0]
    assert at(avatar, "spine1") == [-1.05, 1.2, 2.0]
    assert at(avatar, "left_hip") == [-1.0, 0.95, 2.1]
    assert at(avatar, "left_knee") == [-1.4, 0.95, 2.1]
    assert at(avatar, "left_ankle") == [-1.8, 0.95, 2.1]
    assert np.isnan(avatar.joints()[LAYOUT.index["right_hip"]]).all()
    # Right-handed: up x forward is left.
    up, forward = np.array([0, 1, 0]), np.array([-1, 0, 0])
    assert np.cross(up, forward).tolist() == [0, 0, 1]


def test_rotations_add_up_along_the_chain_and_left_stays_left() -> None:
    avatar = Avatar()
    avatar.move("Hips", (0.0, 1.0, 0.0), YAW_90)
    avatar.move("Spine", (0.0, 0.5, 0.0), YAW_90)  # looks back, -z in Unity
    avatar.move("LeftUpperArm", (-0.2, 0.0, 0.0), (0.0, 0.0, S, S))  # roll: its own -x turns down
    avatar.move("LeftLowerArm", (-0.3, 0.0, 0.0), STILL)
    assert at(avatar, "left_shoulder") == [-0.2, 1.5, 0.0], "Unity's +x, for the person looks back"
    assert at(avatar, "left_elbow") == [-0.2, 1.2, 0.0]


def test_bones_that_an_avatar_lacks_are_passed_over() -> None:
    avatar = Avatar()
    avatar.move("Hips", (0.0, 1.0, 0.0), STILL)
    for side, x in (("Left", -0.2), ("Right", 0.2)):
        avatar.move(f"{side}UpperArm", (x, 0.4, 0.0), STILL)
    avatar.move("Head", (0.0, 0.6, 0.0), STILL)
    assert at(avatar, "left_shoulder") == [0.2, 1.4, 0.0]
    assert at(avatar, "head") == [0.0, 1.6, 0.0]
    assert at(avatar, "neck") == [0.0, 1.4, 0.0], "between the shoulders"
    avatar.move("Neck", (0.0, 0.45, 0.0), STILL)
    assert at(avatar, "neck") == [0.0, 1.45, 0.0]
    assert at(avatar, "head") == [0.0, 2.05, 0.0], "now on the neck"


def test_a_bind_pose_stands_in_where_only_rotations_are_told(tmp_path: Path) -> None:
    avatar = Avatar()
    avatar.move("Hips", (0.3, 0.9, 0.0), STILL)
    avatar.move("Spine", HERE, PITCH_BACK_90)
    with pytest.raises(
        WireError, match="all bones begin where their parent does: the sender sends rotations only"
    ) as e:
        avatar.joints()
    assert e.value.reason == "no_bone_lengths"
    file = tmp_path / "bind.yaml"
    file.write_text("bones:\n  Hips: [0, 1, 0]\n  Spine: [0, 0.1, 0]\n  Chest: [0, -0.2, 0]\n")
    avatar = Avatar(read_bind_pose(file))
    avatar.move("Hips", (0.3, 0.9, 0.0), STILL)
    avatar.move("Spine", HERE, PITCH_BACK_90)
    avatar.move("Chest", HERE, STILL)
    assert at(avatar, "pelvis") == [-0.3, 0.9, 0.0], "the hips' own place is movement"
    assert at(avatar, "spine2") == [-0.3, 1.0, 0.2]
    avatar.move("Hips", HERE, STILL)
    assert at(avatar, "pelvis") == [0.0, 1.0, 0.0]


def test_rotations_need_not_be_quite_of_unit_length() -> None:
    avatar = Avatar()
    avatar.move("Hips", (0.0, 1.0, 0.0), (0.0, 1.2 * S, 0.0, 1.2 * S))
    avatar.move("LeftUpperLeg", (-0.1, 0.0, 0.0), STILL)
    assert at(avatar, "left_hip") == [0.0, 1.0, 0.1]


def test_what_is_no_transform_is_refused() -> None:
    with pytest.raises(WireError, match=r"Hips has position .* rotation \(0.0, 0.0, 0.0, 0.0\); expected metres and a"):
        Avatar().move("Hips", HERE, (0.0, 0.0, 0.0, 0.0))
    with pytest.raises(WireError, match="expected metres and a unit quaternion") as e:
        Avatar().move("Hips", (1e5, 0.0, 0.0), STILL)
    assert e.value.reason == "bad_bone"
    with pytest.raises(WireError, match="no transform of the bone 'Hips' has come; expected /VMC/Ext/Bone/Pos for it"):
        Avatar().joints()


def test_every_joint_of_the_layout_has_a_bone() -> None:
    avatar = Avatar()
    for k, bone in enumerate(sorted(BONES)):
        avatar.move(bone, (0.01 * k, 0.1, 0.0), STILL)
    assert np.isfinite(avatar.joints()).all()
    assert len(BONES) == len(LAYOUT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bones: {Hip: [0, 1, 0]}", "names Hip; expected bones of Hips, Spine"),
        ("bones: {Hips: [0, 1]}", "Expected `array` of length 3"),
        ("joints: {}", "unknown field `joints`"),
    ],
)
def test_bad_bind_poses_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "bind.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as e:
        read_bind_pose(file)
    assert str(e.value).startswith(f"bind pose {file}")
    assert words in str(e.value)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_bind_pose(tmp_path / "none")


def test_the_documents_bind_pose_is_read(repo_root: Path, tmp_path: Path) -> None:
    text = (repo_root / "docs" / "sources.md").read_text("utf8")
    file = tmp_path / "bind.yaml"
    file.write_text(text[text.index("bones: {Hips") :].partition("```")[0])
    assert read_bind_pose(file)["Head"] == (0.0, 0.1, 0.02)
