"""A camera file comes back as it was written, and a bad one is told."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from msgspec import structs

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.publishers.camera.camera_file import (
    CameraFile,
    Extrinsics,
    Intrinsics,
    assumed_camera,
    read_camera,
    write_camera,
)


def test_what_is_written_is_read(tmp_path: Path, high_camera: CameraFile) -> None:
    write_camera(tmp_path / "c.yaml", high_camera)
    assert read_camera(tmp_path / "c.yaml") == high_camera


def test_an_assumed_field_of_view_says_so() -> None:
    camera = assumed_camera(1000, 500, 90)
    assert camera.intrinsics.assumed
    assert camera.intrinsics.fx == pytest.approx(500)
    with pytest.raises(ConfigError, match="fov is 5; expected 10 to 170 degrees"):
        assumed_camera(1000, 500, 5)


LENS = "intrinsics: {fx: 900, fy: 900, cx: 640, cy: 360, width: 1280, height: 720}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no camera file: .*; mend it, or delete it or choose another name and make one with: dyadwatch calib"),
        ("intrinsics: {fx: -1, fy: 9, cx: 6, cy: 3, width: 1280, height: 720}", r"Expected `float` > 0.0 - at `\$"),
        (LENS + "scale: .inf\n", "is no camera file: .*scale"),
        (LENS + "colour: red\n", "unknown field `colour`"),
        (
            LENS + "extrinsics: {rotation: [[1, 0, 0], [0, 1, 0], [0, 0, -1]], position: [0, 2, 0]}\n",
            "extrinsics.rotation is no rotation; expected perpendicular rows of length 1",
        ),
        ("a: [", "is no camera file"),
    ],
)
def test_a_bad_file_is_told(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as e:
        read_camera(path)
    assert "bad.yaml" in str(e.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"scale": 7.0}, r"Expected `float` < 5\.0 - at `\$\.scale`"),
        ({"scale": math.nan}, r"at `\$\.scale`"),
        ({"lean_deg": math.inf}, r"at `\$\.lean_deg`"),
        ({"intrinsics": Intrinsics(-5, 5, 1, 1, 64, 48)}, r"Expected `float` > 0\.0 - at `\$\.intrinsics\.fx`"),
        ({"intrinsics": Intrinsics(5, 5, 1, 1, 8, 8)}, r"Expected `int` >= 16 - at `\$\.intrinsics\.width`"),
        ({"intrinsics": Intrinsics(5, 5, math.nan, 1, 64, 48)}, "intrinsics.cx is nan; expected a finite number"),
        ({"extrinsics": Extrinsics(((1, 0, 0), (0, 1, 0), (0, 0, -1)), (0, 2, 0))}, "rotation is no rotation"),
    ],
)
def test_what_would_not_be_read_is_not_written(
    tmp_path: Path, high_camera: CameraFile, change: dict[str, object], says: str
) -> None:
    path = tmp_path / "c.yaml"
    with pytest.raises(ConfigError, match=rf"c\.yaml is not written: .*{says}"):
        write_camera(path, structs.replace(high_camera, **change))
    assert not path.exists()
    write_camera(path, high_camera)
    with pytest.raises(ConfigError, match="is not written"):
        write_camera(path, structs.replace(high_camera, **change))
    assert read_camera(path) == high_camera
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read \(No such file"):
        read_camera(tmp_path / "none.yaml")
