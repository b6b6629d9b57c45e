"""TRC: named markers as a table of text, as OpenSim and Motion Analysis write it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.files.text_files import cells, number, read_lines
from dyadwatch.core.readers.people_files import Person, people_of_markers
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.readers.times import LARGEST_TIME, TimedRows, check_room, checked_steps, place
from dyadwatch.core.skeletons.unseen import blank_zeros

_MOST_MARKERS = 5000
_SPARE = 1000  # cells beyond the last marker that are looked at: editors leave empty ones


def read_trc(path: Path, declared: ReadOptions) -> list[Person]:
    """The people of a TRC file; units as it says, Y up unless declared otherwise.

    The column Time decides on the rate and on gaps, for rows get cut out of such tables; DataRate is what it is held
    against.

    Raises:
        ClipError: naming file and line, what was found and what was expected.
        ConfigError: when the declared marker map is unusable.
    """
    lines = read_lines(path)
    head = [line for _, line in islice(lines, 5)]
    rows = ((i, line) for i, line in lines if line.strip())
    first = next(rows, None)
    if len(head) < 5 or first is None or not head[0].startswith("PathFileType"):
        raise ClipError(f"{path}: does not begin as a TRC file does (PathFileType, then four lines of header)")
    facts = dict(zip(head[1].split(), head[2].split(), strict=False))
    missing = [k for k in ("DataRate", "NumFrames", "NumMarkers", "Units") if k not in facts]
    if missing:
        raise ClipError(f"{path}, lines 2 and 3: no {' and no '.join(missing)}; expected names, then their values")
    rate, frames, markers = (number(facts[k], f"{path}, line 3") for k in ("DataRate", "NumFrames", "NumMarkers"))
    if not 1 <= markers <= _MOST_MARKERS or markers != int(markers):
        raise ClipError(f"{path}, line 3: {markers:g} markers; expected 1 to {_MOST_MARKERS}")
    labels = [word.strip() for word in head[3].split("\t")[2:] if word.strip()]
    if len(labels) != int(markers):
        raise ClipError(f"{path}, line 4: names {len(labels)} markers; expected {int(markers)}, as line 3 says")
    values: list[NDArray[np.float32]] = []
    places: list[tuple[str, str]] = []
    for i, line in chain([first], rows):
        number_of, time, *row = [*line.split("\t"), ""][: 2 + 3 * int(markers) + _SPARE]
        places.append((number_of, time))
        values.append(_row(row, int(markers), f"{path}, line {i}").astype(np.float32))
    if len(values) != frames:
        raise ClipError(f"{path}: {len(values)} frames; expected {frames:g}, as line 3 says (cut short?)")
    where = _frames(path, places, rate, declared)
    held = int(where.steps.max()) + 1
    check_room(path, held, len(values), 1, 3 * int(markers))
    positions = np.full((held, 3 * int(markers)), np.nan, np.float32)
    positions[where.steps] = np.stack(values)
    markers_at = positions.reshape(held, -1, 3)
    zeros = blank_zeros(markers_at)
    metres, units = declared.metres(path, markers_at, facts["Units"], "y-up")
    people = people_of_markers(path, labels, metres, where.fps, units, declared)
    return [p.timed(where.begins_s, (*where.notes, *zeros)) for p in people]


def _frames(path: Path, places: Sequence[tuple[str, str]], rate: float, declared: ReadOptions) -> TimedRows:
    """Where rows lie: by the column Time where it rises, else by Frame#, else one after the other."""
    numbers, times = (_rising([place[k] for place in places]) for k in (0, 1))
    who = np.zeros(len(places), np.intp)
    if times is not None and len(times) > 1:
        found = place(path, times, who, rate, declared)
        return found._replace(notes=tuple(f"DataRate {note}" for note in found.notes))
    fps = declared.rate(path, rate)
    if numbers is None or len(numbers) < 2:
        note = "neither Frame# nor Time rises from row to row: the rows are taken for frames without a gap"
        return TimedRows(np.arange(len(places)), fps, 0.0, (note,) if len(places) > 1 else ())
    every = float(np.diff(numbers).min())
    steps = checked_steps(path, np.round((numbers - numbers[0]) / every))
    return TimedRows(steps, fps, 0.0, ("Time does not rise from row to row: Frame# is taken for it",))


def _rising(words: Sequence[str]) -> NDArray[np.float64] | None:
    """Numbers, if each is one and larger than the one before."""
    try:
        values = np.asarray([number(word, "", LARGEST_TIME) for word in words])
    except ClipError:
        return None
    return values if (np.diff(values) > 0).all() else None


def _row(row: list[str], markers: int, where: str) -> NDArray[np.float64]:
    """3 coordinates of each marker; NaN where the cell is empty."""
    while len(row) > 3 * markers and not row[-1].strip():
        row.pop()
    if len(row) > 3 * markers:
        raise ClipError(f"{where}: {len(row)} coordinates; expected {3 * markers}")
    row += [""] * (3 * markers - len(row))  # editors strip the empty cells at the end of a line
    return cells(row, where)
