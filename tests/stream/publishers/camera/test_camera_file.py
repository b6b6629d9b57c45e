"""A camera file comes back as it was written, and a bad one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.publishers.camera.camera_file import CameraFile, assumed_camera, read_camera, write_camera


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
        ("", "is no camera file"),
        ("intrinsics: {fx: -1, fy: 9, cx: 6, cy: 3, width: 1280, height: 720}", r"Expected `float` > 0.0 - at `\$"),
        (LENS + "scale: .inf\n", "is no camera file|not finite"),
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


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read \(No such file"):
        read_camera(tmp_path / "none.yaml")
