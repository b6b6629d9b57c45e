from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import (
    COCO17,
    KINECT25,
    LAYOUTS,
    MEDIAPIPE33,
    OPENPOSE25,
    SBU15,
    SMPL22,
    UPPER11,
    ZED26,
)
from dyadwatch.core.skeletons.mapping import JointMap

ONE_SHOULDER = tuple("left_upper_arm" if j == "left_shoulder" else j for j in UPPER11.joints)


@pytest.mark.parametrize("source", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_every_known_layout_feeds_the_shipped_model(source: Layout) -> None:
    """Each target joint comes from joints of its own side and part of the body."""
    mapping = JointMap.between(source, UPPER11)
    assert mapping.pairs.shape == (11, 2)
    for joint, (a, b) in zip(UPPER11.joints, mapping.pairs, strict=True):
        first, second = source.joints[a], source.joints[b]
        side = joint.partition("_")[0]
        if side in ("left", "right"):
            assert a == b
            assert first.startswith(f"{side}_")
        else:
            assert a == b or {first.partition("_")[0], second.partition("_")[0]} == {"left", "right"}


@pytest.mark.parametrize(
    ("source", "joint", "parts"),
    [
        (COCO17, "pelvis", ("left_hip", "right_hip")),
        (COCO17, "neck", ("left_shoulder", "right_shoulder")),
        (COCO17, "head", ("left_ear", "right_ear")),
        (MEDIAPIPE33, "left_wrist", ("left_wrist", "left_wrist")),
        (SBU15, "right_wrist", ("right_hand", "right_hand")),
        (SBU15, "pelvis", ("left_hip", "right_hip")),
        (KINECT25, "neck", ("left_shoulder", "right_shoulder")),
        (KINECT25, "head", ("head", "head")),
        (OPENPOSE25, "neck", ("left_shoulder", "right_shoulder")),
        (UPPER11, "neck", ("left_shoulder", "right_shoulder")),
        (ZED26, "pelvis", ("left_hip", "right_hip")),
        (ZED26, "head", ("left_ear", "right_ear")),
        (Layout("one_shoulder", ONE_SHOULDER), "neck", ("neck", "neck")),
        (SMPL22, "left_shoulder", ("left_shoulder", "left_shoulder")),
    ],
)
def test_what_stands_in_for_a_joint(source: Layout, joint: str, parts: tuple[str, str]) -> None:
    a, b = JointMap.between(source, UPPER11).pairs[UPPER11.index[joint]]
    assert (source.joints[a], source.joints[b]) == parts


def test_positions_are_middles_and_unseen_where_a_part_is() -> None:
    rng = np.random.default_rng(0)
    joints = np.asarray(rng.normal(size=(4, 2, 17, 3)), np.float32)
    left, right, neck = (COCO17.index[j] for j in ("left_hip", "right_hip", "left_shoulder"))
    joints[1, 0, neck] = np.nan
    mapped = JointMap.between(COCO17, UPPER11).positions(joints)
    assert mapped.shape == (4, 2, 11, 3)
    assert mapped.dtype == np.float32
    np.testing.assert_allclose(
        mapped[..., UPPER11.index["pelvis"], :], (joints[..., left, :] + joints[..., right, :]) / 2
    )
    np.testing.assert_array_equal(mapped[..., UPPER11.index["left_hip"], :], joints[..., left, :])
    hidden = {UPPER11.joints[j] for j in np.flatnonzero(np.isnan(mapped[1, 0, :, 0]))}
    assert hidden == {"neck", "left_shoulder"}
    assert np.isnan(mapped).sum() == 6


def test_confidence_is_that_of_the_weaker_part() -> None:
    confidence = np.ones((1, 17), np.float32)
    confidence[0, COCO17.index["left_hip"]] = 0.3
    mapped = JointMap.between(COCO17, UPPER11).confidence(confidence)
    low = {UPPER11.joints[j] for j in np.flatnonzero(mapped[0] < 1)}
    assert low == {"pelvis", "left_hip"}
    assert mapped.min() == np.float32(0.3)


def test_the_same_joints_are_passed_on_as_they_are() -> None:
    arms = Layout("arms", ("left_shoulder", "right_shoulder", "left_wrist", "right_wrist"))
    mapping = JointMap.between(Layout("mine", arms.joints), arms)
    joints, confidence = np.zeros((1, 4, 3), np.float32), np.zeros((1, 4), np.float32)
    assert mapping.is_identity
    assert mapping.positions(joints) is joints
    assert mapping.confidence(confidence) is confidence
    assert not JointMap.between(Layout("mine", arms.joints[::-1]), arms).is_identity
    assert not JointMap.between(Layout("more", (*arms.joints, "left_elbow")), arms).is_identity


def test_derived_joints_lie_in_one_place_whatever_the_source_calls_so() -> None:
    """A neck above the shoulders, a pelvis above the hips and a head below the ears change nothing."""
    rng = np.random.default_rng(2)
    body = {j: rng.normal(size=3).astype(np.float32) for layout in LAYOUTS.values() for j in layout.joints}
    mapped: dict[str, list[np.ndarray]] = {"neck": [], "pelvis": [], "head": []}
    for k, layout in enumerate(LAYOUTS.values()):
        sent = body | {j: body[j] + np.float32(0.1 * k) for j in mapped if j in body}
        upper = JointMap.between(layout, UPPER11).positions(np.stack([sent[j] for j in layout.joints]))
        for j, found in mapped.items():
            if j != "head" or "left_ear" in layout.index:
                found.append(upper[UPPER11.index[j]])
    assert {j: len(found) for j, found in mapped.items()} == {"neck": 9, "pelvis": 9, "head": 5}
    for found in mapped.values():
        np.testing.assert_array_equal(found, np.broadcast_to(found[0], (len(found), 3)))


def test_the_order_of_the_source_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    joints, order = np.asarray(rng.normal(size=(2, 25, 3)), np.float32), rng.permutation(25)
    shuffled = Layout("shuffled", tuple(KINECT25.joints[i] for i in order))
    np.testing.assert_array_equal(
        JointMap.between(shuffled, UPPER11).positions(joints[:, order]),
        JointMap.between(KINECT25, UPPER11).positions(joints),
    )


def test_what_is_implied_by_joints_of_the_target() -> None:
    def implied(layout: Layout) -> set[str]:
        return {UPPER11.joints[j] for j in np.flatnonzero(JointMap.between(layout, UPPER11).implied)}

    assert implied(KINECT25) == implied(UPPER11) == {"neck", "pelvis"}
    assert implied(COCO17) == {"neck", "pelvis"}, "the ears, of which the head is the middle, are not in it"
    assert not JointMap.between(COCO17, COCO17).implied.any()


def test_every_missing_joint_is_named() -> None:
    with pytest.raises(LayoutError) as error:
        JointMap.between(Layout("legs", ("left_hip", "right_hip", "left_knee")), UPPER11)
    assert str(error.value) == (
        "layout 'legs' cannot feed a model of layout 'upper11': no joint for head, neck, left_shoulder, "
        "right_shoulder, left_elbow, right_elbow, left_wrist, right_wrist (it has left_hip, right_hip, left_knee)"
    )


def test_the_torso_may_be_the_middle_between_neck_and_pelvis() -> None:
    source = Layout("sparse", ("neck", "pelvis"))
    assert JointMap.between(source, Layout("t", ("torso",))).pairs.tolist() == [[0, 1]]
