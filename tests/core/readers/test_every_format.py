"""One law for every format of files: what is written is read, in metres, Y up, and 0 0 0 is unseen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ezc3d
import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.readers.formats import KINDS, read_people
from dyadwatch.core.readers.interx import DOWNSAMPLE, FPS, INTERX64
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.mapping import JointMap

Joints = NDArray[np.float64]  # metres, Y up, 0 0 0 where unseen; shape (T, 2, 11, 3), layout upper11
LABELS = [f"{who}:{joint}" for who in ("ann", "bob") for joint in UPPER11.joints]


def z_up_mm(joints: Joints) -> Joints:
    """Of another sensor: millimetres, Z up."""
    return np.stack([joints[..., 0], -joints[..., 2], joints[..., 1]], axis=-1) * 1000


def rows_of(joints: Joints) -> list[list[str]]:
    """Texts of the numbers of each frame."""
    return [[f"{v:.4f}" for v in frame] for frame in joints.reshape(len(joints), -1)]


def write_csv(file: Path, joints: Joints) -> list[Path]:
    header = ",".join(["frame", "person", *(f"{j}_{a}" for j in UPPER11.joints for a in "xyz")])
    rows = [
        ",".join([str(t), who, *row])
        for p, who in enumerate(("ann", "bob"))
        for t, row in enumerate(rows_of(z_up_mm(joints[:, p])))
    ]
    file.write_text("\n".join([f"# units: mm\n# axes: z-up\n# fps: {FPS:g}", header, *rows]) + "\n")
    return [file]


def write_trc(file: Path, joints: Joints) -> list[Path]:
    count = len(joints)
    rows = [
        "\t".join([str(t + 1), f"{t / FPS:.5f}", *row])
        for t, row in enumerate(rows_of(joints.reshape(count, -1, 3) * 1000))
    ]
    file.write_text("\n".join([
        "PathFileType\t4\t(X/Y/Z)\ttake.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{FPS}\t{FPS}\t{count}\t{len(LABELS)}\tmm\t{FPS}\t1\t{count}",
        "Frame#\tTime\t" + "\t\t\t".join(LABELS) + "\t\t",
        "\t\t" + "\t".join(f"{a}{i}" for i in range(1, len(LABELS) + 1) for a in "XYZ"),
        "",
        *rows,
    ]) + "\n")  # fmt: skip
    return [file]


def write_c3d(file: Path, joints: Joints) -> list[Path]:
    c3d = ezc3d.c3d()
    c3d["parameters"]["POINT"]["RATE"]["value"] = [FPS]
    c3d["parameters"]["POINT"]["LABELS"]["value"] = LABELS
    c3d["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    points = z_up_mm(joints).reshape(len(joints), -1, 3)
    c3d["data"]["points"] = np.moveaxis(points, -1, 0).transpose(0, 2, 1)
    c3d.write(f"{file}.c3d")  # it gives every name this end
    return [Path(f"{file}.c3d").rename(file)]


def write_bvh(file: Path, joints: Joints) -> list[Path]:
    """A root each at the pelvis; all others hang on it and have positions, not turns. Centimetres."""
    places = "CHANNELS 3 Xposition Yposition Zposition"
    pelvis = UPPER11.index["pelvis"]
    others = [j for j in range(len(UPPER11)) if j != pelvis]
    bones = [f"JOINT {UPPER11.joints[j]}\n{{\nOFFSET 0 0 0\n{places}\n}}" for j in others]
    person = "\n".join(["ROOT pelvis\n{\nOFFSET 0 0 0", places, *bones, "}"])
    root = joints[:, :, [pelvis]]
    channels = np.concatenate([root, joints[:, :, others] - root], axis=2) * 100
    rows = [" ".join(row) for row in rows_of(channels)]
    head = ["HIERARCHY", person, person, "MOTION", f"Frames: {len(joints)}", f"Frame Time: {1 / FPS:.7f}"]
    file.write_text("\n".join([*head, *rows]) + "\n")
    return [file]


def write_interx(file: Path, joints: Joints) -> list[Path]:
    """A file each, at four times the rate; joints that are not of upper11 lie at the pelvis."""
    files = [file.with_name(f"P{p + 1}") for p in range(2)]
    for p, one in enumerate(files):
        every = np.repeat(joints[:, p, [UPPER11.index["pelvis"]]], len(INTERX64), axis=1)
        every[:, [INTERX64.index[j] for j in UPPER11.joints]] = joints[:, p]
        with one.open("wb") as stream:
            np.save(stream, np.repeat(every, DOWNSAMPLE, axis=0))
    return files


WRITERS: dict[str, Callable[[Path, Joints], list[Path]]] = {
    "bvh": write_bvh,
    "c3d": write_c3d,
    "trc": write_trc,
    "inter-x": write_interx,
    "csv": write_csv,
}
ONLY_WHOLE = {"bvh"}  # a bone cannot be missing alone


def test_every_format_has_a_writer() -> None:
    assert list(WRITERS) == [kind.name for kind in KINDS]


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_written_is_read(kind: str, walkers: NDArray[np.float32], tmp_path: Path) -> None:
    """The files have no suffix: each is known by how it begins."""
    expected = walkers.astype(float)
    for joint, half in (("neck", "shoulder"), ("pelvis", "hip")):  # wherever both are there, it is their middle
        sides = [UPPER11.index[f"{side}_{half}"] for side in ("left", "right")]
        expected[:, :, UPPER11.index[joint]] = expected[:, :, sides].mean(axis=2)
    expected[3, 0] = np.nan
    if kind not in ONLY_WHOLE:
        expected[5, 1, UPPER11.index["left_elbow"]] = np.nan
    files = WRITERS[kind](tmp_path / "take", np.nan_to_num(expected))
    read = [read_people(file, ReadOptions()) for file in files]
    assert {name for name, _ in read} == {kind}
    people = [person for _, found in read for person in found]
    assert [person.fps for person in people] == [FPS, FPS]
    for p, person in enumerate(people):
        upper = JointMap.between(person.layout, UPPER11).positions(person.joints)
        np.testing.assert_allclose(upper, expected[:, p], atol=1e-5, err_msg=person.name)
