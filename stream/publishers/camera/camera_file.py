"""The camera file: what a camera's lens and place are, so that pixels become metres."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files import plain_yaml
from dyadwatch.core.files.atomic import write_atomically
from dyadwatch.core.files.plain_yaml import PlainYamlError

_Positive = Annotated[float, Meta(gt=0)]
_Pixels = Annotated[int, Meta(ge=16, le=65536)]
_Row = tuple[float, float, float]


class Intrinsics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lens: focal lengths and centre in pixels of an image of `width` x `height`, and OpenCV's distortion.

    Arguments:
        fx, fy, cx, cy: pixels.
        width, height: of the images they were found in; other sizes of the same shape are scaled.
        distortion: k1, k2, p1, p2, k3 or fewer of them.
        assumed: they come from a guessed field of view; every distance is then as wrong as the guess.
        error_px: how well a calibration fitted, root mean square.
    """

    fx: _Positive
    fy: _Positive
    cx: float
    cy: float
    width: _Pixels
    height: _Pixels
    distortion: Annotated[tuple[float, ...], Meta(max_length=5)] = ()
    assumed: bool = False
    error_px: float | None = None


class Extrinsics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the camera is in a world whose floor is y = 0 and whose Y is up, right-handed.

    Arguments:
        rotation: rows of the matrix that turns camera axes (x right, y down, z away) into the world's.
        position: of the camera, metres.
        error_px: how well the floor points fitted, root mean square.
    """

    rotation: tuple[_Row, _Row, _Row]
    position: _Row
    error_px: float | None = None


class CameraFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One camera.

    Arguments:
        intrinsics: the lens.
        extrinsics: its place; without it the camera is taken to look level, and is the origin itself.
        scale: a person's metres for one metre of the estimator, the same for everyone this camera sees.
        scale_from: how the scale was found; empty while nobody has looked.
        lean_deg: by how much the estimator sees upright people lean away from this camera.
    """

    intrinsics: Intrinsics
    extrinsics: Extrinsics | None = None
    scale: Annotated[float, Meta(gt=0.2, lt=5)] = 1.0
    scale_from: str = ""
    lean_deg: Annotated[float, Meta(gt=-60, lt=60)] = 0.0


def assumed_camera(width: int, height: int, fov_deg: float) -> CameraFile:
    """A camera of which nothing is known but the size of its images.

    Arguments:
        width, height: pixels.
        fov_deg: guessed horizontal field of view, 10 to 170 degrees.

    Raises:
        ConfigError: for a field of view that no camera of this kind has.
    """
    if not 10 <= fov_deg <= 170:
        raise ConfigError(f"fov is {fov_deg:g}; expected 10 to 170 degrees")
    f = width / 2 / math.tan(math.radians(fov_deg) / 2)
    return CameraFile(Intrinsics(f, f, width / 2, height / 2, width, height, assumed=True))


def read_camera(path: Path) -> CameraFile:
    """Reads a camera file.

    Raises:
        ConfigError: naming the file, the key and what was expected.
    """
    try:
        tree = plain_yaml.load(path)
    except OSError as e:
        raise ConfigError(f"{path} cannot be read ({e.strerror}); expected a camera file (YAML)") from None
    except PlainYamlError as e:
        raise ConfigError(_no_camera(path, str(e))) from None
    try:
        return _checked(tree.value)
    except msgspec.ValidationError as e:
        raise ConfigError(_no_camera(path, f"line {plain_yaml.line_of(tree.root, str(e))}: {e}")) from None
    except ValueError as e:
        raise ConfigError(_no_camera(path, str(e))) from None


def _no_camera(path: Path, problem: str) -> str:
    return (
        f"{path} is no camera file: {problem}; mend it, or delete it or choose another name and make one with: "
        "dyadwatch calibrate-camera"
    )


def write_camera(path: Path, camera: CameraFile) -> None:
    """Writes a camera file that `read_camera` reads as it was; after an error the old one is as it was.

    Raises:
        ConfigError: when it cannot be written, or would not be read.
    """
    check_camera(path, camera)
    try:
        write_atomically(path, plain_yaml.dump(camera))
    except OSError as e:
        raise ConfigError(f"{path} cannot be written ({e.strerror})") from None


def check_camera(path: Path, camera: CameraFile) -> None:
    """That a camera may be written to `path`.

    Raises:
        ConfigError: naming the key and what was expected, for a number that no camera has.
    """
    try:
        _checked(msgspec.to_builtins(camera))
    except ValueError as e:
        raise ConfigError(f"{path} is not written: {e}") from None


def _checked(values: object) -> CameraFile:
    """The camera that plain values describe; msgspec checks the ranges here, and not when a struct is made.

    Raises:
        ValueError: naming the key and what was expected.
    """
    camera = msgspec.convert(values, CameraFile)
    for key, number in _numbers("", msgspec.to_builtins(camera)):
        if not math.isfinite(number):
            raise ValueError(f"{key} is {number}; expected a finite number")
    if camera.extrinsics is not None and not _is_rotation(camera.extrinsics.rotation):
        raise ValueError("extrinsics.rotation is no rotation; expected perpendicular rows of length 1")
    return camera


def _numbers(key: str, value: object) -> Iterator[tuple[str, float]]:
    """All numbers of nested plain values, each with its key."""
    if isinstance(value, dict):
        for name, part in cast("dict[object, object]", value).items():
            yield from _numbers(f"{key}.{name}" if key else str(name), part)
    elif isinstance(value, list | tuple):
        for part in cast("Sequence[object]", value):
            yield from _numbers(key, part)
    elif isinstance(value, float):
        yield key, value


def _is_rotation(m: tuple[_Row, _Row, _Row]) -> bool:
    (a, b, c), (d, e, f), (g, h, i) = m
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    lengths = [sum(v * v for v in row) for row in m]
    across = [sum(v * w for v, w in zip(m[j], m[k], strict=True)) for j, k in ((0, 1), (0, 2), (1, 2))]
    off = [*(v - 1 for v in lengths), *across, determinant - 1]
    return all(abs(v) < 1e-3 for v in off)
