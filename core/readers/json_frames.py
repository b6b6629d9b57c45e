"""Folders of JSON files, one a frame, as OpenPose and scripts around MediaPipe write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.files.text_files import read_utf8
from dyadwatch.core.readers.association import follow
from dyadwatch.core.readers.mediapipe import MEDIAPIPE, parse_mediapipe
from dyadwatch.core.readers.openpose import openpose_layout, parse_openpose
from dyadwatch.core.readers.people_files import Person, plain_people
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.skeletons.layouts import MEDIAPIPE33
from dyadwatch.core.skeletons.unseen import blank_zeros

_MOST_FILES = 500_000
_MOST_BYTES = 4_000_000
_NUMBERS = re.compile(r"\d+")


def frame_number(name: str) -> int | None:
    """The last number in a file's name; None without one."""
    found = _NUMBERS.findall(name)
    return int(found[-1]) if found and len(found[-1]) <= 15 else None


def frame_files(folder: Path) -> list[tuple[int, Path]]:
    """The JSON files of a folder whose names have a frame number, in its order.

    Raises:
        ClipError: when two files have one number, or numbers leave more gaps than there are files.
    """
    found = sorted((n, p) for p in folder.glob("*.json") if (n := frame_number(p.name)) is not None)
    for (n, first), (m, second) in pairwise(found):
        if n == m:
            raise ClipError(f"{folder}: {first.name} and {second.name} are both frame {n}; expected one file a frame")
    if found and not len(found) <= found[-1][0] - found[0][0] + 1 <= min(10 * len(found) + 1000, _MOST_FILES):
        raise ClipError(
            f"{folder}: {len(found)} files are numbered {found[0][0]} to {found[-1][0]}; expected a file a frame"
        )
    return found


def read_json_frames(folder: Path, declared: ReadOptions) -> list[Person]:
    """The people of a folder of frames. Frames without a file are frames without people.

    OpenPose tells neither units nor rate; MediaPipe's are metres, Y down. Both are in the camera's frame, Y down.

    Raises:
        ClipError: naming the file, what was found and what was expected; for 2D poses, and for 3D poses each of which
            has an origin of its own, why they cannot be used.
        ConfigError: when the declared marker map is unusable.
    """
    files = frame_files(folder)
    if not files:
        raise ClipError(f"{folder}: no JSON file with a frame number in its name")
    fps = declared.rate(folder, None)
    first = files[0][0]
    frames: list[NDArray[np.float64]] = []
    zeros: dict[str, None] = {}
    parse: Callable[[Path, bytes], NDArray[np.float64]] | None = None
    for number, path in files:
        data = read_utf8(path, "one frame as JSON", _MOST_BYTES)
        if parse is None:
            parse = parse_mediapipe if MEDIAPIPE.search(data) else parse_openpose
        found = parse(path, data)
        zeros |= dict.fromkeys(blank_zeros(found))
        frames += [found[:0]] * (number - first - len(frames))
        frames.append(found)
    joints = max((f.shape[1] for f in frames if len(f)), default=0)
    odd = next((p for (n, p) in files if len(frames[n - first]) and frames[n - first].shape[1] != joints), None)
    if odd is not None or not joints:
        raise ClipError(
            f"{odd}: has another number of joints than other frames; expected the same"
            if odd
            else f"{folder}: {len(files)} frames without a person; expected two people"
        )
    media = parse is parse_mediapipe
    layout = MEDIAPIPE33 if media else openpose_layout(joints)
    metres = [declared.metres(folder, f, "m" if media else None, "y-down") for f in frames]
    followed = follow([m for m, _ in metres], joints, fps)
    named = {str(i + 1): track for i, track in enumerate(followed.tracks)}
    people = plain_people(folder, named, layout, fps, metres[0][1], declared)
    return [p.timed(p.begins_s, (*zeros, *followed.notes)) for p in people]
