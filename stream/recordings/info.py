"""What is in a recording, in figures."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from dyadwatch.stream.messages import EventMessage, ScoreMessage
from dyadwatch.stream.recordings.channels import Ended
from dyadwatch.stream.recordings.playback import NewRun, Playback
from dyadwatch.stream.recordings.queue import Received
from dyadwatch.stream.recordings.reader import wall_clock

_NS = 1_000_000_000


class SourceInfo(Struct, kw_only=True):
    """One source: what it sent, and what was said of it."""

    frames: int = 0
    people: int = 0
    layout: str = ""
    runs: int = 0
    first: int = 0
    last: int = 0
    scores: int = 0
    events: int = 0

    fps: float = 0.0  # by the stamps of its frames: what most of them keep, whatever lies between runs


class RecordingInfo(Struct, kw_only=True):
    """Some files together."""

    files: list[dict[str, Any]]
    seconds: float
    megabytes: float
    sources: dict[str, SourceInfo]
    refused: int
    ended: dict[str, int]
    model: str
    notes: list[str]


class _Head(Struct):
    epoch: int = 0
    shape: tuple[int, int, int] = (0, 0, 0)
    layout: str | None = None


class _Pace:
    """The runs of one source, and the steps between their frames."""

    def __init__(self) -> None:
        self.epochs: set[int] = set()
        self._last: tuple[int, int] | None = None  # epoch and stamp
        self._steps = array("q")

    def push(self, epoch: int, stamp: int) -> None:
        if len(self.epochs) < 10_000:
            self.epochs.add(epoch)
        if self._last is not None and self._last[0] == epoch and stamp > self._last[1]:
            self._steps.append(stamp - self._last[1])
        self._last = epoch, stamp

    @property
    def fps(self) -> float:
        return _NS / float(np.median(self._steps)) if self._steps else 0.0


_decode_head = msgspec.msgpack.Decoder(_Head).decode


def describe(playback: Playback) -> RecordingInfo:
    """Reads all of a recording and counts."""
    sources: dict[str, SourceInfo] = {}
    paces: dict[str, _Pace] = {}
    refused = 0
    ended: Counter[str] = Counter()
    for entry in playback:
        if isinstance(entry, NewRun):
            continue
        if isinstance(entry, Received):
            if entry.source is None:
                refused += 1
                continue
            info = sources.setdefault(entry.source, SourceInfo(first=entry.log_time))
            _count(info, entry, paces.setdefault(entry.source, _Pace()))
        elif isinstance(entry.what, Ended):
            ended[entry.what.reason] += 1
        elif isinstance(entry.what, ScoreMessage):
            sources.setdefault(entry.what.source, SourceInfo(first=entry.log_time)).scores += 1
        elif isinstance(entry.what, EventMessage) and entry.what.type == "open":
            sources.setdefault(entry.what.source, SourceInfo(first=entry.log_time)).events += 1
    for name, pace in paces.items():
        sources[name].runs, sources[name].fps = len(pace.epochs), pace.fps
    models = sorted({r.about.model for r in playback.recordings if r.about.model})
    return RecordingInfo(
        files=[
            {
                "path": str(r.path),
                "run": r.about.run,
                "part": r.about.part,
                "origin": r.about.origin,
                "program": r.about.program,
                "model": r.about.model,
                "whole": r.whole,
                "bytes": r.size,
                "from": wall_clock(r.span[0]) if r.span else None,
                "to": wall_clock(r.span[1]) if r.span else None,
            }
            for r in playback.recordings
        ],
        seconds=round(playback.seconds, 3),
        megabytes=round(sum(r.size for r in playback.recordings) / 1e6, 3),
        sources=sources,
        refused=refused,
        ended=dict(ended),
        model=", ".join(models),
        notes=playback.notes,
    )


def _count(info: SourceInfo, entry: Received, pace: _Pace) -> None:
    info.frames += 1
    info.last = entry.log_time
    try:
        head = _decode_head(entry.parts[1])
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError):
        return
    info.people = max(info.people, head.shape[0])
    info.layout = head.layout or f"{head.shape[1]} joints"
    pace.push(head.epoch, entry.stamp)
