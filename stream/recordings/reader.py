"""Reads recordings back: whole ones, those that a crash cut short, and those that were damaged since."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dyadwatch.core.errors import RecordingError
from dyadwatch.stream.messages import decode_json
from dyadwatch.stream.recordings.channels import (
    ABOUT,
    ENDED,
    FORMAT,
    OTHERS,
    POSE,
    PROFILE,
    REFUSED,
    About,
    Schema,
    decode_ended,
    decode_parts,
)
from dyadwatch.stream.recordings.queue import Received, Said
from dyadwatch.stream.recordings.records import ChunkPlace, Frames, RawMessage, find_frames, read_chunk

Entry = Received | Said
_NS = 1_000_000_000
_SAID = ("score.", "event.", "status.")


def wall_clock(ns: int) -> str:
    """Unix ns as people read it, UTC."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ns // _NS)) + f".{ns // 1_000_000 % 1000:03d}Z"
    except (OverflowError, ValueError, OSError):
        return f"{ns} ns"


class Recording:
    """One file of a recording.

    Arguments:
        path: an MCAP file.

    Attributes:
        about: where it comes from.
        notes: what is missing and why, in sentences; complete once all entries were read.

    Raises:
        RecordingError: when the file is empty, foreign or of another format, or nothing of it is whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as stream:
                self._frames = find_frames(stream, path)
        except OSError as e:
            raise RecordingError(f"{path} cannot be read ({e.strerror}); expected a recording (.mcap)") from None
        self.about = _about(path, self._frames)
        self.notes: list[str] = []
        if not self._frames.ended:
            self.notes.append(f"{path}: {_open_end(self._frames)}")

    @property
    def order(self) -> tuple[int, int, int]:
        """Sorts the files of one run by part, pieces of one part by time, and runs by their beginning."""
        return int(self.about.run), int(self.about.part), self._frames.chunks[0].start if self._frames.chunks else 0

    @property
    def size(self) -> int:
        """Bytes."""
        return self._frames.size

    @property
    def whole(self) -> bool:
        """Whether it was closed properly."""
        return self._frames.ended

    @property
    def span(self) -> tuple[int, int] | None:
        """First and last unix ns at which something was recorded, as far as is known without reading all."""
        chunks = self._frames.chunks
        return (min(c.start for c in chunks), max(c.end for c in chunks)) if chunks else None

    def entries(self, start: int = 0, end: int = 2**63) -> Iterator[Entry]:
        """What was received and said, in the order in which it was written.

        Arguments:
            start, end: unix ns; only what was recorded from the one up to before the other.
        """
        for raw in self.messages(start, end):
            try:
                entry = _entry(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError) as e:
                self._note(f"a message at {wall_clock(raw.log_time)} makes no sense and is left out: {e}")
                continue
            if entry is not None:
                yield entry

    def messages(self, start: int = 0, end: int = 2**63) -> Iterator[RawMessage]:
        """The same, as it stands in the file."""
        with self.path.open("rb") as stream:
            for place in self._frames.chunks:
                if place.end < start or place.start >= end:
                    continue
                try:
                    messages = read_chunk(stream, place, self._frames)
                except ValueError as e:
                    self._note(self._damage(place, str(e)))
                    continue
                yield from (m for m in messages if start <= m.log_time < end)

    def schema(self, raw: RawMessage) -> Schema | None:
        """The schema of a message; None where the file has lost it."""
        if raw.channel is None:
            return None
        found = self._frames.schemas.get(raw.channel.schema_id)
        return None if found is None else Schema(found.name, found.encoding, found.data)

    def _damage(self, place: ChunkPlace, why: str) -> str:
        return (
            f"the chunk at byte {place.offset} is damaged ({why}) and left out; "
            f"what came from {wall_clock(place.start)} to {wall_clock(place.end)} is missing"
        )

    def _note(self, text: str) -> None:
        note = f"{self.path}: {text}"
        if note not in self.notes and len(self.notes) < 100:
            self.notes.append(note)


def _open_end(frames: Frames) -> str:
    """How a file ends that was not closed. Where the last record is whole it was killed, and not torn."""
    last = wall_clock(frames.chunks[-1].end) if frames.chunks else None
    rest = frames.size - frames.whole
    if not rest:
        return f"was not closed; {f'everything up to {last} is whole' if last else 'nothing was recorded in it'}"
    missing = f"after {last}" if last else "in it"
    return f"was cut short; {rest} bytes at its end hold nothing whole, what came {missing} is missing"


def source_of(topic: str, data: bytes) -> str:
    """The source a message is about; empty where that cannot be read, as who plays the copy cannot read it either."""
    try:
        if topic == ENDED:
            return decode_ended(data).source
        if topic == OTHERS:
            return decode_parts(data)[0][len(POSE) :].decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError):
        return ""
    return topic.partition(".")[2]


def _entry(raw: RawMessage) -> Entry | None:
    topic = "" if raw.channel is None else raw.channel.topic
    if topic == REFUSED:
        return Received(decode_parts(raw.data), None, 0, raw.log_time, raw.sequence)
    if topic.startswith(POSE):
        parts = decode_parts(raw.data)
        source = topic.removeprefix(POSE) if topic != OTHERS else parts[0][len(POSE) :].decode() if parts else ""
        return Received(parts, source, raw.publish_time, raw.log_time, raw.sequence)
    if topic == ENDED:
        return Said(decode_ended(raw.data), raw.log_time)
    if topic.startswith(_SAID):
        return Said(decode_json(raw.data), raw.log_time)
    return None  # a channel of somebody else's, or of a later version


def _about(path: Path, frames: Frames) -> About:
    if not frames.profile and not frames.ended and not frames.chunks:
        raise RecordingError(f"{path}: is cut off after {frames.size} bytes, before anything was recorded")
    if frames.profile != PROFILE:
        raise RecordingError(
            f"{path}: is an MCAP file of profile {frames.profile!r:.40}; expected a recording of dyadwatch"
        )
    found = [m.metadata for m in frames.metadata if m.name == ABOUT]
    if not found:
        raise RecordingError(f"{path}: does not say where it comes from; expected metadata named {ABOUT!r}")
    try:
        about = msgspec.convert(found[0], About)
    except msgspec.ValidationError as e:
        raise RecordingError(f"{path}: metadata {ABOUT!r}: {e}") from None
    if about.format != str(FORMAT):
        raise RecordingError(f"{path}: is of format {about.format!r:.20}; this program reads format {FORMAT}")
    for name in ("run", "part"):
        value = getattr(about, name)
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise RecordingError(f"{path}: metadata {ABOUT!r}: {name} is {value!r:.40}; expected a number")
    return about
