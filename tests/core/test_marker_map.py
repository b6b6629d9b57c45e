"""Markers become joints by name, and what a map asks for in vain is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dyadwatch.core.errors import ConfigError, LayoutError
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.marker_map import MarkerMap, plan_markers, read_marker_map


def test_a_joint_is_the_middle_of_its_markers(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text("joints:\n  Head: [LFHD, RFHD]\n  LWrist: lwra\n")
    plan = plan_markers(["RFHD", " LWRA ", "LFHD", "XTRA"], read_marker_map(file))
    assert plan.layout.joints == ("head", "left_wrist")
    assert plan.ids == ("1",)
    markers = np.array([[2, 1, 0], [5, 5, 5], [0, 3, 0], [9, 9, 9]], np.float32)
    assert plan.positions(markers).tolist() == [[[1, 2, 0], [5, 5, 5]]]
    times = plan.positions(np.stack([markers, markers + 1]))
    assert times.shape == (2, 1, 2, 3)
    assert times[1, 0, 0].tolist() == [2, 3, 1]


def test_a_joint_is_unseen_when_one_of_its_markers_is_and_no_other_joint_suffers() -> None:
    plan = plan_markers(["a", "b", "c"], MarkerMap(joints={"head": ["a", "b"], "neck": "c", "pelvis": "b"}))
    joints = plan.positions(np.array([[np.nan] * 3, [1, 1, 1], [2, 2, 2]], np.float32))
    assert np.isnan(joints[0, 0]).all()
    assert joints[0, 1:].tolist() == [[2, 2, 2], [1, 1, 1]]


def test_persons_are_told_apart_by_how_their_labels_begin() -> None:
    labels = ["Ann:head", "Ann:neck", "Bob:head", "Bob:neck"]
    markers = np.arange(12, dtype=np.float32).reshape(4, 3)
    plan = plan_markers(labels)
    assert (plan.ids, plan.layout.joints) == (("Ann", "Bob"), ("head", "neck"))
    assert np.array_equal(plan.positions(markers), markers.reshape(2, 2, 3))
    renamed = [n.replace("Ann:", "A_").replace("Bob:", "B_") for n in labels]
    plan = plan_markers(renamed, MarkerMap(joints={"neck": "neck"}, persons={"bob": "B_", "ann": "A_"}))
    assert (plan.ids, plan.layout.joints) == (("bob", "ann"), ("neck",))
    assert np.array_equal(plan.positions(markers)[:, 0], markers[[3, 1]])


def test_stray_markers_are_no_person() -> None:
    labels = ["*7", "Ann:head", "Ann:neck", "Bob:head", "Bob:neck", "Ball:top"]
    assert plan_markers(labels, MarkerMap(joints={"head": "head", "neck": "neck"})).ids == ("Ann", "Bob")
    assert plan_markers(labels[:3]).ids == ("Ann",)


def test_joints_of_a_known_layout_are_that_layout() -> None:
    assert plan_markers(UPPER11.joints).layout is UPPER11


@pytest.mark.parametrize(
    ("labels", "wanted", "text"),
    [
        (["LASI"], MarkerMap(joints={"pelvis": ["LASI", "RASI"], "head": "HEAD"}),
         "the source has no marker RASI, HEAD; it has LASI"),
        (["a", "A "], None, "names joints more than once: a"),
        (["x", "y", "X"], MarkerMap(joints={"head": "x"}), "more than one marker 'X'; expected each name once"),
        (["x"], MarkerMap(joints={"head": []}), "joint 'head' of the marker map has no markers; expected a marker or"),
        (["Ann:head", "Bob:hat"], None, "the source has no marker Bob:head; it has Ann:head, Bob:hat"),
        (["x"], MarkerMap(joints={"head": "x", "Head": "x"}), "names joints more than once: head"),
        ([], None, "has no joints; expected at least one"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(labels: list[str], wanted: MarkerMap | None, text: str) -> None:
    with pytest.raises(LayoutError) as e:
        plan_markers(labels, wanted)
    assert text in str(e.value)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"joints: 5", "Expected `object`, got `int` - at `$.joints`"),
        (b"joint: {head: a}", "Object contains unknown field `joint`"),
        (b"joints: {head: 7}", "Expected `str | array`, got `int`"),
        (b"\xff\xfe\xfa", "map.yaml:"),
        (b"joints: [", "map.yaml:"),
    ],
)
def test_unreadable_maps_are_refused_by_name(tmp_path: Path, text: bytes, error: str) -> None:
    file = tmp_path / "map.yaml"
    file.write_bytes(text)
    with pytest.raises(ConfigError) as e:
        read_marker_map(file)
    assert str(e.value).startswith(f"marker map {file}:")
    assert error in str(e.value)


def test_an_absent_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"marker map .*none\.yaml cannot be read: No such file"):
        read_marker_map(tmp_path / "none.yaml")
