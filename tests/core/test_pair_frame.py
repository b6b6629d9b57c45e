"""The canonical pair frame: what it removes, what it keeps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.features.distance import distance_maps
from dyadwatch.core.features.pair_frame import TRUNK_M, Anchors, anchors, anchors_said, canonical, placed_by
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import KINECT25, LAYOUTS, SBU15, UPPER11

AT = anchors(UPPER11)
every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())


def pair(seed: int, people_m: float = 1.2, layout: Layout = UPPER11) -> np.ndarray:
    """A window (2, 8, J, 3) of two bodies about half a metre of trunk tall."""
    rng = np.random.default_rng(seed)
    joints = rng.normal(scale=0.15, size=(2, 8, len(layout), 3)) + np.array([0, 1.2, 0])
    at = anchors(layout)
    joints[:, :, at.neck] = joints[:, :, at.pelvis].mean(axis=2, keepdims=True) + np.array([0.02, 0.5, 0.01])
    joints[1, ..., 0] += people_m
    return joints


def turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1000),
    shift=st.tuples(*[st.floats(-20, 20)] * 3),
    angle=st.floats(-np.pi, np.pi),
    scale=st.floats(0.6, 1.5),
)
def test_camera_place_heading_and_body_size_are_removed(seed, shift, angle, scale):
    joints = pair(seed)
    seen = scale * joints @ turn(angle).T + shift
    np.testing.assert_allclose(canonical(seen, AT), canonical(joints, AT), atol=1e-5)


@every_layout
@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_swapping_persons_is_half_a_turn(layout: Layout, seed: int) -> None:
    joints, at = pair(seed, layout=layout), anchors(layout)
    swapped = canonical(joints[::-1], at)
    np.testing.assert_allclose(swapped, canonical(joints, at)[::-1] @ turn(np.pi).T, atol=1e-9)


@every_layout
@settings(max_examples=10)
@given(seed=st.integers(0, 1000), scale=st.floats(0.6, 1.5))
def test_what_is_placed_is_not_placed_otherwise_again(layout: Layout, seed: int, scale: float) -> None:
    at = anchors(layout)
    placed = canonical(scale * pair(seed, layout=layout), at)
    np.testing.assert_allclose(canonical(placed, at), placed, atol=1e-5)


def test_the_pair_stands_on_the_x_axis_round_the_origin_with_trunks_of_half_a_metre() -> None:
    placed = canonical(pair(1) * 1.4, AT)
    pelvis, neck = placed[:, :, UPPER11.index["pelvis"]], placed[:, :, UPPER11.index["neck"]]
    np.testing.assert_allclose(pelvis.mean((0, 1)), 0, atol=1e-9)
    np.testing.assert_allclose(pelvis.mean(1)[:, 2], 0, atol=1e-9)
    assert pelvis[0, :, 0].mean() < 0 < pelvis[1, :, 0].mean()
    assert np.linalg.norm(neck - pelvis, axis=-1).mean() == pytest.approx(TRUNK_M)


def test_one_frame_for_both_keeps_how_far_apart_they_are() -> None:
    near, far = (distance_maps(canonical(pair(2, m), AT)).mean() for m in (0.5, 2.0))
    assert far > near + 1


def test_coinciding_persons_give_finite_coordinates() -> None:
    joints = pair(3)
    joints[1] = joints[0]
    placed = canonical(joints, AT)
    assert np.isfinite(placed).all()
    np.testing.assert_allclose(placed[..., 0], 0, atol=1e-6)


@pytest.mark.parametrize("trunk", [0.0, 50.0])
def test_an_absurd_trunk_does_not_blow_the_pair_up_or_shrink_it_to_a_point(trunk):
    joints = pair(4)
    joints[:, :, UPPER11.index["neck"]] = joints[:, :, UPPER11.index["pelvis"]] + [0, trunk, 0]
    placed = canonical(joints, AT)
    apart = np.linalg.norm(placed[1, 0, 2] - placed[0, 0, 2]) / np.linalg.norm(joints[1, 0, 2] - joints[0, 0, 2])
    assert 0.5 < apart < 3


def test_dtype_and_leading_axes_are_kept() -> None:
    joints = np.stack([pair(0), pair(1)]).astype(np.float32)
    placed = canonical(joints, AT)
    assert placed.dtype == np.float32
    assert placed.shape == joints.shape
    np.testing.assert_allclose(placed[1], canonical(joints[1], AT), atol=1e-6)


def test_every_known_layout_has_anchors() -> None:
    for layout in LAYOUTS.values():
        at = anchors(layout)
        assert max(*at.pelvis, *at.neck) < len(layout)


def test_anchors_use_the_joint_itself_or_the_middle_of_two() -> None:
    assert anchors(KINECT25) == Anchors((0, 0), (2, 2))
    assert anchors(SBU15).pelvis == (SBU15.index["left_hip"], SBU15.index["right_hip"])


@pytest.mark.parametrize(
    ("joints", "text"),
    [
        (("left_hand",), "layout 'glove' has no pelvis and no neck to place a pair by, nor joints to derive it from"),
        (("neck", "left_hip"), r"layout 'glove' has no pelvis to place a pair by.*\(it has neck, left_hip\)"),
    ],
)
def test_missing_anchors_are_named(joints, text):
    with pytest.raises(LayoutError, match=text):
        anchors(Layout("glove", joints))


def test_distance_maps_are_distances_and_transpose_when_persons_swap() -> None:
    joints = np.random.default_rng(0).normal(size=(3, 2, 4, 5, 3))
    maps = distance_maps(joints)
    assert maps.shape == (3, 4, 5, 5)
    assert maps[1, 2, 3, 4] == pytest.approx(np.linalg.norm(joints[1, 0, 2, 3] - joints[1, 1, 2, 4]))
    np.testing.assert_array_equal(distance_maps(joints[:, ::-1]), maps.swapaxes(-1, -2))


UPPER_BODY = Layout.custom(
    ["torso", "head", *(f"{s}_{j}" for s in ("left", "right") for j in ("shoulder", "elbow", "hand"))]
)


@pytest.mark.parametrize(
    ("joints", "low", "high", "trunk"),
    [
        (UPPER_BODY.joints, ["torso"], ["left_shoulder", "right_shoulder"], 0.6),
        (("head", "left_shoulder", "right_shoulder"), ["left_shoulder", "right_shoulder"], ["head"], 0.5),
        (("neck", "nose"), ["neck"], ["nose"], 0.5),
        (("chest", "neck", "head"), ["chest"], ["neck"], 0.4),
        (("left_hip", "right_hip", "head"), ["left_hip", "right_hip"], ["head"], 1.4),
        (("spine_mid", "pelvis", "neck"), ["pelvis"], ["neck"], 1.0),
    ],
)
def test_upper_bodies_are_placed_by_what_they_have(joints, low, high, trunk):
    layout = Layout("seen", joints)
    at = anchors(layout)
    said = placed_by(layout, at)
    assert said == {"low": low, "high": high, "trunk": trunk}
    assert anchors_said(layout, said) == anchors_said(layout, None) == at


@pytest.mark.parametrize("said", [{}, [], {"low": ["torso"], "high": ["tail"], "trunk": 1.0},
                                  {"low": [], "high": ["head"], "trunk": 1.0},
                                  {"low": ["torso"], "high": ["head"], "trunk": 0.0}])  # fmt: skip
def test_anchors_that_a_file_says_wrong_are_told(said):
    with pytest.raises(LayoutError, match=r"placed_by is .*; expected low and high, lists of joints among torso, head"):
        anchors_said(UPPER_BODY, said)


def test_the_trunk_that_stands_for_another_keeps_the_size_of_the_pair() -> None:
    """Half a metre from pelvis to neck, of it 0.3 from torso to neck: either way places alike."""
    layout = Layout("three", ("pelvis", "torso", "neck"))
    rng = np.random.default_rng(0)
    joints = np.zeros((2, 6, 3, 3)) + np.array([[0, 0.9, 0], [0, 1.1, 0], [0, 1.4, 0]])
    joints[1] += [1.2, 0, 0.3]
    joints += rng.normal(scale=1e-3, size=joints.shape)
    whole = canonical(joints, anchors(layout))
    upper = canonical(joints, Anchors((1, 1), (2, 2), 0.6))
    apart = [np.linalg.norm((placed[1] - placed[0]).mean(axis=(0, 1))) for placed in (whole, upper)]
    assert apart[0] == pytest.approx(apart[1], rel=0.02)
