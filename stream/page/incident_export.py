"""An incident as a file to take along: its recording, clips of its pairs, poses as JSON lines, or a film."""

from __future__ import annotations

import io
import re
import tempfile
import time
import zipfile
from enum import StrEnum
from math import isnan
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dyadwatch.core.data.clip_files import write_clips
from dyadwatch.core.errors import DyadwatchError
from dyadwatch.core.units import NS
from dyadwatch.stream.page.incident_clip import (
    FPS,
    ClipUnavailableError,
    pair_clips,
    recorded_people,
    recorded_playback,
    recorded_span,
)
from dyadwatch.stream.page.page_places import Film
from dyadwatch.stream.page.queries import IncidentRecord
from dyadwatch.stream.recordings.edit import copy
from dyadwatch.stream.recordings.header import config_of


class ExportFormat(StrEnum):
    """What a file holds; the value is what a request names."""

    MCAP = "mcap"  # messages as they were recorded: replays, is judged again, opens in Foxglove
    CLIPS = "clips"  # arrays of each pair, clips.npz and meta.json, in a zip beside what is known of the incident
    JSONL = "jsonl"  # a line for each frame, as `dyadwatch publish jsonl` reads it
    MP4 = "mp4"  # drawn skeletons with the score below

    @property
    def suffix(self) -> str:
        """Of the file."""
        return ".zip" if self is ExportFormat.CLIPS else f".{self}"

    @property
    def media_type(self) -> str:
        """Of the answer."""
        return {
            ExportFormat.MCAP: "application/octet-stream",
            ExportFormat.CLIPS: "application/zip",
            ExportFormat.JSONL: "application/x-ndjson",
            ExportFormat.MP4: "video/mp4",
        }[self]


def file_name(record: IncidentRecord, format_: ExportFormat) -> str:
    """Of the download: source, beginning in UTC, id."""
    message = record.incident.message
    began = message.start if message.clock == "unix" else record.incident.began
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(began // NS))
    source, id_ = (re.sub(r"[^A-Za-z0-9._-]", "_", name) for name in (message.source, message.id[:8]))
    return f"dyadwatch-{source}-{at}-{id_}{format_.suffix}"


def export(
    folder: Path, record: IncidentRecord, first: int, last: int, format_: ExportFormat, film: Film | None = None
) -> bytes:
    """The file.

    Arguments:
        folder: of the recordings.
        record: the incident.
        first, last: ns by the source's clock.
        format_: of the file.
        film: makes films; None where that cannot be done here.

    Raises:
        ClipUnavailableError: it was not recorded, or is deleted by now; or no film can be made.
    """
    with tempfile.TemporaryDirectory(prefix="dyadwatch-") as place:
        try:
            match format_:
                case ExportFormat.MCAP:
                    return _cut(folder, record, first, last, Path(place)).read_bytes()
                case ExportFormat.CLIPS:
                    return _clips(folder, record, first, last, Path(place))
                case ExportFormat.JSONL:
                    return _json_lines(folder, record, first, last)
                case ExportFormat.MP4:
                    return _film(folder, record, first, last, Path(place), film)
        except ClipUnavailableError:
            raise
        except (DyadwatchError, OSError) as e:
            raise ClipUnavailableError("unreadable", f"the file cannot be made: {e}") from None


def _cut(folder: Path, record: IncidentRecord, first: int, last: int, place: Path) -> Path:
    source = record.incident.message.source
    begin, end = recorded_span(first, last, record.clock_ahead, earlier_s=1.0)
    playback = recorded_playback(folder, begin, end)
    members = config_of(r.about for r in playback.recordings).merge.groups.get(source, [])
    there = {e.source for e in playback.received()} if members else set[str | None]()
    copy(playback, place / "incident.mcap", (source, *(m for m in members if m in there)), private=False)
    return place / "incident.mcap"


def _clips(folder: Path, record: IncidentRecord, first: int, last: int, place: Path) -> bytes:
    message = record.incident.message
    clips = pair_clips(folder, record.incident, record.clock_ahead, first, last)
    write_clips(place, clips, notes=f"{message.source}, incident {message.id}: {message.explanation}")
    (place / "incident.json").write_bytes(msgspec.json.format(msgspec.json.encode(record)))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(place.iterdir()):
            archive.write(path, path.name)
    return out.getvalue()


def _json_lines(folder: Path, record: IncidentRecord, first: int, last: int) -> bytes:
    message = record.incident.message
    layout, start, ids, places = recorded_people(folder, message.source, record.clock_ahead, first, last)
    head = {"source": message.source, "units": "m", "axes": "y-up", "fps": FPS, "clock": message.clock,
            "joints": layout.joints}  # fmt: skip
    lines: list[Any] = [head]
    for k, frame in enumerate(np.round(places.astype(np.float64), 4)):
        persons = [
            {"id": who, "joints": [None if isnan(x) else (x, y, z) for x, y, z in person.tolist()]}
            for who, person in zip(ids, frame, strict=True)
            if not np.isnan(person).all()
        ]
        lines.append({"stamp": start + round(k * NS / FPS), "persons": persons})
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def _film(folder: Path, record: IncidentRecord, first: int, last: int, place: Path, film: Film | None) -> bytes:
    if film is None:
        raise ClipUnavailableError("no_film", "films need Pillow and ffmpeg, which are not installed here")
    pairs = record.incident.message.pairs
    if not pairs:
        raise ClipUnavailableError("no_pair", "it is about the source itself, not about people")
    a, b = pairs[0].pair
    film(_cut(folder, record, first, last, place), record.incident.message.source, (str(a), str(b)), place / "film.mp4")
    return (place / "film.mp4").read_bytes()
