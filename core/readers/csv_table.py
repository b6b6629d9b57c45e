"""Tables of text: one row a frame and person, or one row a frame with a joint's x y z in each cell.

The first kind has a header of its own, and comments before it that declare the rest:

    # units: m
    # axes: y-up
    # fps: 30
    frame,person,head_x,head_y,head_z,neck_x,neck_y,neck_z,...
    0,ann,0.1,1.7,2.0,0.1,1.5,2.0,...
    0,bob,...

`time` in seconds may stand in the place of `frame`; then no rate is needed. An empty cell is unseen. The second kind
is what Kinect recorders write: names of joints in the header, a person a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError, LayoutError
from dyadwatch.core.layouts import find_layout
from dyadwatch.core.readers.dataset import cells, number, read_text
from dyadwatch.core.readers.declared import Declared
from dyadwatch.core.readers.people import Person, people_of_markers, plain_people
from dyadwatch.core.skeleton import Layout

_HEADER = "a header 'frame,person,head_x,head_y,head_z,...' (or time in seconds for frame)"
_MOST_PEOPLE = 100
_MOST_FRAMES = 2_000_000
_MOST_JOINTS = 500
_MOST_VALUES = 300_000_000  # coordinates of all people, frames and joints: 1.2 GB
_KEYS = ("units", "axes", "fps")


def read_csv(path: Path, declared: Declared) -> list[Person]:
    """The people of a table; metres, Y up unless the file or the user declares otherwise.

    Raises:
        ClipError: naming file and line, what was found and what was expected.
        ConfigError: when the declared marker map is unusable.
    """
    said: dict[str, str] = {}
    lines = enumerate(read_text(path).lstrip("\ufeff").splitlines(), 1)
    head = ""
    for _, line in lines:
        if line.startswith("#"):
            key, _, value = line[1:].partition(":")
            if key.strip().lower() in _KEYS and value.strip():
                said[key.strip().lower()] = value.strip()
        elif line.strip():
            head = line
            break
    divider = max(",;\t", key=head.count)
    names = [n.strip().strip('"') for n in head.split(divider)]
    rows = [(i, line.split(divider)) for i, line in lines if line.strip()]
    if len(names) < 2 or not rows:
        raise ClipError(f"{path}: {len(rows)} rows below {head!r:.60}; expected {_HEADER} and rows below it")
    if [n.lower() for n in names[:2]] in (["frame", "person"], ["time", "person"]):
        return _long(path, names, rows, said, declared)
    cell = rows[0][1][0].split()
    if len(cell) == 3:
        return _wide(path, names, rows, said, declared)
    raise ClipError(f"{path}: the header is {head!r:.60}; expected {_HEADER}, or a joint's x y z in each cell")


def _rate(said: dict[str, str], path: Path) -> float | None:
    return number(said["fps"], f"{path}, fps") if "fps" in said else None


def _long(
    path: Path, names: list[str], rows: Sequence[tuple[int, list[str]]], said: dict[str, str], declared: Declared
) -> list[Person]:
    columns = names[2:]
    bases = [c[:-2] for c in columns[::3]]
    if not bases or len(bases) > _MOST_JOINTS or columns != [f"{b}_{axis}" for b in bases for axis in "xyz"]:
        odd = next((c for c, e in zip(columns, (f"{b}_{a}" for b in bases for a in "xyz"), strict=False) if c != e), "")
        raise ClipError(f"{path}: the header has {len(columns)} coordinates{f', such as {odd!r:.40}' if odd else ''}; "
                        "expected name_x, name_y, name_z of each joint in turn")  # fmt: skip
    try:
        layout = Layout.custom(bases)
    except LayoutError as e:
        raise ClipError(f"{path}: {e}") from None
    layout = find_layout(layout.joints)
    people: dict[str, int] = {}
    when, who = np.empty(len(rows)), np.empty(len(rows), np.intp)
    values = np.empty((len(rows), len(columns)))
    for r, (i, row) in enumerate(rows):
        where = f"{path}, line {i}"
        if len(row) != len(names):
            raise ClipError(f"{where}: {len(row)} cells; expected {len(names)}, as in the header")
        when[r] = number(row[0], where)
        who[r] = people.setdefault(row[1].strip(), len(people))
        values[r] = cells(row[2:], where)
        if len(people) > _MOST_PEOPLE:
            raise ClipError(f"{where}: more than {_MOST_PEOPLE} people; expected a few")
    steps, fps = _steps(path, names[0].lower(), when, _rate(said, path), declared)
    count = int(steps.max()) + 1
    if count * len(people) * len(columns) > _MOST_VALUES:
        raise ClipError(f"{path}: {count} frames of {len(people)} people and {len(bases)} joints; too many to hold")
    joints = np.full((len(people), count, len(columns)), np.nan)
    if len(np.unique(who * count + steps)) < len(rows):
        raise ClipError(f"{path}: the same person twice in a frame; expected one row a frame and person")
    joints[who, steps] = values
    metres, units = declared.metres(
        path, joints.reshape(len(people), count, -1, 3), said.get("units", "m"), said.get("axes", "y-up")
    )
    return plain_people(path, dict(zip(people, metres, strict=True)), layout, fps, units, declared)


def _steps(
    path: Path, kind: str, when: NDArray[np.float64], rate: float | None, declared: Declared
) -> tuple[NDArray[np.intp], float]:
    """Frame of each row, from 0, and frames per second."""
    times = np.unique(when)
    if kind == "time":
        if rate is None and declared.fps is None:
            if len(times) < 2:
                raise ClipError(f"{path}: one time only; expected a row for every frame")
            rate = float(np.round(1 / np.median(np.diff(times)), 2))
        fps = declared.rate(path, rate)
        steps = np.round((when - times[0]) * fps)
    else:
        fps = declared.rate(path, rate)
        if (when != np.round(when)).any():
            raise ClipError(f"{path}: frames such as {when[when != np.round(when)][0]:g}; expected whole numbers")
        steps = when - times[0]
    if steps.max() >= _MOST_FRAMES:
        raise ClipError(f"{path}: {steps.max() + 1:g} frames from first to last; expected at most {_MOST_FRAMES}")
    return steps.astype(np.intp), fps


def _wide(
    path: Path, names: list[str], rows: Sequence[tuple[int, list[str]]], said: dict[str, str], declared: Declared
) -> list[Person]:
    if len(names) > _MOST_JOINTS:
        raise ClipError(f"{path}: {len(names)} joints; expected at most {_MOST_JOINTS}")
    values = np.empty((len(rows), len(names), 3))
    for r, (i, row) in enumerate(rows):
        where = f"{path}, line {i}"
        if len(row) < len(names):
            raise ClipError(f"{where}: {len(row)} cells; expected x y z of {len(names)} joints")
        for j, cell in enumerate(row[: len(names)]):  # recorders append a label
            words = cell.split()
            if len(words) != 3:
                raise ClipError(f"{where}: {cell.strip()!r:.40} for {names[j]!r:.40}; expected x y z")
            values[r, j] = [number(w, where) for w in words]
    metres, units = declared.metres(path, values, said.get("units", "m"), said.get("axes", "y-up"))
    return people_of_markers(path, names, metres, declared.rate(path, _rate(said, path)), units, declared)
