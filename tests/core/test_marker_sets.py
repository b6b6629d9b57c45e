"""The marker sets in common use are known by their markers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.skeletons.layouts import KINECT25, LAYOUTS, UPPER11
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.skeletons.marker_map import plan_markers, read_marker_map
from dyadwatch.core.skeletons.marker_sets import MARKER_SETS, choose_markers


@pytest.mark.parametrize("name", MARKER_SETS)
def test_a_set_is_known_by_its_markers_and_feeds_the_shipped_model(name: str) -> None:
    wanted = MARKER_SETS[name]
    markers = [m for names in wanted.joints.values() for m in ([names] if isinstance(names, str) else names)]
    labels = [f"{who}:{m.upper()}" for who in ("Ann", "Bob") for m in dict.fromkeys(markers)]
    plan = plan_markers(labels, choose_markers([*labels, "*12"]))
    assert plan.ids == ("Ann", "Bob")
    assert set(plan.layout.joints) == set(wanted.joints)
    JointMap.between(plan.layout, UPPER11)


def test_ends_of_bones_may_be_absent() -> None:
    markers = {
        m for names in MARKER_SETS["motive"].joints.values() for m in ([names] if isinstance(names, str) else names)
    }
    assert choose_markers(sorted(markers)).joints["head"] == ["Head", "Head_end"]
    assert choose_markers(sorted(markers - {"Head_end"})).joints["head"] == ["Head"]


def test_a_collar_called_shoulder_is_not_taken_for_one() -> None:
    labels = ["Hips", "Spine", "Neck", "Head"] + [
        f"{s}{b}" for s in ("Left", "Right") for b in ("Shoulder", "Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot")
    ]
    assert choose_markers(labels).joints["left_shoulder"] == ["LeftArm"]
    assert choose_markers(labels).joints["left_collar"] == ["LeftShoulder"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_plain_names_of_joints_are_joints(layout: str) -> None:
    chosen = choose_markers([*LAYOUTS[layout].joints, "LHipAngles", "ball"])
    assert tuple(chosen.joints) == LAYOUTS[layout].joints


def test_unknown_markers_are_listed() -> None:
    with pytest.raises(LayoutError) as e:
        choose_markers(["Ann:M1", "Bob:M1", *KINECT25.joints[:3]])
    assert str(e.value) == (
        "the markers are of no known set (motionbuilder, cmu, motive, plug-in-gait, kinect-v1) and do not name the "
        "joints of a person; say with --map FILE which are which; there are M1, pelvis, spine_mid, neck"
    )


def test_the_page_of_sources_names_every_set_and_shows_a_map_that_is_read(repo_root: Path, tmp_path: Path) -> None:
    page = (repo_root / "docs" / "sources.md").read_text("utf8")
    assert re.findall(r"^\| `([a-z0-9-]+)` \| (?=.*: `)", page, re.MULTILINE) == list(MARKER_SETS)
    (example,) = re.findall(r"```yaml\n(joints:.*?)```", page, re.DOTALL)
    (tmp_path / "map.yaml").write_text(example)
    labels = [f"{who}_{m}" for who in ("Ann", "Bob") for m in ("LFHD", "RFHD", "LWRA")]
    plan = plan_markers(labels, read_marker_map(tmp_path / "map.yaml"))
    assert (plan.ids, plan.layout.joints) == (("ann", "bob"), ("head", "left_wrist"))
