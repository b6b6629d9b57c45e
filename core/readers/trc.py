"""TRC: named markers as a table of text, as OpenSim and Motion Analysis write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.readers.dataset import cells, number, read_text
from dyadwatch.core.readers.declared import Declared
from dyadwatch.core.readers.people import Person, people_of_markers

_MOST_MARKERS = 5000


def read_trc(path: Path, declared: Declared) -> list[Person]:
    """The people of a TRC file; units and rate as it says, Y up unless declared otherwise.

    Raises:
        ClipError: naming file and line, what was found and what was expected.
        ConfigError: when the declared marker map is unusable.
    """
    lines = read_text(path).splitlines()
    if len(lines) < 6 or not lines[0].startswith("PathFileType"):
        raise ClipError(f"{path}: does not begin as a TRC file does (PathFileType, then four lines of header)")
    facts = dict(zip(lines[1].split(), lines[2].split(), strict=False))
    missing = [k for k in ("DataRate", "NumFrames", "NumMarkers", "Units") if k not in facts]
    if missing:
        raise ClipError(f"{path}, lines 2 and 3: no {' and no '.join(missing)}; expected names, then their values")
    rate, frames, markers = (number(facts[k], f"{path}, line 3") for k in ("DataRate", "NumFrames", "NumMarkers"))
    if not 1 <= markers <= _MOST_MARKERS or markers != int(markers):
        raise ClipError(f"{path}, line 3: {markers:g} markers; expected 1 to {_MOST_MARKERS}")
    labels = [word.strip() for word in lines[3].split("\t")[2:] if word.strip()]
    if len(labels) != int(markers):
        raise ClipError(f"{path}, line 4: names {len(labels)} markers; expected {int(markers)}, as line 3 says")
    rows = [(i, line) for i, line in enumerate(lines[5:], 6) if line.strip()]
    if len(rows) != frames or not rows:
        raise ClipError(f"{path}: {len(rows)} frames; expected {frames:g}, as line 3 says (cut short?)")
    values = np.stack([_row(line, int(markers), f"{path}, line {i}") for i, line in rows])
    positions, units = declared.metres(path, values.reshape(len(rows), -1, 3), facts["Units"], "y-up")
    return people_of_markers(path, labels, positions, declared.rate(path, rate), units, declared)


def _row(line: str, markers: int, where: str) -> NDArray[np.float64]:
    """3 coordinates of each marker; NaN where the cell is empty."""
    row = line.split("\t")[2:]
    while len(row) > 3 * markers and not row[-1].strip():
        row.pop()
    if len(row) > 3 * markers:
        raise ClipError(f"{where}: {len(row)} coordinates; expected {3 * markers}")
    row += [""] * (3 * markers - len(row))  # editors strip the empty cells at the end of a line
    return cells(row, where)
