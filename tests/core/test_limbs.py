from __future__ import annotations

import pytest

from dyadwatch.core.skeletons.layouts import LAYOUTS
from dyadwatch.core.skeletons.limbs import Limb, limb_of, members


@pytest.mark.parametrize(
    ("joint", "limb"),
    [
        ("head", Limb.HEAD),
        ("left_ear", Limb.HEAD),
        ("neck", Limb.TRUNK),
        ("left_shoulder", Limb.TRUNK),
        ("right_hip", Limb.TRUNK),
        ("left_elbow", Limb.LEFT_ARM),
        ("right_handtip", Limb.RIGHT_ARM),
        ("left_index1", Limb.LEFT_ARM),
        ("left_knee", Limb.LEFT_LEG),
        ("right_big_toe", Limb.RIGHT_LEG),
        ("right_foot_index", Limb.RIGHT_LEG),
        ("spot7", Limb.TRUNK),
    ],
)
def test_joints_belong_to_limbs(joint: str, limb: Limb) -> None:
    assert limb_of(joint) is limb


def test_a_limb_has_an_end_and_hangs_on_a_joint() -> None:
    joints = ("neck", "right_shoulder", "right_elbow", "right_wrist", "pelvis", "left_ankle")
    found = {m.limb: m for m in members(joints)}
    assert list(found) == [Limb.RIGHT_ARM, Limb.LEFT_LEG, Limb.TRUNK]
    arm = found[Limb.RIGHT_ARM]
    assert (arm.joints, arm.root, arm.end) == ((2, 3), 1, 3)
    assert found[Limb.LEFT_LEG].root == 4  # no hip: the pelvis
    assert (found[Limb.TRUNK].root, found[Limb.TRUNK].end) == (None, 4)


def test_every_joint_of_every_layout_is_of_one_limb() -> None:
    for layout in LAYOUTS.values():
        joints = sorted(j for m in members(layout.joints) for j in m.joints)
        assert joints == list(range(len(layout))), layout.name
