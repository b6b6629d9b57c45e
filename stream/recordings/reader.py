"""Reads recordings back: whole ones, those that a crash cut short, and those that were damaged since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from dyadwatch.core.errors import RecordingError
from dyadwatch.core.iso_time import moment
from dyadwatch.core.words import counted
from dyadwatch.stream.codes import FileLoss
from dyadwatch.stream.messages import VERSION, decode_json, version_of
from dyadwatch.stream.recordings.channels import (
    ABOUT,
    ENDED,
    FORMAT,
    OTHERS,
    POSE,
    PROFILE,
    REFUSALS,
    REFUSED,
    RecordingHeader,
    Schema,
    decode_ended,
    decode_parts,
    decode_refused,
    schema_of_topic,
)
from dyadwatch.stream.recordings.chunks import ChunkContent, RawMessage
from dyadwatch.stream.recordings.mcap_index import ChunkPlace, McapIndex, find_frames
from dyadwatch.stream.recordings.write_queue import Published, ReceivedMessage
from dyadwatch.stream.texts import FILE_LOSS

Entry = ReceivedMessage | Published
_SAID = ("score.", "event.", "near_miss.", "incident.", "attention.", "status.")
_MOST_NOTES = 100  # about single places; further ones are counted


class Recording:
    """One file of a recording.

    Arguments:
        path: an MCAP file.

    Attributes:
        about: where it comes from.

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
        self._notes: list[str] = []
        self._lost: Counter[FileLoss] = Counter()
        self._first: dict[FileLoss, str] = {}
        if not self._frames.ended:
            self._notes.append(f"{path}: {_open_end(self._frames)}")
        if self._frames.loose:
            self._lost[FileLoss.OUTSIDE_CHUNKS] = self._frames.loose

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

    @property
    def left_out(self) -> dict[str, int]:
        """How much of what was asked for could not be given out, by reason; complete once all entries were read."""
        return {str(reason): n for reason, n in self._lost.items()}

    @property
    def notes(self) -> list[str]:
        """What is missing and why, in sentences; complete once all entries were read."""
        told: list[str] = []
        for reason, n in self._lost.items():
            thing, why = FILE_LOSS[reason]
            first = f" ({self._first[reason]})" if reason in self._first else ""
            if reason is not FileLoss.CHUNK_DAMAGED:  # they are reported one by one
                told.append(f"{self.path}: {counted(n, thing)} {why}{first}")
        further = self._lost[FileLoss.CHUNK_DAMAGED] - _MOST_NOTES
        if further > 0:
            told.append(f"{self.path}: {counted(further, 'more chunk')} {FILE_LOSS[FileLoss.CHUNK_DAMAGED][1]}")
        return self._notes + told

    def entries(
        self, start: int = 0, end: int = 2**63, received: Callable[[RawMessage], object] | None = None
    ) -> Iterator[Entry]:
        """What was received and said, in the order in which it was written.

        Arguments:
            start, end: unix ns; only what was recorded from the one up to before the other.
            received: is given what was received as it stands in the file, which is left out then: a day of it takes
                minutes to decode, and what the detector said of it seconds.
        """
        losses = _Losses(self._lost)
        for raw in self.messages(start, end):
            if received is not None and raw.channel.topic.startswith((POSE, REFUSED)):
                received(raw)
                continue
            try:
                entry = _entry(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError) as e:
                losses.add(FileLoss.UNREADABLE)
                self._first.setdefault(FileLoss.UNREADABLE, f"the first at {moment(raw.log_time)}: {e!s:.200}")
                continue
            if isinstance(entry, FileLoss):
                losses.add(entry)
                self._first.setdefault(entry, f"the first on {raw.channel.topic!r:.80}")
            else:
                yield entry

    def messages(self, start: int = 0, end: int = 2**63) -> Iterator[RawMessage]:
        """The same, as it stands in the file."""
        losses = _Losses(self._lost)
        passed: list[ChunkPlace] = []  # chunks before, of which nothing is wanted but perhaps their channels
        with self.path.open("rb") as stream:
            for place in self._frames.chunks:
                if not place.within(start, end):
                    passed.append(place)
                    continue
                content = self._unpacked(stream, place, losses)
                if content is None:
                    continue
                while passed and content.unknown():
                    self._unpacked(stream, passed.pop(0), losses)
                losses.add(FileLoss.RECORD_SHORT, content.short)
                for raw in content.messages():
                    if isinstance(raw, int):
                        losses.add(FileLoss.CHANNEL_LOST, start <= raw < end)
                    elif start <= raw.log_time < end:
                        yield raw

    def schema(self, raw: RawMessage) -> Schema | None:
        """The schema of a message; None where the file has lost it and its topic is none of this program's."""
        found = self._frames.schemas.get(raw.channel.schema_id)
        if found is None:
            return schema_of_topic(raw.channel.topic)
        return Schema(found.name, found.encoding, found.data)

    def _unpacked(self, stream: BinaryIO, place: ChunkPlace, losses: _Losses) -> ChunkContent | None:
        try:
            return ChunkContent(stream, place, self._frames)
        except ValueError as e:
            losses.add(FileLoss.CHUNK_DAMAGED)
            note = f"{self.path}: {_damage(place, str(e))}"
            if note not in self._notes and len(self._notes) <= _MOST_NOTES:
                self._notes.append(note)
            return None


class _Losses:
    """Counts what one reading of a file cannot give out; of several readings the one that misses most is reported."""

    def __init__(self, most: Counter[FileLoss]) -> None:
        self._most = most
        self._mine: Counter[FileLoss] = Counter()

    def add(self, reason: FileLoss, n: int = 1) -> None:
        """Counts so many more."""
        if n:
            self._mine[reason] += n
            self._most[reason] = max(self._most[reason], self._mine[reason])


def _damage(place: ChunkPlace, why: str) -> str:
    what = "is not unpacked" if place.refused else "is damaged"
    return (
        f"the chunk at byte {place.offset} {what} ({why}) and left out; "
        f"what came from {moment(place.start)} to {moment(place.end)} is missing"
    )


def _open_end(frames: McapIndex) -> str:
    """How a file ends that was not closed. Where the last record is whole it was killed, and not torn."""
    last = moment(frames.chunks[-1].end) if frames.chunks else None
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


def _entry(raw: RawMessage) -> Entry | FileLoss:
    topic = raw.channel.topic
    if topic == REFUSALS:
        refused = decode_refused(raw.data)
        return ReceivedMessage([refused.topic.encode()], None, 0, raw.log_time, raw.sequence, refused)
    if topic == REFUSED:
        return ReceivedMessage(decode_parts(raw.data), None, 0, raw.log_time, raw.sequence)
    if topic.startswith(POSE):
        parts = decode_parts(raw.data)
        source = topic.removeprefix(POSE) if topic != OTHERS else parts[0][len(POSE) :].decode() if parts else ""
        return ReceivedMessage(parts, source, raw.publish_time, raw.log_time, raw.sequence)
    if topic == ENDED:
        return Published(decode_ended(raw.data), raw.log_time)
    if topic.startswith(_SAID):
        if version_of(raw.data) != VERSION:
            return FileLoss.OTHER_VERSION
        return Published(decode_json(raw.data), raw.log_time)
    return FileLoss.CHANNEL_UNKNOWN  # a channel of somebody else's, or of a later version


def _about(path: Path, frames: McapIndex) -> RecordingHeader:
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
        about = msgspec.convert(found[0], RecordingHeader)
    except msgspec.ValidationError as e:
        raise RecordingError(f"{path}: metadata {ABOUT!r}: {e}") from None
    if about.format != str(FORMAT):
        raise RecordingError(f"{path}: is of format {about.format!r:.20}; this program reads format {FORMAT}")
    for name in ("run", "part"):
        value = getattr(about, name)
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise RecordingError(f"{path}: metadata {ABOUT!r}: {name} is {value!r:.40}; expected a number")
    return about
