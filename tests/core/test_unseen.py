from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dyadwatch.core.data.clip_files import Clip, write_clips
from dyadwatch.core.readers.bvh import read_bvh
from dyadwatch.core.readers.csv_table import read_csv
from dyadwatch.core.readers.read import read_dataset
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.readers.trc import read_trc
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.skeletons.unseen import ZEROS_NOTE, blank_zeros, filled_joints, without_zeros

VALUES = st.sampled_from([0.0, -0.0, 1e-38, -1e-9, 0.5, -2.0, -1.0, 999.0, -9999.0, 1e6, 99.5, 1.0, np.nan])


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3).map(lambda s: (*s, 3)), elements=VALUES))
def test_only_three_zeros_or_three_of_one_filler_are_unseen(joints: np.ndarray) -> None:
    zeros = filled_joints(joints)
    for at in np.ndindex(joints.shape[:-1]):
        values = {float(v) for v in joints[at]}
        assert zeros[at] == (len(values) == 1 and values <= {0.0, -1.0, 999.0, -9999.0, 1e6})
    blanked = joints.copy()
    assert blank_zeros(blanked) == ((ZEROS_NOTE,) if zeros.any() else ())
    assert np.isnan(blanked[zeros]).all()
    np.testing.assert_array_equal(blanked[~zeros], joints[~zeros])


def test_a_frame_without_zeros_is_passed_on_as_it_is() -> None:
    joints = np.ones((2, 11, 3), np.float32)
    frame = PoseFrame("s", 1, 0, 0, "unix", UPPER11, joints, np.ones((2, 11), np.float32), None)
    assert without_zeros(frame) is frame
    joints[1, 3] = 0
    found = without_zeros(frame)
    assert found.zeros == 1
    assert np.isnan(found.joints[1, 3]).all()
    assert found.confidence[1, 3] == 0
    assert frame.confidence[1, 3] == 1, "the frame that came in is left as it is"


def walkers() -> np.ndarray:
    """Two people, 40 frames, joint by joint elsewhere; (40, 2, 11, 3)."""
    rng = np.random.default_rng(0)
    body = rng.uniform(0.2, 0.9, size=(1, 1, 11, 3)) + np.array([0, 0.5, 0])
    return (body + np.array([[0, 0, 0], [1, 0, 0]])[None, :, None] + np.arange(40)[:, None, None, None] * 0.01).astype(
        np.float32
    )


def test_zeros_are_unseen_in_the_shared_format(tmp_path: Path) -> None:
    joints = walkers()
    joints[5:9, 0, 2] = 0
    write_clips(tmp_path, [Clip(joints, UPPER11, 30.0, clip_id="a"), Clip(walkers(), UPPER11, 30.0, clip_id="b")])
    data = read_dataset(tmp_path)
    assert np.argwhere(np.isnan(data[0].joints[:, 0, :, 0])).tolist() == [[f, 2] for f in range(5, 9)]
    assert [(d.name, d.reason, d.whole) for d in data.doubts] == [("a", ZEROS_NOTE, False)]


@pytest.mark.parametrize("units", ["m", "mm"])
def test_zeros_are_unseen_in_tables(tmp_path: Path, units: str) -> None:
    scale = 1000.0 if units == "mm" else 1.0
    joints = walkers() * scale
    joints[5:9, 0, 2] = 0
    columns = ",".join(f"{j}_{a}" for j in UPPER11.joints for a in "xyz")
    rows = [
        f"{f},{'ab'[p]}," + ",".join(f"{v:g}" for v in joints[f, p].ravel()) for f in range(len(joints)) for p in (0, 1)
    ]
    file = tmp_path / "t.csv"
    file.write_text("\n".join([f"# units: {units}", "# fps: 30", "# axes: z-up", f"frame,person,{columns}", *rows]))
    ann, bob = read_csv(file, ReadOptions())
    assert np.argwhere(np.isnan(ann.joints[..., 0])).tolist() == [[f, 2] for f in range(5, 9)]
    assert np.isfinite(bob.joints).all()
    assert ann.notes == (ZEROS_NOTE,)


def test_zeros_are_unseen_in_trc(tmp_path: Path) -> None:
    joints = walkers()[:, 0]
    joints[5:9, 2] = 0
    names = list(UPPER11.joints)
    head = [
        "PathFileType\t4\t(X/Y/Z)\tt.trc",
        "DataRate\tNumFrames\tNumMarkers\tUnits",
        f"30\t{len(joints)}\t{len(names)}\tm",
        "Frame#\tTime\t" + "\t\t\t".join(names),
        "",
    ]
    rows = ["\t".join([str(f + 1), f"{f / 30:.6f}", *(f"{v:g}" for v in joints[f].ravel())]) for f in range(40)]
    file = tmp_path / "t.trc"
    file.write_text("\n".join([*head, *rows]))
    (person,) = read_trc(file, ReadOptions())
    hidden = person.layout.index["pelvis"]
    assert np.argwhere(np.isnan(person.joints[..., 0])).tolist() == [[f, hidden] for f in range(5, 9)]
    assert person.notes == (ZEROS_NOTE,)


BVH = """HIERARCHY
ROOT Hips
{
 OFFSET 0 0 0
 CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
%s
}
MOTION
Frames: %d
Frame Time: 0.0333333
%s
"""
LIMBS = {
    "Neck": "0 50 0", "Head": "0 70 0", "LeftShoulder": "20 45 0", "LeftElbow": "20 15 0", "LeftWrist": "20 -10 0",
    "RightShoulder": "-20 45 0", "RightElbow": "-20 15 0", "RightWrist": "-20 -10 0", "LeftHip": "10 0 0",
    "RightHip": "-10 0 0",
}  # fmt: skip


def bvh(file: Path, rows: list[str]) -> Path:
    joints = "\n".join(
        f" JOINT {name}\n {{\n  OFFSET {offset}\n  CHANNELS 3 Zrotation Xrotation Yrotation\n }}"
        for name, offset in LIMBS.items()
    )
    file.write_text(BVH % (joints, len(rows), "\n".join(f"{row} " + "0 " * 30 for row in rows)))
    return file


def test_a_bvh_frame_of_nothing_but_zeros_is_nobody(tmp_path: Path) -> None:
    """Recorders write it for want of a person, or as a rest pose before the take; a root at the origin is a place."""
    rows = ["0 0 0 0 0 0", "0 95 0 0 0 0", "0 0 0 0 5 0", "3 95 0 0 0 0"]
    (person,) = read_bvh(bvh(tmp_path / "t.bvh", rows), ReadOptions())
    assert np.isnan(person.joints).all(axis=(1, 2)).tolist() == [True, False, False, False]
    assert np.isfinite(person.joints[1:]).all()
    (still,) = read_bvh(bvh(tmp_path / "still.bvh", ["0 0 0 0 0 0"] * 3), ReadOptions())
    assert np.isfinite(still.joints).all(), "a file of rest poses is what it is"
