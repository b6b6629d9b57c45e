"""C3D: named markers of an optical system, one person or several by what stands before the ':' of a label.

Read here and not by a library, because one flipped byte makes ezc3d ask for more memory than there is. The tests hold
both against each other.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.files.text_files import read_bytes
from dyadwatch.core.readers.people_files import Person, people_of_markers
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.skeletons.unseen import filled_joints

_BLOCK = 512
_MAGIC = 0x50
_INTEL, _DEC, _MIPS = 84, 85, 86
_SIZES = {-1: 1, 1: 1, 2: 2, 4: 4}
_MOST_POINTS = 5000
_MOST_PARAMETER_BYTES = 256 * _BLOCK  # as many as the format can count
_MOST_PARAMETERS = 5000
_PIECE_VALUES = 1 << 20  # read at once: numbers take more room as they are turned into places
_WANTED = re.compile(r"LABELS\d*|UNITS|RATE|Y_SCREEN|LONG_FRAMES|ACTUAL_(?:START|END)_FIELD")
_ASSUMED = "no POINT:Y_SCREEN says which way is up: z-up is assumed; if that is wrong, say y-up or y-down with --axes"
_AXES = {"+Y": "y-up", "+Z": "z-up", "-Y": "y-down"}


@dataclass(frozen=True)
class Points:
    """The markers of a C3D file.

    Arguments:
        labels: M names; empty where the file names fewer than it holds.
        positions: the file's units and axes, shape (T, M, 3); NaN where unseen.
        fps: frames per second.
        units: as the file says; empty where it does not.
        up: the axis that points up, such as `+Z`; empty where the file does not say.
    """

    labels: list[str]
    positions: NDArray[np.float32]
    fps: float
    units: str
    up: str


class _Bytes:
    """Numbers at places of a file, in the byte order and number format of the computer that wrote it."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path, self.data = path, data
        if len(data) < 2 * _BLOCK or data[1] != _MAGIC:
            raise ClipError(f"{path}: does not begin as a C3D file does, or is cut short")
        self.parameters = (data[0] - 1) * _BLOCK
        if not 0 < self.parameters <= len(data) - 4:
            raise self.cut("the parameters")
        self.processor = data[self.parameters + 3]
        if self.processor not in (_INTEL, _DEC, _MIPS):
            raise ClipError(f"{path}: processor type {self.processor}; expected 84 (Intel), 85 (DEC) or 86 (MIPS)")
        self.order = ">" if self.processor == _MIPS else "<"
        self.parameters_end = min(len(data), self.parameters + _MOST_PARAMETER_BYTES)

    def cut(self, what: str) -> ClipError:
        return ClipError(f"{self.path}: {what} lie beyond its {len(self.data)} bytes; it is cut short or damaged")

    def word(self, at: int) -> int:
        """An unsigned word of 16 bits."""
        return int(struct.unpack_from(f"{self.order}H", self.data, at)[0])

    def floats(self, at: int, count: int) -> NDArray[np.float64]:
        raw = self.data[at : at + 4 * count]
        if len(raw) < 4 * count:
            raise self.cut(f"{count} numbers at byte {at}")
        if self.processor == _DEC:  # VAX floats: words swapped, exponent two higher
            words = np.frombuffer(raw, "<u2").reshape(-1, 2)[:, ::-1]
            return words.copy().view("<f4").ravel().astype(np.float64) / 4
        return np.frombuffer(raw, f"{self.order}f4").astype(np.float64)

    def integers(self, at: int, count: int) -> NDArray[np.float64]:
        raw = self.data[at : at + 2 * count]
        if len(raw) < 2 * count:
            raise self.cut(f"{count} numbers at byte {at}")
        return np.frombuffer(raw, f"{self.order}i2").astype(np.float64)


def _parameters(file: _Bytes) -> dict[str, list[str] | NDArray[np.float64]]:
    """The parameters that are needed here, by `GROUP:NAME`: texts or numbers."""
    groups: dict[int, str] = {}
    found: dict[tuple[int, str], list[str] | NDArray[np.float64]] = {}
    at = file.parameters + 4
    for _ in range(_MOST_PARAMETERS):
        if at + 4 > file.parameters_end:
            break
        length, group = struct.unpack_from("bb", file.data, at)
        length = abs(length)  # locked ones are negative
        after = at + 2 + length
        if length == 0 or group == 0 or after + 2 > file.parameters_end:
            break
        name = file.data[at + 2 : after].decode("latin1").upper()
        step = file.word(after)
        if group < 0:
            groups[-group] = name
        elif _WANTED.fullmatch(name):
            found[group, name] = _values(file, name, after + 2)
        if step == 0:
            break
        at = after + step
    return {f"{groups[g]}:{name}": value for (g, name), value in found.items() if g in groups}


def _values(file: _Bytes, name: str, at: int) -> list[str] | NDArray[np.float64]:
    if at + 2 > file.parameters_end:
        raise file.cut(f"the values of {name}")
    kind, rank = struct.unpack_from("bB", file.data, at)
    if kind not in _SIZES or rank > 7 or at + 2 + rank > file.parameters_end:
        raise ClipError(f"{file.path}: parameter {name[:40]!r} is of an unknown type; the file is damaged")
    shape = list(file.data[at + 2 : at + 2 + rank])
    count = int(np.prod(shape, dtype=np.int64))
    start = at + 2 + rank
    if start + count * _SIZES[kind] > file.parameters_end:
        raise file.cut(f"the values of {name[:40]}")
    if kind == 4:
        return file.floats(start, count)
    if kind == 2:
        return file.integers(start, count)
    raw = file.data[start : start + count]
    if kind == 1:
        return np.frombuffer(raw, np.uint8).astype(np.float64)
    width = shape[0] if shape else 1
    return [raw[i : i + width].decode("latin1").strip(" \0") for i in range(0, count, max(width, 1))]


def _first(values: list[str] | NDArray[np.float64] | None) -> float | None:
    if values is None or isinstance(values, list) or not len(values):
        return None
    return float(values[0])


def _frames(file: _Bytes, parameters: dict[str, list[str] | NDArray[np.float64]]) -> int:
    """How many frames there are; the header counts to 65535, longer recordings say it in one of two parameters."""
    first, last = parameters.get("TRIAL:ACTUAL_START_FIELD"), parameters.get("TRIAL:ACTUAL_END_FIELD")
    ends: list[int] = []
    for field in (first, last):
        if field is not None and not isinstance(field, list) and len(field) >= 2:
            low, high = (int(v) & 0xFFFF for v in field[:2])
            ends.append(low + (high << 16))
    if len(ends) == 2:
        return ends[1] - ends[0] + 1
    long = _first(parameters.get("POINT:LONG_FRAMES"))
    return int(long) if long and abs(long) < 1e9 else file.word(8) - file.word(6) + 1


def read_points(path: Path) -> Points:
    """Parses a C3D file of any of the three processor types, with whole or floating-point numbers.

    Raises:
        ClipError: naming the file and what is wrong.
    """
    file = _Bytes(path, read_bytes(path, "a C3D file"))
    parameters = _parameters(file)
    points, analog = file.word(2), file.word(4)
    scale, rate = file.floats(12, 1)[0], file.floats(20, 1)[0]
    frames = _frames(file, parameters)
    if not 0 < points <= _MOST_POINTS:
        raise ClipError(f"{path}: {points} markers; expected 1 to {_MOST_POINTS}")
    if frames < 1 or not np.isfinite(scale) or scale == 0:
        raise ClipError(f"{path}: {frames} frames at scale {scale:g}; expected at least 1, and a scale; it is damaged")
    width = 4 * points + analog
    start = (file.word(16) - 1) * _BLOCK
    if start < _BLOCK:
        raise ClipError(f"{path}: data begin in block {file.word(16)}; expected one after the header")
    whole = scale > 0
    held = (len(file.data) - start) // (width * (2 if whole else 4))
    if held < frames:
        raise ClipError(f"{path}: {max(held, 0)} frames of {points} markers; expected {frames}: it is cut short")
    positions = np.empty((frames, points, 3), np.float32)
    rows = max(_PIECE_VALUES // width, 1)
    for first in range(0, frames, rows):
        count = min(rows, frames - first)
        values = (file.integers if whole else file.floats)(
            start + first * width * (2 if whole else 4), count * width
        ).reshape(count, width)  # fmt: skip
        positions[first : first + count] = _seen(values[:, : 4 * points].reshape(count, points, 4), scale)
    labels: list[str] = []
    for key in ("POINT:LABELS", *(f"POINT:LABELS{i}" for i in range(2, 20))):
        more = parameters.get(key)
        labels += more if isinstance(more, list) else []
    labels = (labels + [""] * points)[:points]
    units, up = parameters.get("POINT:UNITS"), parameters.get("POINT:Y_SCREEN")
    rate = _first(parameters.get("POINT:RATE")) or float(rate)
    return Points(
        labels,
        positions,
        rate,
        units[0] if isinstance(units, list) and units else "",
        up[0].upper() if isinstance(up, list) and up else "",
    )


def _seen(values: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Places (T, M, 3) of markers with residuals (T, M, 4), NaN where unseen; whole numbers have a positive scale."""
    with np.errstate(invalid="ignore", over="ignore"):
        positions = values[..., :3] * (scale if scale > 0 else 1.0)
        # a negative residual says unseen, and so do three zeros in files whose writer knows no residuals
        unseen = ~(values[..., 3] >= 0) | ~(np.abs(positions) < 1e9).all(axis=-1) | filled_joints(positions)
    positions[unseen] = np.nan
    return positions


def read_c3d(path: Path, declared: ReadOptions) -> list[Person]:
    """The people of a C3D file; units and rate as it says, Z up unless it says otherwise with POINT:Y_SCREEN.

    Raises:
        ClipError: naming the file, what was found and what was expected.
        ConfigError: when the declared marker map is unusable.
    """
    points = read_points(path)
    named = [i for i, label in enumerate(points.labels) if label]
    up = _AXES.get(points.up, "z-up" if not points.up else None)
    positions, units = declared.metres(path, points.positions[:, named], points.units or None, up)
    labels = [points.labels[i] for i in named]
    people = people_of_markers(path, labels, positions, declared.rate(path, points.fps), units, declared)
    assumed = declared.axes is None and not points.up
    return [replace(person, notes=(_ASSUMED,)) for person in people] if assumed else people
