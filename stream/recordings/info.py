"""What is in a recording, in figures."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from dyadwatch.core.iso_time import clock_moment, moment, moment_after
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Refusal
from dyadwatch.stream.messages import EventMessage, ScoreMessage
from dyadwatch.stream.recordings.channels import Ended
from dyadwatch.stream.recordings.playback import NewRun, Playback
from dyadwatch.stream.recordings.write_queue import ReceivedMessage

_LONGEST_STEP = 3600 * NS  # between two stamps of a run; what is longer is a clock that was set
_MOST_EPOCHS = 10_000


class SourceInfo(Struct, kw_only=True):
    """One source: what it sent, and what was said of it.

    Arguments:
        first, last: unix ns at which its first and last message was received.
        stamped_s: seconds that its frames cover by their own stamps, all runs together; replayed fast they are more
            than it took to receive them.
        stamped_from, stamped_to: its first and last stamp, as `clock_moment` tells them.
        unreadable: frames whose header cannot be read here; they count for nothing but `frames`.
    """

    frames: int = 0
    people: int = 0
    layout: str = ""
    runs: int = 0
    first: int = 0
    last: int = 0
    scores: int = 0
    events: int = 0
    stamped_s: float = 0.0
    stamped_from: str = ""
    stamped_to: str = ""
    unreadable: int = 0

    fps: float = 0.0  # by the stamps of its frames: what most of them keep, whatever lies between runs


class RecordingInfo(Struct, kw_only=True):
    """Some files together.

    Arguments:
        seconds: from the first to the last message, by the receiver's clock.
        stamped_s: seconds of the source that covers most by its own stamps.
        refused: messages that broke the protocol; `refused_for` tells them by reason, those kept whole by earlier
            versions as `unknown`.
        left_out: what could not be read, by reason.
    """

    files: list[dict[str, Any]]
    seconds: float
    stamped_s: float
    megabytes: float
    sources: dict[str, SourceInfo]
    refused: int
    refused_for: dict[str, int]
    left_out: dict[str, int]
    ended: dict[str, int]
    model: str
    notes: list[str]


class _Head(Struct):
    epoch: int = 0
    clock: str = ""
    shape: tuple[int, int, int] = (0, 0, 0)
    layout: str | None = None


class _Pace:
    """The runs of one source, the steps between their frames, and the time they cover by their stamps."""

    def __init__(self) -> None:
        self.epochs: set[int] = set()
        self.covered = 0  # ns
        self._first: tuple[int, str] | None = None
        self._clock = ""
        self._last: tuple[int, int] | None = None  # epoch and stamp
        self._steps = array("q")

    def push(self, epoch: int, stamp: int, clock: str) -> None:
        if len(self.epochs) < _MOST_EPOCHS:
            self.epochs.add(epoch)
        if self._last is not None and self._last[0] == epoch and 0 < stamp - self._last[1] <= _LONGEST_STEP:
            self._steps.append(stamp - self._last[1])
            self.covered += stamp - self._last[1]
        self._last = epoch, stamp
        self._first = self._first or (stamp, clock)
        self._clock = clock

    def tell(self, info: SourceInfo) -> None:
        info.runs = len(self.epochs)
        info.fps = NS / float(np.median(self._steps)) if self._steps else 0.0
        info.stamped_s = round(self.covered / NS, 3)
        if self._first is not None and self._last is not None:
            info.stamped_from = clock_moment(*self._first)
            info.stamped_to = clock_moment(self._last[1], self._clock)


_decode_head = msgspec.msgpack.Decoder(_Head).decode


def describe(playback: Playback) -> RecordingInfo:
    """Reads all of a recording and counts."""
    sources: dict[str, SourceInfo] = {}
    paces: dict[str, _Pace] = {}
    refused: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    for entry in playback:
        if isinstance(entry, NewRun):
            continue
        if isinstance(entry, ReceivedMessage):
            if entry.source is None:
                refused[entry.refused.reason if entry.refused else str(Refusal.UNKNOWN)] += entry.counts
                continue
            info = sources.setdefault(entry.source, SourceInfo(first=entry.log_time))
            _count(info, entry, paces.setdefault(entry.source, _Pace()))
        elif isinstance(entry.what, Ended):
            ended[str(entry.what.reason)] += 1
        elif isinstance(entry.what, ScoreMessage):
            sources.setdefault(entry.what.source, SourceInfo(first=entry.log_time)).scores += 1
        elif isinstance(entry.what, EventMessage) and entry.what.type == "open":
            sources.setdefault(entry.what.source, SourceInfo(first=entry.log_time)).events += 1
    for name, pace in paces.items():
        pace.tell(sources[name])
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
                "from": moment(r.span[0]) if r.span else None,
                "to": moment_after(r.span[1]) if r.span else None,
            }
            for r in playback.recordings
        ],
        seconds=round(playback.seconds, 3),
        stamped_s=max((s.stamped_s for s in sources.values()), default=0.0),
        megabytes=round(sum(r.size for r in playback.recordings) / 1e6, 3),
        sources=sources,
        refused=refused.total(),
        refused_for=dict(refused),
        left_out=dict(sum((Counter(r.left_out) for r in playback.recordings), Counter[str]())),
        ended=dict(ended),
        model=", ".join(models),
        notes=playback.notes,
    )


def _count(info: SourceInfo, entry: ReceivedMessage, pace: _Pace) -> None:
    info.frames += 1
    info.last = entry.log_time
    try:
        head = _decode_head(entry.parts[1])
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError):
        info.unreadable += 1
        return
    info.people = max(info.people, head.shape[0])
    info.layout = head.layout or f"{head.shape[1]} joints"
    pace.push(head.epoch, entry.stamp, head.clock)
