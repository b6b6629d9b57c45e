"""Recordings as CSV tables, one row a frame and person, in the form that `dyadwatch publish file` reads."""

from __future__ import annotations

import csv
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from dyadwatch.core.errors import RecordingError
from dyadwatch.core.files.atomic import written_atomically
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.recordings.header import config_of
from dyadwatch.stream.recordings.left_out import nothing_to_export
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recorded_scenes import RecordedScenes, frames_of

_FPS = 30.0  # of a grid that no table shows


class _Table:
    """One file: an unbroken stretch of one source; `files` puts it in its place when all are whole."""

    def __init__(self, path: Path, first: PoseFrame, files: ExitStack) -> None:
        if path.exists():
            raise RecordingError(f"{path}: is there already; expected a folder without it")
        self.path = path
        self.layout = first.layout
        self.rows = 0
        self._first = first.stamp
        partial = files.enter_context(written_atomically(path))
        self._stream = files.enter_context(partial.open("w", encoding="utf8", newline=""))
        self._writer = csv.writer(self._stream, lineterminator="\n")
        self._stream.write(f"# units: m\n# axes: y-up\n# source: {first.source}\n")
        self._stream.write(f"# clock: {first.clock}, time 0 is its {first.stamp} ns\n")
        self._writer.writerow(["time", "person", *(f"{j}_{axis}" for j in first.layout.joints for axis in "xyz")])

    def write(self, frame: PoseFrame) -> None:
        ids = frame.ids if frame.ids is not None else range(1, frame.people + 1)
        for person, joints in zip(ids, frame.joints, strict=True):
            cells = ["" if np.isnan(v) else f"{v:.5f}" for v in joints.ravel().tolist()]
            self._writer.writerow([f"{(frame.stamp - self._first) / NS:.6f}", person, *cells])
        self.rows += frame.people

    def close(self) -> None:
        self._stream.close()


def write_tables(playback: Playback, folder: Path, source: str | None = None) -> list[tuple[Path, int]]:
    """Writes `<source>.csv`, and `<source>.2.csv` and so on where a source began anew.

    No source has a dot in its name, so no two share a file. Limits of messages and rules of order are those of the
    detector that recorded. People whom the source does not tell apart are numbered in the order of the frame.
    Confidences are left out.

    Returns:
        The files and their rows.

    Raises:
        RecordingError: a file is there already, or there is nothing to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = config_of(r.about for r in playback.recordings)
    scenes = RecordedScenes(playback, config, _FPS, source, merged=False)
    written: list[_Table] = []
    latest: dict[str, _Table] = {}
    numbers: Counter[str] = Counter()
    with ExitStack() as files:
        for frame, fresh in frames_of(iter(scenes)):
            table = latest.get(frame.source)
            if table is None or fresh or frame.layout is not table.layout:
                if table is not None:
                    table.close()
                numbers[frame.source] += 1
                number = numbers[frame.source]
                path = folder / f"{frame.source}{f'.{number}' if number > 1 else ''}.csv"
                table = latest[frame.source] = _Table(path, frame, files)
                written.append(table)
            table.write(frame)
    if not written:
        raise RecordingError(nothing_to_export(scenes.dropped))
    return [(table.path, table.rows) for table in written]
