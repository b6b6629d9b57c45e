"""Tables with a declared header, and Kinect recorders' tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.readers.csv_table import read_csv
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.mapping import JointMap

HEADER = ",".join(["frame", "person", *(f"{j}_{a}" for j in UPPER11.joints for a in "xyz")])


def csv_text(walkers: NDArray[np.float32], facts: str = "# units: m\n# fps: 25\n") -> str:
    rows = [
        f"{t},{who}," + ",".join(f"{v:.5f}" for v in walkers[t, p].ravel())
        for t in range(len(walkers))
        for p, who in enumerate(("ann", "bob"))
    ]
    return "\n".join([facts + HEADER, *rows]) + "\n"


@pytest.fixture
def file(tmp_path: Path, walkers: NDArray[np.float32]) -> Path:
    file = tmp_path / "walk.csv"
    file.write_text(csv_text(walkers))
    return file


def test_rows_become_people(file: Path, walkers: NDArray[np.float32]) -> None:
    people = read_csv(file, ReadOptions())
    assert [(p.name, p.fps, p.layout) for p in people] == [("ann", 25.0, UPPER11), ("bob", 25.0, UPPER11)]
    np.testing.assert_allclose(np.stack([p.joints for p in people], axis=1), walkers, atol=1e-5)


def test_the_table_declares_units_and_axes(file: Path, walkers: NDArray[np.float32]) -> None:
    file.write_text(csv_text(walkers * 1000, "# a comment\n# fps: 25\n# units: mm\n# axes: y-down\n"))
    ann, _ = read_csv(file, ReadOptions())
    np.testing.assert_allclose(ann.joints, walkers[:, 0] * [1, -1, -1], atol=1e-5)
    up, _ = read_csv(file, ReadOptions(axes="y-up"))
    np.testing.assert_allclose(up.joints, walkers[:, 0], atol=1e-5)


def test_semicolons_empty_cells_and_absent_rows(file: Path) -> None:
    lines = file.read_text().splitlines()
    cells = lines[3].split(",")
    cells[2:5] = ["", "nan", " NaN "]
    lines[3] = ",".join(cells)
    del lines[5]
    file.write_text("\ufeff" + "\n".join(lines).replace(",", ";"))
    ann, bob = read_csv(file, ReadOptions())
    assert np.isnan(ann.joints[0, 0]).all()
    assert np.isnan(ann.joints[1]).all(), "the row of the second frame is not there"
    assert np.isfinite(bob.joints).all()


def test_time_in_the_place_of_frames_tells_the_rate(file: Path, walkers: NDArray[np.float32]) -> None:
    lines = csv_text(walkers, "").replace("frame,", "time,", 1).splitlines()
    timed = [lines[0]]
    for line in lines[1:]:
        frame, rest = line.split(",", 1)
        timed.append(f"{int(frame) / 50 + 1e4 + 0.001 * (int(frame) % 2):.4f},{rest}")
    file.write_text("\n".join(timed))
    people = read_csv(file, ReadOptions(fps=50))
    np.testing.assert_allclose(np.stack([p.joints for p in people], axis=1), walkers, atol=1e-5)
    even = [line for line in timed[1:] if int(float(line.split(",")[0]) * 50 + 0.5) % 2 == 0]
    file.write_text("\n".join([timed[0], *even]))
    assert read_csv(file, ReadOptions())[0].fps == pytest.approx(25)


@pytest.mark.parametrize(
    ("comment", "meant"),
    [("axis: z-up", "axes"), ("Unit: cm", "units"), ("frame rate: 30", "fps"), ("up: z", "axes")],
)
def test_a_comment_that_nearly_declares_is_told(file: Path, comment: str, meant: str) -> None:
    file.write_text(f"# note: any\n# {comment}\n" + file.read_text())
    says = rf"line 2: '# {comment}'; expected '# {meant}: \.\.\.', or no such comment"
    with pytest.raises(ClipError, match=says):
        read_csv(file, ReadOptions())


def _timed(walkers: NDArray[np.float32], times: NDArray[np.float64]) -> str:
    """One row a person and frame, at these times, in this order."""
    lines = csv_text(walkers, "").replace("frame,", "time,", 1).splitlines()
    rows = [f"{times[k // 2]:.4f},{line.split(',', 1)[1]}" for k, line in enumerate(lines[1:])]
    return "\n".join([lines[0], *rows])


def test_times_that_go_back_are_told(file: Path, walkers: NDArray[np.float32]) -> None:
    n = len(walkers)
    times = np.arange(n) / 30
    for order, notes in ((times, ()), (times[::-1], ())):
        file.write_text(_timed(walkers, order))
        assert read_csv(file, ReadOptions())[0].notes == notes
    times[n // 2 :] -= 0.0837
    file.write_text(_timed(walkers, times))
    went_back, left_out = read_csv(file, ReadOptions())[0].notes
    assert went_back == (
        "times go back 2 times from row to row: rows are put in the order of their times (was a clock set, or are they "
        "several takes?)"
    )
    assert left_out.endswith(" rows left out, which lie in a frame with a later one of the same person")


def test_names_that_are_exchanged_are_put_right_and_told(file: Path, walkers: NDArray[np.float32]) -> None:
    lines = csv_text(walkers).splitlines()
    half = len(lines) // 2 // 2 * 2 + 1
    swapped = [line.replace(",ann,", ",?,").replace(",bob,", ",ann,").replace(",?,", ",bob,") for line in lines[half:]]
    file.write_text("\n".join(lines[:half] + swapped))
    people = read_csv(file, ReadOptions(fps=30))
    np.testing.assert_allclose(np.stack([p.joints for p in people], axis=1), walkers, atol=1e-5)
    (note,) = people[0].notes
    assert note == f"the two are exchanged at frame {(half - 3) // 2}, each in the other's place: put right"


def test_a_map_renames_the_joints(file: Path, tmp_path: Path) -> None:
    map_file = tmp_path / "map.yaml"
    map_file.write_text("joints: {skull: head, chest: [neck, pelvis]}")
    ann, _ = read_csv(file, ReadOptions(markers=str(map_file)))
    assert ann.layout.joints == ("skull", "chest")
    assert ann.joints[0, 1].tolist() == pytest.approx([0, 1.25, 0])
    map_file.write_text("joints: {skull: crown}")
    with pytest.raises(ClipError, match=r"map\.yaml does not fit: the source has no marker crown; it has head, neck"):
        read_csv(file, ReadOptions(markers=str(map_file)))


def test_a_kinect_recorders_table_is_read(shared_data: Path) -> None:
    file = shared_data / "native_samples" / "PRECOG_Seq1_11_kinect1_single_person.csv"
    (person,) = read_csv(file, ReadOptions(fps=30))
    assert (person.joints.shape, person.fps) == ((348, 20, 3), 30.0)
    upper = JointMap.between(person.layout, UPPER11).positions(person.joints)
    head, pelvis = (upper[:, UPPER11.index[j]] for j in ("head", "pelvis"))
    assert np.median(head[:, 1] - pelvis[:, 1]) == pytest.approx(0.68, abs=0.05)
    with pytest.raises(ClipError, match="the format holds no frame rate; give it with --file-fps"):
        read_csv(file, ReadOptions())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("frame,person", "bild,person", "the header is 'bild,person,head_x"),
        (
            "frame,person",
            "bild,person",
            "expected a header 'frame,person,head_x,head_y,head_z,...' (or time in",
        ),
        ("head_z", "head_w", "33 coordinates, such as 'head_w'; expected name_x, name_y, name_z of each joint in turn"),
        ("neck_x,neck_y,neck_z", "head_x,head_y,head_z", "names joints more than once: head"),
        ("# fps: 25\n", "", "the format holds no frame rate; give it with --file-fps"),
        ("# fps: 25", "# fps: x", "fps: 'x' found; expected a plain number"),
        ("units: m", "units: feet", "units are 'feet'; expected m, cm, mm, in (or say them with --units)"),
        ("units: m", "units: mm", "expected at least 0.35 m (larger units?"),
        ("units: m", "axes: x-up", "axes are 'x-up'; expected one of y-up, z-up, y-down"),
        ("\n1,ann", "\n1.5,ann", "frames such as 1.5; expected whole numbers"),
        ("\n1,ann", "\n0,ann", "the same person twice in a frame; expected one row a frame and person"),
        ("\n1,ann", "\n3e6,ann", "3e+06 frames from first to last; expected at most 2000000"),
        ("\n1,ann,", "\n1,ann,7,", "line 6: 36 cells; expected 35, as in the header"),
        ("\n1,ann,", "\n1,ann,-x", "found; expected a plain number"),
        ("\n1,ann,", "\n2023-11-14T22:13:20Z,ann,", "number (a date or a time of day? times are read in seconds)"),
        ("\n1,ann,", "\n0:00:01,ann,", "'0:00:01' found; expected a plain number (a date or a time of day?"),
        ("\n1,ann,", '\n"1",ann,', "found; expected a plain number (in quotes? they are read without)"),
    ],
)
def test_what_is_wrong_is_told(file: Path, old: str, new: str, message: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ClipError) as e:
        read_csv(file, ReadOptions())
    assert str(e.value).startswith(str(file))
    assert message in str(e.value)


def test_a_table_that_unfolds_to_more_than_there_is_memory_is_refused(file: Path) -> None:
    names = ",".join(f"j{i}_{a}" for i in range(400) for a in "xyz")
    rows = "\n".join(f"{t},p{t}" + ",0" * 1200 for t in (*range(9), 1_999_990))
    file.write_text(f"frame,person,{names}\n{rows}")
    with pytest.raises(ClipError, match="1999991 frames of 10 people and 400 joints; too many to hold"):
        read_csv(file, ReadOptions(fps=30))


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_never_anything_but_a_clip_error(
    tmp_path: Path, file: Path, damage: Callable[[st.DataObject, bytes], bytes], data: st.DataObject
) -> None:
    spoilt = tmp_path / "spoilt.csv"
    spoilt.write_bytes(damage(data, file.read_bytes()))
    try:
        people = read_csv(spoilt, ReadOptions())
    except ClipError:
        return
    assert people


KINECT = "HipCenter; Spine; ShoulderCenter; Head; " + "; ".join(
    f"{j}{s}" for s in ("Left", "Right") for j in ("Shoulder", "Elbow", "Wrist", "Hand", "Hip", "Knee", "Ankle", "Foot")
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_to_a_kinect_recorders_table_is_a_clip_error(
    tmp_path: Path, damage: Callable[[st.DataObject, bytes], bytes], data: st.DataObject
) -> None:
    rows = [";".join(f"{0.1 * j} {0.09 * j} 2.{t}" for j in range(20)) + ";0" for t in range(3)]
    spoilt = tmp_path / "kinect.csv"
    spoilt.write_bytes(damage(data, "\n".join([KINECT, *rows]).encode()))
    try:
        (person,) = read_csv(spoilt, ReadOptions(fps=30))
    except ClipError:
        return
    assert person.joints.shape[0] <= 3
