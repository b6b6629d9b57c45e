"""Cuts and merges recordings; messages pass as they are."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import msgspec

from dyadwatch.core.errors import RecordingError
from dyadwatch.core.words import counted
from dyadwatch.stream.recordings.channels import ENDED, POSE, Ended, EndReason, Schema
from dyadwatch.stream.recordings.chunks import RawMessage
from dyadwatch.stream.recordings.header import without_private
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.reader import Recording, source_of
from dyadwatch.stream.recordings.write_queue import ReceivedMessage

_FLUSH = 2000  # messages


class _Piece(NamedTuple):
    log_time: int
    what: RawMessage | Ended
    schema: Schema | None


def copy(playback: Playback, out: Path, sources: Sequence[str] = (), *, private: bool = True) -> int:
    """Writes what is played into one new file.

    Runs of several recorders that overlap in time are interleaved by their receive times; every run keeps its own
    order. Where one of several runs ends without saying so, its sources are ended, so that nothing joins them to the
    next run.

    Arguments:
        playback: what to copy.
        out: a new file.
        sources: only these; all if empty.
        private: whether the head keeps the whole configuration; else what decides on events alone.

    Returns:
        Messages written.

    Raises:
        ConfigError: one of the sources is not in the recordings.
        RecordingError: the file is there already or cannot be made, two runs that overlap hold the same source, or
            nothing is left.
    """
    runs = [list(group) for _, group in groupby(playback.recordings, key=lambda r: r.about.run)]
    if not runs:
        raise RecordingError("no recordings given")
    playback.expect_sources(sources, said=True)
    first = runs[0][0].about
    if len(runs) > 1:
        _check_apart(runs, playback, frozenset(sources))
    about = msgspec.structs.replace(
        first if private else without_private(first), origin="cut" if len(playback.recordings) == 1 else "merged"
    )
    streams = [_run(run, playback, frozenset(sources), alone=len(runs) == 1) for run in runs]
    try:
        file = RecordingFile(out, about)
    except OSError as e:
        raise cannot_begin(out, e) from None
    count = 0
    unknown: Counter[str] = Counter()
    try:
        for piece in heapq.merge(*streams, key=lambda p: p.log_time):
            if isinstance(piece.what, Ended):
                file.ended(piece.what, piece.log_time)
            elif piece.schema is None:
                unknown[piece.what.channel.topic] += 1
                continue
            else:
                raw, channel = piece.what, piece.what.channel
                file.raw(channel.topic, piece.schema, channel.message_encoding, raw.data, raw.log_time,
                         raw.publish_time, raw.sequence)  # fmt: skip
            count += 1
            if count % _FLUSH == 0:
                file.flush()
        file.close()
    except BaseException:
        file.abandon()
        out.unlink()
        raise
    for topic, left in sorted(unknown.items()):
        playback.note(f"left out: {counted(left, 'message')} of {topic!r:.80}, whose schema is not in the file")
    if not count:
        out.unlink()
        raise RecordingError("nothing to copy: no message in that time")
    return count


def cannot_begin(out: Path, error: OSError) -> RecordingError:
    """Why a new file could not be opened, and what was expected."""
    if isinstance(error, FileExistsError):
        return RecordingError(f"{out}: is there already; expected the name of a new file")
    return RecordingError(
        f"{out}: cannot be made ({error.strerror}); expected the name of a new file in a folder that can be written to"
    )


def _run(run: list[Recording], playback: Playback, sources: frozenset[str], *, alone: bool) -> Iterator[_Piece]:
    open_sources: dict[str, None] = {}
    now = 0
    for recording in run:
        for raw in recording.messages(playback.start, playback.end):
            topic = raw.channel.topic
            name = source_of(topic, raw.data)
            if sources and name not in sources:
                continue
            if name and topic == ENDED:
                open_sources.pop(name, None)
            elif name and topic.startswith(POSE):
                open_sources[name] = None
            now = max(now, raw.log_time)
            yield _Piece(raw.log_time, raw, recording.schema(raw))
    if not alone:
        for source in open_sources:
            yield _Piece(now, Ended(source=source, reason=EndReason.END_OF_STREAM), None)


def _check_apart(runs: Sequence[Sequence[Recording]], playback: Playback, sources: frozenset[str]) -> None:
    """Refuses runs that hold the same source at the same time: nobody could tell whose frames are whose."""
    spans: dict[str, list[tuple[int, int, Path]]] = {}
    for recordings in runs:
        seen: dict[str, tuple[int, int]] = {}
        for received in (r for recording in recordings for r in recording.entries(playback.start, playback.end)):
            if isinstance(received, ReceivedMessage) and received.source is not None:
                first, _ = seen.get(received.source, (received.log_time, 0))
                seen[received.source] = (first, received.log_time)
        for source, (first, end) in seen.items():
            for other_first, other_end, other in spans.get(source, []):
                if first <= other_end and other_first <= end and (not sources or source in sources):
                    raise RecordingError(
                        f"source {source!r} is in {other} and in {recordings[0].path} at the same time; expected it in "
                        "one of them (choose others with --source)"
                    )
            spans.setdefault(source, []).append((first, end, recordings[0].path))
