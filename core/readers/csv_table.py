"""Tables of text: one row a frame and person, or one row a frame with a joint's x y z in each cell.

The first kind has a header of its own, and comments before it that declare the rest:

    # units: m
    # axes: y-up
    # fps: 30
    frame,person,head_x,head_y,head_z,neck_x,neck_y,neck_z,...
    0,ann,0.1,1.7,2.0,0.1,1.5,2.0,...
    0,bob,...

`time` in seconds may stand in the place of `frame`; then no rate is needed, and a row lies at the frame nearest to it.
An empty cell is unseen. The second kind is what Kinect recorders write: names of joints in the header, a person a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError, LayoutError
from dyadwatch.core.files.text_files import cells, number, read_lines
from dyadwatch.core.readers.association import join_sightings
from dyadwatch.core.readers.exchanged import put_right
from dyadwatch.core.readers.people_files import Person, people_of_markers, plain_people
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.readers.times import LARGEST_TIME, TimedRows, check_room, checked_steps, place
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import find_layout
from dyadwatch.core.skeletons.unseen import blank_zeros

_HEADER = "a header 'frame,person,head_x,head_y,head_z,...' (or time in seconds for frame)"
_MOST_PEOPLE = 100
_MOST_JOINTS = 500
_KEYS = ("units", "axes", "fps")
_OTHER_NAMES = {"up": "axes", "up_axis": "axes", "rate": "fps", "frame_rate": "fps", "framerate": "fps", "hz": "fps"}

_Lines = Iterator[tuple[int, str]]


@dataclass
class _Table:
    """What stands above the rows of a table.

    Arguments:
        path: of the file.
        names: of the columns.
        divider: between cells.
        said: units, axes and fps, as comments say.
    """

    path: Path
    names: list[str]
    divider: str
    said: dict[str, str] = field(default_factory=dict)

    @property
    def rate(self) -> float | None:
        """Frames per second, as a comment says, if one does."""
        return number(self.said["fps"], f"{self.path}, fps") if "fps" in self.said else None

    @property
    def units(self) -> str:
        return self.said.get("units", "m")

    @property
    def axes(self) -> str:
        return self.said.get("axes", "y-up")


class _Rows(NamedTuple):
    """Rows of one frame and person each.

    Arguments:
        when: frame or time; shape (N,).
        who: index of the person; shape (N,).
        values: shape (N, columns).
        people: names, in order of appearance.
    """

    when: NDArray[np.float64]
    who: NDArray[np.intp]
    values: NDArray[np.float32]
    people: list[str]


def read_csv(path: Path, declared: ReadOptions) -> list[Person]:
    """The people of a table; metres, Y up unless the file or the user declares otherwise.

    Raises:
        ClipError: naming file and line, what was found and what was expected.
        ConfigError: when the declared marker map is unusable.
    """
    lines = read_lines(path)
    said, head = _comments(path, lines)
    divider = max(",;\t", key=head.count)
    table = _Table(path, [n.strip().strip('"') for n in head.split(divider)], divider, said)
    rows = ((i, line) for i, line in lines if line.strip())
    first = next(rows, None)
    if len(table.names) < 2 or first is None:
        raise ClipError(f"{path}: {0 if first is None else 1} rows below {head!r:.60}; expected {_HEADER} and rows "
                        "below it")  # fmt: skip
    rows = chain([first], rows)
    if [n.lower() for n in table.names[:2]] in (["frame", "person"], ["time", "person"]):
        return _long(table, rows, declared)
    if len(first[1].split(divider)[0].split()) == 3:
        return _wide(table, rows, declared)
    raise ClipError(f"{path}: the header is {head!r:.60}; expected {_HEADER}, or a joint's x y z in each cell")


def _comments(path: Path, lines: _Lines) -> tuple[dict[str, str], str]:
    """What comments say, and the line below them.

    Raises:
        ClipError: for a comment that nearly is one of those that are read.
    """
    said: dict[str, str] = {}
    for i, line in lines:
        if line.startswith("#"):
            key, _, value = (part.strip() for part in line[1:].partition(":"))
            if key.lower() in _KEYS and value:
                said[key.lower()] = value
            elif value and (meant := _meant(key)):
                raise ClipError(
                    f"{path}, line {i}: {line.strip()!r:.60}; expected '# {meant}: ...', or no such comment"
                )
        elif line.strip():
            return said, line
    return said, ""


def _meant(key: str) -> str:
    """Which key of a comment a word was probably meant for; mostly none."""
    key = key.lower().replace(" ", "_")
    return _OTHER_NAMES.get(key) or next(iter(get_close_matches(key, _KEYS, 1, 0.7)), "")


def _long(table: _Table, lines: _Lines, declared: ReadOptions) -> list[Person]:
    path = table.path
    layout = _layout(path, table.names[2:])
    rows = _rows(table, lines)
    if table.names[0].lower() == "time":
        frames = place(path, rows.when, rows.who, table.rate, declared)
    else:
        frames = _numbered(path, rows.when, declared.rate(path, table.rate))
    held, columns = int(frames.steps.max()) + 1, rows.values.shape[1]
    check_room(path, held, len(rows.when), len(rows.people), columns)
    joints = np.full((len(rows.people), held, columns), np.nan, np.float32)
    _lay(path, joints, frames, rows)
    places = joints.reshape(*joints.shape[:2], -1, 3)
    zeros = blank_zeros(places)
    metres, units = declared.metres(path, places, table.units, table.axes)
    named, joined = join_sightings(dict(zip(rows.people, metres, strict=True)), frames.fps)
    exchanged = _exchanged(list(named.values()), frames.fps)
    people = plain_people(path, named, layout, frames.fps, units, declared)
    return [p.timed(frames.begins_s, (*frames.notes, *zeros, *joined, *exchanged)) for p in people]


def _exchanged(people: list[NDArray[np.float32]], fps: float) -> tuple[str, ...]:
    """Puts right two people whose names were exchanged; what to tell of it."""
    found = list(put_right(people[0], people[1], fps)) if len(people) == 2 else []
    if not found:
        return ()
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return (f"the two are exchanged at frame {found[0]}{more}, each in the other's place: put right",)


def _layout(path: Path, columns: list[str]) -> Layout:
    """The joints that columns name."""
    bases = [c[:-2] for c in columns[::3]]
    if not bases or len(bases) > _MOST_JOINTS or columns != [f"{b}_{axis}" for b in bases for axis in "xyz"]:
        odd = next((c for c, e in zip(columns, (f"{b}_{a}" for b in bases for a in "xyz"), strict=False) if c != e), "")
        raise ClipError(f"{path}: the header has {len(columns)} coordinates{f', such as {odd!r:.40}' if odd else ''}; "
                        "expected name_x, name_y, name_z of each joint in turn")  # fmt: skip
    try:
        return find_layout(Layout.custom(bases).joints)
    except LayoutError as e:
        raise ClipError(f"{path}: {e}") from None


def _rows(table: _Table, lines: _Lines) -> _Rows:
    people: dict[str, int] = {}
    when: list[float] = []
    who: list[int] = []
    values: list[NDArray[np.float32]] = []
    for i, line in lines:
        where, row = f"{table.path}, line {i}", line.split(table.divider)
        if len(row) != len(table.names):
            raise ClipError(f"{where}: {len(row)} cells; expected {len(table.names)}, as in the header")
        when.append(number(row[0], where, LARGEST_TIME))
        who.append(people.setdefault(row[1].strip(), len(people)))
        values.append(cells(row[2:], where).astype(np.float32))
        if len(people) > _MOST_PEOPLE:
            raise ClipError(f"{where}: more than {_MOST_PEOPLE} people; expected a few")
    return _Rows(np.asarray(when), np.asarray(who, np.intp), np.stack(values), list(people))


def _numbered(path: Path, numbers: NDArray[np.float64], fps: float) -> TimedRows:
    """Rows with numbers of frames."""
    if (numbers != np.round(numbers)).any():
        raise ClipError(f"{path}: frames such as {numbers[numbers != np.round(numbers)][0]:g}; expected whole numbers")
    return TimedRows(checked_steps(path, numbers - numbers.min()), fps, float(numbers.min()) / fps)


def _lay(path: Path, joints: NDArray[np.float32], frames: TimedRows, rows: _Rows) -> None:
    """Puts rows where they belong; of several times nearest to one frame the last is kept."""
    order = np.lexsort((rows.when, rows.who))
    same = (np.diff(rows.who[order]) == 0) & (np.diff(rows.when[order]) == 0)
    if same.any():
        raise ClipError(f"{path}: the same person twice in a frame; expected one row a frame and person")
    joints[rows.who[order], frames.steps[order]] = rows.values[order]


def _wide(table: _Table, lines: _Lines, declared: ReadOptions) -> list[Person]:
    path, names = table.path, table.names
    if len(names) > _MOST_JOINTS:
        raise ClipError(f"{path}: {len(names)} joints; expected at most {_MOST_JOINTS}")
    rows = [_places(line.split(table.divider), names, f"{path}, line {i}") for i, line in lines]
    places = np.stack(rows)
    zeros = blank_zeros(places)
    metres, units = declared.metres(path, places, table.units, table.axes)
    people = people_of_markers(path, names, metres, declared.rate(path, table.rate), units, declared)
    return [p.timed(p.begins_s, zeros) for p in people]


def _places(row: list[str], names: list[str], where: str) -> NDArray[np.float32]:
    """A joint's x y z in each cell; shape (J, 3)."""
    if len(row) < len(names):
        raise ClipError(f"{where}: {len(row)} cells; expected x y z of {len(names)} joints")
    values = np.empty((len(names), 3), np.float32)
    for j, cell in enumerate(row[: len(names)]):  # recorders append a label
        words = cell.split()
        if len(words) != 3:
            raise ClipError(f"{where}: {cell.strip()!r:.40} for {names[j]!r:.40}; expected x y z")
        values[j] = [number(w, where) for w in words]
    return values
