"""TRC tables of markers, whole and damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.readers.trc import read_trc
from dyadwatch.core.skeletons.layouts import UPPER11

# OpenCap's and OpenPose's names, as OpenSim's tables have them
NAMES = {"head": "Head", "neck": "Neck", "pelvis": "midHip"} | {
    f"{s}_{j}": f"{s[0].upper()}{j.capitalize()}"
    for s in ("left", "right")
    for j in ("shoulder", "elbow", "wrist", "hip")
}


def trc_text(walkers: NDArray[np.float32]) -> str:
    """Two people as `Ann:` and `Bob:`, millimetres, Y up."""
    labels = [f"{who}:{NAMES[j]}" for who in ("Ann", "Bob") for j in UPPER11.joints]
    count, markers = len(walkers), len(labels)
    rows = [
        "\t".join([str(t + 1), f"{t / 60:.5f}", *(f"{v:.3f}" for v in walkers[t].ravel() * 1000)]) for t in range(count)
    ]
    return "\n".join([
        "PathFileType\t4\t(X/Y/Z)\ttake.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"60.00\t60.00\t{count}\t{markers}\tmm\t60.00\t1\t{count}",
        "Frame#\tTime\t" + "\t\t\t".join(labels) + "\t\t",
        "\t\t" + "\t".join(f"{a}{i}" for i in range(1, markers + 1) for a in "XYZ"),
        "",
        *rows,
    ]) + "\n"  # fmt: skip


@pytest.fixture
def file(tmp_path: Path, walkers: NDArray[np.float32]) -> Path:
    file = tmp_path / "take.trc"
    file.write_text(trc_text(walkers))
    return file


def test_markers_become_two_people_in_metres(file: Path, walkers: NDArray[np.float32]) -> None:
    people = read_trc(file, ReadOptions())
    assert [(p.name, p.fps) for p in people] == [("Ann", 60.0), ("Bob", 60.0)]
    assert people[0].layout.joints == tuple("mid_hip" if j == "pelvis" else j for j in UPPER11.joints)
    np.testing.assert_allclose(np.stack([p.joints for p in people], axis=1), walkers, atol=1e-5)


def test_what_is_declared_goes_before_what_the_file_says(file: Path, walkers: NDArray[np.float32]) -> None:
    ann, _ = read_trc(file, ReadOptions(units="0.0011", axes="z-up", fps=30))
    assert ann.fps == 30
    x, y, z = np.moveaxis(walkers[:, 0] * 1.1, -1, 0)
    np.testing.assert_allclose(ann.joints, np.stack([x, z, -y], axis=-1), atol=1e-5)


def test_an_empty_cell_is_unseen(file: Path) -> None:
    lines = file.read_text().splitlines()
    cells = lines[6].split("\t")
    cells[2:5] = ["", "", ""]
    lines[6] = "\t".join(cells[:-3])  # an editor stripped the last marker
    file.write_text("\n".join(lines))
    ann, bob = read_trc(file, ReadOptions())
    assert np.isnan(ann.joints[0, 0]).all()
    assert np.isnan(bob.joints[0, 10]).all()
    assert np.isfinite(ann.joints[0, 1:]).all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("PathFileType", "Type", "does not begin as a TRC file does (PathFileType, then four lines of header)"),
        ("Units", "Unit", "lines 2 and 3: no Units; expected names, then their values"),
        ("\tmm\t", "\tfurlongs\t", "units are 'furlongs'; expected m, cm, mm, in (or say them with --units)"),
        ("\tmm\t", "\tm\t", "spans 750 m with units 'm'; expected at most 3.5 m (mm sent as 'm'?"),
        ("\t22\t", "\t21\t", "line 4: names 22 markers; expected 21, as line 3 says"),
        ("\t22\t", "\t1e6\t", "line 3: 1e+06 markers; expected 1 to 5000"),
        ("\t20\t22", "\t21\t22", "20 frames; expected 21, as line 3 says (cut short?)"),
        ("\n2\t", "\n2\tx\t", "line 8: 67 coordinates; expected 66"),
        ("0.000\t1700", "0x0\t1700", "line 7: '0x0' found; expected a plain number"),
        ("0.000\t1700", "0,0\t1700", "expected a plain number (a decimal comma? numbers are read with a point)"),
        ("Bob:Head", "Ann:Head", "more than one marker 'Ann:Head'; expected each name once"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(file: Path, old: str, new: str, message: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ClipError) as e:
        read_trc(file, ReadOptions())
    assert str(e.value).startswith(str(file))
    assert message in str(e.value)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_never_anything_but_a_clip_error(
    tmp_path: Path, file: Path, damage: Callable[[st.DataObject, bytes], bytes], data: st.DataObject
) -> None:
    spoilt = tmp_path / "spoilt.trc"
    spoilt.write_bytes(damage(data, file.read_bytes()))
    try:
        people = read_trc(spoilt, ReadOptions())
    except ClipError:
        return
    assert 1 <= len(people) <= 2
