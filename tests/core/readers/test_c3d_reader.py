"""C3D against ezc3d, in every processor's numbers, and damaged."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import ezc3d
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError, ConfigError
from dyadwatch.core.readers.c3d import read_c3d, read_points
from dyadwatch.core.readers.read import read_poses
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.mapping import JointMap

GAIT = ["LFHD", "RFHD", "LBHD", "RBHD", "C7", "CLAV", "LSHO", "RSHO", "LELB", "RELB", "LWRA", "LWRB", "RWRA", "RWRB",
        "LASI", "RASI", "LPSI", "RPSI"]  # fmt: skip


def write_c3d(file: Path, labels: list[str], points: NDArray, units: str = "mm", rate: float = 100.0) -> Path:
    """Writes with ezc3d; points (T, M, 3), NaN where unseen."""
    c3d = ezc3d.c3d()
    c3d["parameters"]["POINT"]["RATE"]["value"] = [rate]
    c3d["parameters"]["POINT"]["LABELS"]["value"] = labels
    c3d["parameters"]["POINT"]["UNITS"]["value"] = [units]
    c3d["data"]["points"] = np.moveaxis(points, -1, 0).transpose(0, 2, 1)
    c3d.write(str(file))
    return file


def markers_of(walkers: NDArray[np.float32]) -> tuple[list[str], NDArray[np.float64]]:
    """Plug-in Gait markers of two people, millimetres, Z up: labels with names before the ':', and points."""
    at = {j: walkers[:, :, i].astype(float) for i, j in enumerate(UPPER11.joints)}
    side = {"L": "left", "R": "right"}
    source = {"C7": "neck", "CLAV": "neck"}
    for s, name in side.items():
        source |= {f"{s}FHD": "head", f"{s}BHD": "head", f"{s}SHO": f"{name}_shoulder", f"{s}ELB": f"{name}_elbow",
                   f"{s}WRA": f"{name}_wrist", f"{s}WRB": f"{name}_wrist", f"{s}ASI": f"{name}_hip",
                   f"{s}PSI": f"{name}_hip"}  # fmt: skip
    apart = {"A": 30.0, "B": -30.0}  # wrist markers lie on both sides of the wrist
    points = []
    for p in (0, 1):
        for marker in GAIT:
            x, y, z = np.moveaxis(at[source[marker]][:, p] * 1000, -1, 0)
            points.append(np.stack([x, -z, y + (apart[marker[3]] if marker[1:3] == "WR" else 0)], axis=-1))
    return [f"{who}:{m}" for who in ("Ann", "Bob") for m in GAIT], np.stack(points, axis=1)


@pytest.fixture
def file(tmp_path: Path, walkers: NDArray[np.float32]) -> Path:
    return write_c3d(tmp_path / "take.c3d", *markers_of(walkers))


def test_points_are_those_that_ezc3d_reads(file: Path) -> None:
    points, other = read_points(file), ezc3d.c3d(str(file))
    assert points.labels == other["parameters"]["POINT"]["LABELS"]["value"]
    assert (points.fps, points.units) == (100.0, "mm")
    np.testing.assert_array_equal(points.positions, np.moveaxis(other["data"]["points"][:3], 0, -1).swapaxes(0, 1))


def test_markers_become_two_people_in_metres(file: Path, walkers: NDArray[np.float32]) -> None:
    ann, bob = read_c3d(file, ReadOptions())
    assert (ann.name, bob.name, ann.fps) == ("Ann", "Bob", 100.0)
    for p, person in enumerate((ann, bob)):
        upper = JointMap.between(person.layout, UPPER11).positions(person.joints)
        expected = walkers[:, p].copy()
        for joint, half in (("neck", "shoulder"), ("pelvis", "hip")):
            sides = [UPPER11.index[f"{side}_{half}"] for side in ("left", "right")]
            expected[:, UPPER11.index[joint]] = expected[:, sides].mean(axis=1)
        np.testing.assert_allclose(upper, expected, atol=1e-4)


def test_a_joint_is_unseen_where_a_marker_is(tmp_path: Path, walkers: NDArray[np.float32]) -> None:
    labels, points = markers_of(walkers)
    points[3, labels.index("Ann:LWRA")] = np.nan
    points[4, labels.index("Ann:LELB")] = 0
    ann, _ = read_c3d(write_c3d(tmp_path / "gap.c3d", labels, points), ReadOptions())
    unseen = np.isnan(ann.joints).any(axis=-1)
    assert [(t, ann.layout.joints[j]) for t, j in np.argwhere(unseen)] == [(3, "left_wrist"), (4, "left_elbow")]


def test_a_marker_map_names_joints(tmp_path: Path, walkers: NDArray[np.float32]) -> None:
    labels, points = markers_of(walkers)
    odd = [label.replace(":", "_").replace("LSHO", "M1") for label in labels]
    map_file = tmp_path / "map.yaml"
    map_file.write_text('joints: {left_shoulder: M1, neck: [C7, CLAV]}\npersons: {a: "Ann_", b: "Bob_"}\n')
    take = write_c3d(tmp_path / "odd.c3d", odd, points)
    people = read_c3d(take, ReadOptions(markers=str(map_file)))
    assert [(p.name, p.layout.joints) for p in people] == [
        ("a", ("left_shoulder", "neck")),
        ("b", ("left_shoulder", "neck")),
    ]
    with pytest.raises(ClipError, match=r"the markers are of no known set .*; say with --map FILE which are which"):
        read_c3d(take, ReadOptions())
    with pytest.raises(ClipError, match=r"odd\.c3d: marker map plug-in-gait does not fit: the source has no marker"):
        read_c3d(take, ReadOptions(markers="plug-in-gait"))
    with pytest.raises(ConfigError, match=r"marker map nowhere\.yaml cannot be read"):
        read_c3d(take, ReadOptions(markers="nowhere.yaml"))


def rewritten(points: NDArray, processor: int, scale: float, up: str = "") -> bytes:
    """A C3D file made here: markers AB and CD, in the given processor's numbers, whole where the scale is positive."""
    order = ">" if processor == 86 else "<"

    def real(values: NDArray | float) -> bytes:
        flat = np.atleast_1d(np.asarray(values, "<f4"))
        if processor != 85:
            return flat.astype(f"{order}f4").tobytes()
        return (flat * np.float32(4)).astype("<f4").view("<u2").reshape(-1, 2)[:, ::-1].tobytes()

    def parameter(group: int, name: bytes, kind: int, shape: tuple[int, ...], data: bytes) -> bytes:
        body = struct.pack("bB", kind, len(shape)) + bytes(shape) + data + b"\0"
        return struct.pack("bb", len(name), group) + name + struct.pack(f"{order}H", len(body) + 2) + body

    count, markers = points.shape[:2]
    group = struct.pack("bb", 5, -1) + b"POINT" + struct.pack(f"{order}H", 3) + b"\0"
    parameters = group + parameter(1, b"LABELS", -1, (2, markers), b"ABCD") + parameter(1, b"UNITS", -1, (2,), b"cm")
    parameters += parameter(1, b"RATE", 4, (), real(50.0))
    if up:
        parameters += parameter(1, b"Y_SCREEN", -1, (2,), up.encode())
    block = (bytes([1, 0x50, 1, processor]) + parameters).ljust(512, b"\0")
    header = bytes([2, 0x50]) + struct.pack(f"{order}5H", markers, 0, 1, count, 10) + real(scale)
    header += struct.pack(f"{order}2H", 3, 0) + real(50.0)
    four = np.concatenate([points, np.zeros((count, markers, 1))], axis=2)
    data = np.round(four / scale).astype(f"{order}i2").tobytes() if scale > 0 else real(four.ravel())
    return header.ljust(512, b"\0") + block + data


@pytest.mark.parametrize("processor", [84, 85, 86])
@pytest.mark.parametrize("scale", [-1.0, 0.25])
def test_every_processors_numbers_are_read(tmp_path: Path, processor: int, scale: float) -> None:
    points = np.arange(1, 31, dtype=float).reshape(5, 2, 3) * 7.25 * np.asarray([1, -1, 1])
    take = tmp_path / "old.c3d"
    take.write_bytes(rewritten(points, processor, scale))
    found = read_points(take)
    assert (found.labels, found.units, found.fps) == (["AB", "CD"], "cm", 50.0)
    np.testing.assert_allclose(found.positions, points, rtol=1e-6)


@pytest.mark.parametrize(
    ("up", "place"), [("", (1, 3, -2)), ("+Z", (1, 3, -2)), ("+Y", (1, 2, 3)), ("-Y", (1, -2, -3))]
)
def test_the_file_tells_which_way_is_up(tmp_path: Path, up: str, place: tuple[int, int, int]) -> None:
    take, map_file = tmp_path / "up.c3d", tmp_path / "map.yaml"
    take.write_bytes(rewritten(np.full((3, 2, 3), [100.0, 200, 300]), 84, -1, up))
    map_file.write_text("joints: {head: AB, neck: CD}")
    (person,) = read_c3d(take, ReadOptions(markers=str(map_file)))
    assert person.joints[0, 0].tolist() == list(place)


def test_an_axis_that_cannot_be_up_is_asked_for(tmp_path: Path) -> None:
    take = tmp_path / "up.c3d"
    take.write_bytes(rewritten(np.full((3, 2, 3), [100.0, 200, 300]), 84, -1, "+X"))
    with pytest.raises(ClipError, match=r"up\.c3d: the format does not tell which way is up; say it with --axes"):
        read_c3d(take, ReadOptions())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda b: b[:700], "does not begin as a C3D file does, or is cut short"),
        (lambda b: b"\x02Q" + b[2:], "does not begin as a C3D file does, or is cut short"),
        (lambda b: b[:-600], "frames of 36 markers; expected 20: it is cut short"),
        (lambda b: b"\xff" + b[1:], "the parameters lie beyond its"),
        (lambda b: b[:515] + b"\x07" + b[516:], "processor type 7; expected 84 (Intel), 85 (DEC) or 86 (MIPS)"),
        (lambda b: b[:2] + b"\0\0" + b[4:], "0 markers; expected 1 to 5000"),
    ],
)
def test_what_is_wrong_is_told(file: Path, spoil: Callable[[bytes], bytes], message: str) -> None:
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(ClipError) as e:
        read_c3d(file, ReadOptions())
    assert str(e.value).startswith(str(file))
    assert message in str(e.value)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_never_anything_but_a_clip_error(
    tmp_path: Path, file: Path, damage: Callable[[st.DataObject, bytes], bytes], data: st.DataObject
) -> None:
    spoilt = tmp_path / "spoilt.c3d"
    spoilt.write_bytes(damage(data, file.read_bytes()))
    try:
        people = read_c3d(spoilt, ReadOptions())
    except ClipError:
        return
    assert 1 <= len(people) <= 2


@pytest.mark.parametrize(
    ("up", "axes", "told"),
    [("", None, True), ("", "z-up", False), ("", "y-up", False), ("+Z", None, False), ("+Y", None, False)],
)
def test_axes_that_the_file_does_not_tell_are_assumed_and_that_is_told(
    tmp_path: Path, up: str, axes: str | None, told: bool
) -> None:
    take, map_file = tmp_path / "up.c3d", tmp_path / "map.yaml"
    points = np.full((5, 2, 3), [100.0, 200, 300]) + np.asarray([[[0.0, 0, 0], [40, 0, 0]]])
    take.write_bytes(rewritten(points, 84, -1, up))
    map_file.write_text('joints: {head: ""}\npersons: {ann: AB, bob: CD}')
    (found,) = read_poses([take], ReadOptions(axes=axes, markers=str(map_file)))
    says = "no POINT:Y_SCREEN says which way is up: z-up is assumed; if that is wrong, say y-up or y-down with --axes"
    assert [(d.name, d.reason) for d in found.doubts] == ([("up", says)] if told else [])
    assert len(found.certain()) == 1, "it is used all the same"
