"""Clips of two people as C3D files: every joint a point, labelled `person:joint`. No library is needed to write one."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.errors import RecordingError
from dyadwatch.core.files.atomic import write_atomically

_BLOCK = 512
_INTEL = 84
_MOST_FRAMES = 65535
_LONGEST_LABEL = 255


def write_c3d(path: Path, clip: Clip, people: tuple[str, str]) -> None:
    """Writes a clip in metres, Y up (POINT:Y_SCREEN), floating point, Intel byte order.

    Arguments:
        path: of the file.
        clip: at most 65535 frames.
        people: their names, for the labels.

    Raises:
        RecordingError: when the clip is too long, or has more joints or longer names than the format allows.
    """
    frames, points = len(clip), 2 * len(clip.layout)
    if frames > _MOST_FRAMES or points > 255:
        raise RecordingError(f"{path}: {frames} frames of {points} points; C3D takes {_MOST_FRAMES} of 255")
    labels = [f"{person}:{joint}" for person in people for joint in clip.layout.joints]
    longest = max(labels, key=len)
    if len(longest) > _LONGEST_LABEL:
        raise RecordingError(
            f"{path}: the label {longest!r:.60} has {len(longest)} characters; C3D takes {_LONGEST_LABEL}"
        )
    parameters = _parameters(labels, frames, clip.fps)
    blocks = -(-len(parameters) // _BLOCK)
    start = 2 + blocks
    data = np.zeros((frames, points, 4), "<f4")
    positions = clip.joints.reshape(frames, points, 3)
    unseen = np.asarray(np.isnan(positions).any(axis=-1))
    data[..., :3] = np.where(unseen[..., None], 0, positions)
    data[..., 3] = np.where(unseen, -1, 0)
    body = data.tobytes()
    body += bytes(-len(body) % _BLOCK)
    filled = bytearray(parameters.ljust(blocks * _BLOCK, b"\0"))
    filled[:4] = struct.pack("<BBBB", 1, 0x50, blocks, _INTEL)
    write_atomically(path, _header(points, frames, start, clip.fps) + bytes(filled) + body)


def _header(points: int, frames: int, start: int, fps: float) -> bytes:
    head = struct.pack("<BBHHHHHfHHf", 2, 0x50, points, 0, 1, frames, 10, -1.0, start, 0, fps)
    return head.ljust(_BLOCK, b"\0")


def _parameters(labels: list[str], frames: int, fps: float) -> bytes:
    """The parameter section: groups POINT and TRIAL; the first four bytes are filled in later."""
    width = max(map(len, (label.encode("latin1", "replace") for label in labels)))
    text = b"".join(label.encode("latin1", "replace").ljust(width) for label in labels)
    ends = struct.pack("<HH", frames, 0)
    items = [
        _group(1, "POINT"),
        _parameter(1, "USED", 2, (), struct.pack("<H", len(labels))),
        _parameter(1, "FRAMES", 2, (), struct.pack("<H", frames)),
        _parameter(1, "SCALE", 4, (), struct.pack("<f", -1.0)),
        _parameter(1, "RATE", 4, (), struct.pack("<f", fps)),
        _parameter(1, "DATA_START", 2, (), struct.pack("<H", 0)),
        _parameter(1, "UNITS", -1, (1,), b"m"),
        _parameter(1, "X_SCREEN", -1, (2,), b"+X"),
        _parameter(1, "Y_SCREEN", -1, (2,), b"+Y"),
        _parameter(1, "LABELS", -1, (width, len(labels)), text),
        _group(2, "ANALOG"),
        _parameter(2, "USED", 2, (), struct.pack("<H", 0)),
        _group(3, "TRIAL"),
        _parameter(3, "ACTUAL_START_FIELD", 2, (2,), struct.pack("<HH", 1, 0)),
        _parameter(3, "ACTUAL_END_FIELD", 2, (2,), ends),
    ]
    section = bytes(4) + b"".join(items) + b"\0\0"
    blocks = -(-len(section) // _BLOCK)
    # DATA_START comes out of the length of what it stands in.
    return section.replace(_DATA_START, _parameter(1, "DATA_START", 2, (), struct.pack("<H", 2 + blocks)))


def _group(number: int, name: str) -> bytes:
    return struct.pack("<bb", len(name), -number) + name.encode() + struct.pack("<HB", 3, 0)


def _parameter(group: int, name: str, kind: int, shape: tuple[int, ...], data: bytes) -> bytes:
    values = struct.pack("<bB", kind, len(shape)) + bytes(shape) + data + b"\0"
    return struct.pack("<bb", len(name), group) + name.encode() + struct.pack("<H", len(values) + 2) + values


_DATA_START = _parameter(1, "DATA_START", 2, (), struct.pack("<H", 0))
