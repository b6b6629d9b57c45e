"""BVH: forward kinematics against another implementation, on a made file and on a real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pybvh
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dyadwatch.core.errors import ClipError
from dyadwatch.core.readers.bvh import forward, read_bvh, read_motion
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.mapping import JointMap

# A person as MotionBuilder names bones: name, parent, offset in centimetres, order of turns.
BONES = [
    ("Hips", "", (0, 0, 0), "ZXY"), ("Spine", "Hips", (0, 20, 0), "XYZ"), ("Neck", "Spine", (0, 30, 0), "YXZ"),
    ("Head", "Neck", (0, 10, 1), "ZYX"),
    ("LeftShoulder", "Spine", (3, 26, 0), "ZXY"), ("LeftArm", "LeftShoulder", (14, 0, 0), "ZXY"),
    ("LeftForeArm", "LeftArm", (28, 0, 0), "XZY"), ("LeftHand", "LeftForeArm", (25, 0, 0), "ZXY"),
    ("RightShoulder", "Spine", (-3, 26, 0), "ZXY"), ("RightArm", "RightShoulder", (-14, 0, 0), "ZXY"),
    ("RightForeArm", "RightArm", (-28, 0, 0), "YZX"), ("RightHand", "RightForeArm", (-25, 0, 0), "ZXY"),
    ("LeftUpLeg", "Hips", (9, -4, 0), "ZXY"), ("LeftLeg", "LeftUpLeg", (0, -42, 0), "ZXY"),
    ("LeftFoot", "LeftLeg", (0, -40, 0), "ZXY"),
    ("RightUpLeg", "Hips", (-9, -4, 0), "ZXY"), ("RightLeg", "RightUpLeg", (0, -42, 0), "ZXY"),
    ("RightFoot", "RightLeg", (0, -40, 0), "ZXY"),
]  # fmt: skip


def bvh_text(frames: int = 4, seed: int = 0, bend: float = 20.0, root: str = "0 0 0") -> str:
    """A file of one person who sways by `bend` degrees."""
    lines = ["HIERARCHY"]

    def write(name: str, depth: int) -> None:
        _, parent, offset, order = next(b for b in BONES if b[0] == name)
        pad = "\t" * depth
        turns = " ".join(f"{axis}rotation" for axis in order)
        lines.extend([f"{pad}{'JOINT' if parent else 'ROOT'} {name}", f"{pad}{{"])
        lines.append(f"{pad}\tOFFSET {' '.join(map(str, offset)) if parent else root}")
        lines.append(f"{pad}\tCHANNELS {f'3 {turns}' if parent else f'6 Xposition Yposition Zposition {turns}'}")
        children = [b[0] for b in BONES if b[1] == name]
        for child in children:
            write(child, depth + 1)
        if not children:
            lines.extend([f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET 0 8 0", f"{pad}\t}}"])
        lines.append(f"{pad}}}")

    write("Hips", 0)
    rng = np.random.default_rng(seed)
    lines += ["MOTION", f"Frames: {frames}", "Frame Time: 0.008333"]
    for t in range(frames):
        values = [50.0 * seed + t, 95.0, 10.0, *rng.uniform(-bend, bend, 3 * len(BONES))]
        lines.append(" ".join(f"{v:.6f}" for v in values))
    return "\n".join(lines) + "\n"


@pytest.fixture
def person(tmp_path: Path) -> Path:
    file = tmp_path / "ann.bvh"
    file.write_text(bvh_text())
    return file


def test_forward_kinematics_agree_with_pybvh_on_every_order_of_turns(person: Path) -> None:
    person.write_text(bvh_text(frames=6, bend=170.0))
    motion = read_motion(person)
    other = pybvh.read_bvh_file(person)
    assert [n.name for n in motion.nodes if not n.name.endswith("_end")] == [
        n.name for n in other.nodes if not n.is_end_site()
    ]
    np.testing.assert_allclose(forward(motion), other.node_positions(), atol=1e-9)


def test_forward_kinematics_agree_with_pybvh_on_a_real_file(shared_data: Path) -> None:
    file = shared_data / "native_samples" / "CMU_18_01_single_person.bvh"
    np.testing.assert_allclose(forward(read_motion(file)), pybvh.read_bvh_file(file).node_positions(), atol=1e-9)
    (walker,) = read_bvh(file, ReadOptions(units="0.0564"))
    assert (walker.joints.shape, walker.fps) == ((303, 20, 3), 30.0)
    upper = JointMap.between(walker.layout, UPPER11).positions(walker.joints)
    at = {j: upper[:, i] for i, j in enumerate(UPPER11.joints)}
    arms = [np.linalg.norm(at[f"{s}_shoulder"] - at[f"{s}_elbow"], axis=-1) for s in ("left", "right")]
    np.testing.assert_allclose(arms, 0.3, atol=0.05)
    assert 1.3 < at["head"][:, 1].mean() < 1.8


def test_a_person_comes_in_metres_by_the_names_of_the_bones(person: Path) -> None:
    person.write_text(bvh_text(bend=0.0))
    (ann,) = read_bvh(person, ReadOptions())
    at = {j: ann.joints[0, i].tolist() for i, j in enumerate(ann.layout.joints)}
    assert at["left_shoulder"] == pytest.approx([0.17, 1.41, 0.1], abs=1e-6)
    assert at["left_wrist"] == pytest.approx([0.70, 1.41, 0.1], abs=1e-6)
    assert at["right_knee"] == pytest.approx([-0.09, 0.49, 0.1], abs=1e-6)
    assert at["head"] == pytest.approx([0, 1.59, 0.11], abs=1e-6), "half way to the end of the head"
    assert ann.fps == pytest.approx(120)
    JointMap.between(ann.layout, UPPER11)


def test_the_place_of_the_root_is_its_channels_not_its_offset(person: Path) -> None:
    person.write_text(bvh_text(root="7 90 3"))
    np.testing.assert_allclose(forward(read_motion(person))[0, 0], [0, 95, 10])
    np.testing.assert_allclose(forward(read_motion(person)), pybvh.read_bvh_file(person).node_positions(), atol=1e-9)


def test_a_root_each_is_a_person_each(person: Path) -> None:
    one = bvh_text(bend=0.0)
    tree, motion = one.split("MOTION")
    rows = motion.splitlines()[3:]
    both = [
        f"{a} {b}" for a, b in zip(rows, bvh_text(seed=3, bend=0.0).split("MOTION")[1].splitlines()[3:], strict=True)
    ]
    person.write_text(tree + tree.removeprefix("HIERARCHY\n") + "MOTION" + "\n".join([*motion.splitlines()[:3], *both]))
    ann, bob = read_bvh(person, ReadOptions())
    np.testing.assert_allclose(bob.joints - ann.joints, np.broadcast_to([1.5, 0, 0], ann.joints.shape), atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "TREE", "line 1: 'TREE' found; expected HIERARCHY, as every BVH file begins"),
        ("OFFSET 0 20 0", "OFFSET 0 x 0", "'x' found; expected a plain number"),
        ("OFFSET 0 20 0", "OFFSET 0 20", "'OFFSET 0 20' found; expected ROOT, JOINT, End Site, OFFSET, CHANNELS"),
        ("CHANNELS 3 Xrotation", "CHANNELS 4 Xrotation", "expected CHANNELS, their number, and that many of Xposition"),
        ("CHANNELS 3 Xrotation", "CHANNELS 3 Wrotation", "expected CHANNELS, their number, and that many of Xposition"),
        ("Frames: 4", "Frames: 5", "of motion; expected 5 frames of 57 (cut short?)"),
        ("Frames: 4", "Frames: 1e8", "says 1e+08 frames; expected 1 to 2000000"),
        ("Frames: 4", "Frames: 0", "says 0 frames; expected 1 to 2000000"),
        ("Frame Time: 0.008333", "Frame Time: 0", "a frame takes 0 s; expected a frame time of more than 0"),
        ("Frame Time: 0.008333", "Frame Time: 0.0001", "says 1e+04 frames per second; expected 1 to 1000; say the"),
        ("Frame Time: 0.008333", "Frame Time: 8.333", "(milliseconds taken for seconds? that would be 120 a second)"),
        ("Frame Time: 0.008333", "Frame Time: 33333", "(microseconds taken for seconds? that would be 30 a second)"),
        ("95.000000 10", "1e30 10", "'1e30' found; expected a plain number"),
        ("95.000000 10", "nan 10", "'nan' found; expected a plain number"),
        ("ROOT Hips", "JOINT Hips", "expected a ROOT outside of braces, every JOINT within"),
        ("MOTION", "", "found; expected ROOT, JOINT, End Site, OFFSET, CHANNELS, a brace, or MOTION after the last"),
        ("LeftForeArm", "Boom", "say with --map FILE which are which; there are Hips, Spine"),
        ("RightLeg", "LeftLeg", "more than one marker 'LeftLeg'; expected each name once"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(person: Path, old: str, new: str, message: str) -> None:
    text = bvh_text()
    assert old in text
    person.write_text(text.replace(old, new, 1))
    with pytest.raises(ClipError) as e:
        read_bvh(person, ReadOptions())
    assert str(e.value).startswith(str(person))
    assert message in str(e.value)


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ("m", "spans 1[0-9.]* m with units 'm'; expected at most 3.5 m (cm sent as 'm'? say them with --units)"),
        ("mm", "with units 'mm'; expected at least 0.35 m (larger units? say them with --units: m, cm, mm, in or"),
    ],
)
def test_units_that_make_no_person_are_told(person: Path, units: str, message: str) -> None:
    with pytest.raises(ClipError) as e:
        read_bvh(person, ReadOptions(units=units))
    assert message.partition("m with")[2] in str(e.value)


def test_a_thousand_joints_are_no_person(person: Path) -> None:
    person.write_text("HIERARCHY\nROOT a\n{\n" + "JOINT b\n{\n" * 2000)
    with pytest.raises(ClipError, match="more than 1000 joints; expected a person's"):
        read_bvh(person, ReadOptions())


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_never_anything_but_a_clip_error(
    person: Path, damage: Callable[[st.DataObject, bytes], bytes], data: st.DataObject
) -> None:
    person.write_bytes(damage(data, bvh_text(frames=2).encode()))
    try:
        people = read_bvh(person, ReadOptions())
    except ClipError:
        return
    assert all(p.joints.shape[0] == people[0].joints.shape[0] for p in people)
