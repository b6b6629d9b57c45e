"""`dyadwatch calibrate-camera`: a camera file, in as many steps as there is patience for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layouts import MEDIAPIPE33
from dyadwatch.stream.publishers.camera.camera_calibration import (
    intrinsics_from_board,
    lean_from_people,
    scale_from_floor,
    scale_from_height,
)
from dyadwatch.stream.publishers.camera.camera_file import (
    CameraFile,
    Intrinsics,
    assumed_camera,
    check_camera,
    read_camera,
    write_camera,
)
from dyadwatch.stream.publishers.camera.estimate import Estimator, Image, SeenPose
from dyadwatch.stream.publishers.camera.floor_points import place_on_floor
from dyadwatch.stream.publishers.camera.mediapipe_pose import MediaPipeEstimator
from dyadwatch.stream.publishers.camera.pose_model import find_model
from dyadwatch.stream.publishers.camera.quiet import calm_stderr
from dyadwatch.stream.publishers.camera.video import Video
from dyadwatch.tools.outputs import check_output

_Several = Parameter(negative=())
_POOR_PX = 1.0  # floor points that fit no better do not fit the lens, or are in the wrong place


def calibrate_camera(
    out: Path,
    /,
    *,
    board: Path | None = None,
    board_kind: Literal["chessboard", "charuco"] = "chessboard",
    corners: str = "9x6",
    square: float = 0.025,
    lens: str | None = None,
    size: str | None = None,
    fov: float | None = None,
    floor: Annotated[tuple[str, ...], _Several] = (),
    refine_lens: Annotated[bool, Parameter(negative=())] = False,
    people_video: Path | None = None,
    height: float | None = None,
    seconds: float = 60.0,
    pose_model: str = "lite",
) -> None:
    """Make a camera file, or add to one: the lens, the place above the floor, the scale of people.

    Each step is optional and keeps what the file has already; see `dyadwatch docs camera`.

    Parameters
    ----------
    out
        The camera file (YAML) to make or add to.
    board
        Video of a chessboard or ChArUco board that is held before the camera in many ways: the lens.
    board_kind
        chessboard or charuco.
    corners
        Inner corners of a chessboard, or squares of a ChArUco board: columns x rows.
    square
        Side of a square, metres.
    lens
        The lens, where it is known: fx,fy,cx,cy in pixels of images of --size.
    size
        Size of the images, such as 1280x720.
    fov
        Horizontal field of view in degrees, where nothing better is known; stays marked as assumed.
    floor
        A point of the floor: where it is seen and where it is, x,y=right,ahead, such as 201,119=3,15 (pixels, metres);
        at least four times.
    refine_lens
        Find the focal length from the floor points, too: where the lens is only assumed, or they do not fit it.
    people_video
        Video of this camera with people in it: the scale, from feet on the floor or from --height.
    height
        How tall the one person in --people-video is, metres, with shoes.
    seconds
        How much of that video to look at.
    pose_model
        Pose model to look for people with.
    """
    points = _floor_points(floor) if floor else None
    if refine_lens and points is None:
        raise ConfigError("--refine-lens goes with --floor: the focal length is found from the floor points")
    if height is not None and people_video is None:
        raise ConfigError("--height goes with --people-video: a video of the person of that height")
    check_output("OUT", out)
    bundle = None if people_video is None else find_model(pose_model)
    console = Console(stderr=True)
    before = read_camera(out) if out.exists() else None
    file = _lens(before, out, board, board_kind, corners, square, lens, size, fov, console)
    if points is not None:
        file = _placed(file, *points, refine_lens, console)
    elif before is not None and before.extrinsics is not None and file.intrinsics != before.intrinsics:
        console.print("the camera's place was found with another lens; give the floor points again with --floor")
    if people_video is not None and bundle is not None:
        with Video(people_video) as film, calm_stderr(), closing(MediaPipeEstimator(bundle)) as estimator:
            sights = list(_sights(film, estimator, seconds))
        image_size = film.size
        if file.extrinsics is not None:
            file = msgspec.structs.replace(file, lean_deg=lean_from_people(file, image_size, sights, MEDIAPIPE33))
        if height is not None:
            scale, how = scale_from_height(sights, MEDIAPIPE33, height), f"a person of {height:g} m"
        else:
            scale, how = scale_from_floor(file, image_size, sights, MEDIAPIPE33), "feet on the floor"
        file = msgspec.structs.replace(file, scale=scale, scale_from=how)
        console.print(f"scale: {scale:.3f}, from {how}, seen {len(sights)} times; lean: {file.lean_deg:.0f} degrees")
    write_camera(out, file)
    console.print(f"wrote {escape(str(out))}")


def _lens(
    before: CameraFile | None,
    out: Path,
    board: Path | None,
    kind: str,
    corners: str,
    square: float,
    lens: str | None,
    size: str | None,
    fov: float | None,
    console: Console,
) -> CameraFile:
    """The file there is, with the lens that is asked for."""
    if board is not None:
        columns, rows = _pair(corners, "--corners", "9x6")
        with Video(board) as film:
            every = max(1, round(film.fps / 4))
            images: Iterator[Image] = (p.image for k, p in enumerate(film.pictures()) if k % every == 0)
            found, used = intrinsics_from_board(images, columns, rows, square, charuco=kind == "charuco")
        console.print(f"lens: {used} images of the board fit to {found.error_px} pixels")
    elif lens is not None:
        if size is None:
            raise ConfigError("--lens needs --size, the size of the images it is for, such as 1280x720")
        fx, fy, cx, cy = _numbers(lens, 4, "--lens", "fx,fy,cx,cy")
        found = Intrinsics(fx, fy, cx, cy, *_pair(size, "--size", "1280x720"))
    elif fov is not None:
        if size is None:
            raise ConfigError("--fov needs --size, the size of the images, such as 1280x720")
        found = assumed_camera(*_pair(size, "--size", "1280x720"), fov).intrinsics
    elif before is not None:
        return before
    else:
        raise ConfigError(f"{out} does not exist; expected a lens to begin with: --board, --lens or --fov")
    file = CameraFile(found) if before is None else msgspec.structs.replace(before, intrinsics=found)
    check_camera(out, file)  # before a film is looked at for a minute
    return file


def _placed(
    file: CameraFile, pixels: np.ndarray, metres: np.ndarray, refine_lens: bool, console: Console
) -> CameraFile:
    """The file with the camera's place; says how well the floor points fit, and what would make them fit better."""
    file = place_on_floor(file, pixels, metres, refine_lens=refine_lens)
    if refine_lens:
        console.print(f"lens: focal length {file.intrinsics.fx:.0f} pixels, from the floor points")
    assert file.extrinsics is not None, "just found"
    x, y, z = file.extrinsics.position
    error = file.extrinsics.error_px or 0.0
    console.print(f"place: {y:.2f} m above the floor at {x:.2f}, {-z:.2f}; floor points fit to {error:.1f} pixels")
    if not refine_lens and error > _POOR_PX:
        with suppress(ConfigError):
            other = place_on_floor(file, pixels, metres, refine_lens=True).intrinsics
            if other.error_px is not None and other.error_px < error / 4:
                console.print(
                    f"with a focal length of {other.fx:.0f} instead of {file.intrinsics.fx:.0f} pixels they would fit "
                    f"to {other.error_px:.1f}: if the lens is not from a board, add --refine-lens"
                )
    return file


def _sights(film: Video, estimator: Estimator, seconds: float) -> Iterator[SeenPose]:
    for picture in film.pictures():
        if picture.stamp > seconds * 1e9:
            return
        yield from estimator.people(picture.image, picture.stamp)


def _floor_points(points: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    read = []
    for text in points:
        seen, _, there = text.partition("=")
        read.append(
            [*_numbers(seen, 2, "--floor", "x,y=right,ahead"), *_numbers(there, 2, "--floor", "x,y=right,ahead")]
        )
    table = np.array(read)
    return table[:, :2], table[:, 2:]


def _numbers(text: str, n: int, flag: str, form: str) -> list[float]:
    try:
        values = [float(v) for v in text.split(",")]
    except ValueError:
        values = []
    if len(values) != n or not np.isfinite(values).all():
        raise ConfigError(f"{flag} is {text!r:.80}; expected {form}")
    return values


def _pair(text: str, flag: str, form: str) -> tuple[int, int]:
    a, _, b = text.partition("x")
    if not (a.isdigit() and b.isdigit() and 1 <= int(a) <= 65536 and 1 <= int(b) <= 65536):
        raise ConfigError(f"{flag} is {text!r:.80}; expected something like {form}")
    return int(a), int(b)
