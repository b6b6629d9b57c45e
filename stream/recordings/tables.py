"""Recordings as CSV tables, one row a frame and person, in the form that `dyadwatch publish file` reads."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from dyadwatch.core.errors import RecordingError
from dyadwatch.core.pose import PoseFrame
from dyadwatch.stream.recordings.frames import OrderedFrames
from dyadwatch.stream.recordings.playback import Playback

_NS = 1_000_000_000


class _Table:
    """One file: an unbroken stretch of one source."""

    def __init__(self, stream: IO[str], first: PoseFrame) -> None:
        self.layout = first.layout
        self._first = first.stamp
        self._writer = csv.writer(stream, lineterminator="\n")
        stream.write(f"# units: m\n# axes: y-up\n# source: {first.source}\n")
        stream.write(f"# clock: {first.clock}, time 0 is its {first.stamp} ns\n")
        self._writer.writerow(["time", "person", *(f"{j}_{axis}" for j in first.layout.joints for axis in "xyz")])

    def write(self, frame: PoseFrame) -> int:
        ids = frame.ids if frame.ids is not None else range(1, frame.people + 1)
        for person, joints in zip(ids, frame.joints, strict=True):
            cells = ["" if np.isnan(v) else f"{v:.5f}" for v in joints.ravel().tolist()]
            self._writer.writerow([f"{(frame.stamp - self._first) / _NS:.6f}", person, *cells])
        return frame.people


def write_tables(playback: Playback, folder: Path, source: str | None = None) -> list[tuple[Path, int]]:
    """Writes `<source>.csv`, and `<source>-2.csv` and so on where a source began afresh.

    People whom the source does not tell apart are numbered in the order of the frame. Confidences are left out.

    Returns:
        The files and their rows.

    Raises:
        RecordingError: a file is there already, or there is nothing to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, _Table] = {}
    rows: dict[Path, int] = {}
    paths: dict[str, Path] = {}
    numbers: dict[str, int] = {}
    with ExitStack() as stack:
        for frame, fresh in OrderedFrames(playback, source):
            table = tables.get(frame.source)
            if table is None or fresh or frame.layout is not table.layout:
                number = numbers[frame.source] = numbers.get(frame.source, 0) + 1
                path = folder / f"{frame.source}{f'-{number}' if number > 1 else ''}.csv"
                try:
                    stream = stack.enter_context(path.open("x", encoding="utf8", newline=""))
                except FileExistsError:
                    raise RecordingError(f"{path}: is there already; expected a folder without it") from None
                table, paths[frame.source] = _Table(stream, frame), path
                tables[frame.source] = table
            rows[paths[frame.source]] = rows.get(paths[frame.source], 0) + table.write(frame)
    if not rows:
        raise RecordingError("nothing to export: no usable frame in that time")
    return list(rows.items())
