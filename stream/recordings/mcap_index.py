"""The records of an MCAP file, found one by one, so that damage in one place costs no more than that place.

A whole file ends with an index, but a file cut short has none: what is whole is found from the beginning instead.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Header, Metadata
from mcap.records import Schema as McapSchema
from mcap.writer import MCAP0_MAGIC

from dyadwatch.core.errors import RecordingError

RECORD_HEAD = struct.Struct("<BQ")
_CHUNK_HEAD = struct.Struct("<QQQII")
_LARGEST_RECORD = 512 << 20  # nothing a recorder writes; lengths beyond are damage
# What a file may cost is bounded by its size, so that a small one cannot take all memory and minutes. Poses that never
# change, all of them zero, shrink 600 times at most; what is more comes out of an allowance for the whole file.
_LARGEST_CHUNK = 256 << 20
_MOST_RATIO = 500
_ALLOWANCE = 64 << 20
# What a damaged record makes the library and the decompressors raise.
DAMAGE = (McapError, ValueError, KeyError, struct.error, zstandard.ZstdError, RuntimeError, MemoryError, OverflowError)


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """Where a chunk lies: offset and length of its content, log times (ns) that it claims, why it is not unpacked."""

    offset: int
    length: int
    start: int
    end: int
    refused: str = ""

    def within(self, start: int, end: int) -> bool:
        """Whether it may hold something from `start` up to before `end`; where its claims make no sense it may."""
        return self.start > self.end or (self.end >= start and self.start < end)


@dataclass(slots=True)
class McapIndex:
    """What stands outside of chunks, and where the chunks are.

    Arguments:
        size: bytes of the file.
        whole: bytes up to the end of the last whole record.
        ended: whether the file was closed properly.
        loose: messages outside of chunks, which no recorder writes.
        allowance: bytes that chunks may still expand to beyond what their sizes allow.
    """

    size: int
    whole: int = 0
    ended: bool = False
    loose: int = 0
    allowance: int = _ALLOWANCE
    profile: str = ""
    chunks: list[ChunkPlace] = field(default_factory=list)
    metadata: list[Metadata] = field(default_factory=list)
    channels: dict[int, Channel] = field(default_factory=dict)
    schemas: dict[int, McapSchema] = field(default_factory=dict)


def is_mcap(path: Path) -> bool:
    """Whether a file begins as MCAP files do; False for what cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(MCAP0_MAGIC)) == MCAP0_MAGIC
    except OSError:
        return False


def find_frames(stream: BinaryIO, path: Path) -> McapIndex:
    """Walks over the records of a file without reading the chunks.

    Raises:
        RecordingError: when the file is empty or no MCAP file.
    """
    size = stream.seek(0, 2)
    stream.seek(0)
    magic = stream.read(len(MCAP0_MAGIC))
    if not magic:
        raise RecordingError(f"{path}: is empty; expected a recording (.mcap)")
    if magic != MCAP0_MAGIC[: len(magic)]:
        raise RecordingError(f"{path}: begins with {magic!r}; expected an MCAP file, such as `dyadwatch record` writes")
    frames = McapIndex(size, whole=len(magic))
    at = len(MCAP0_MAGIC)
    while True:
        stream.seek(at)
        head = stream.read(RECORD_HEAD.size)
        if len(head) < RECORD_HEAD.size:
            return frames
        opcode, length = RECORD_HEAD.unpack(head)
        end = at + RECORD_HEAD.size + length
        if opcode == 0 or length > _LARGEST_RECORD or end > size:
            return frames
        if not _note(frames, stream, opcode, at + RECORD_HEAD.size, length):
            return frames
        frames.whole = at = end
        if opcode == Opcode.FOOTER:
            frames.ended = stream.seek(at) == at and stream.read(len(MCAP0_MAGIC)) == MCAP0_MAGIC
            frames.whole = size if frames.ended else at
            return frames


def _note(frames: McapIndex, stream: BinaryIO, opcode: int, offset: int, length: int) -> bool:
    """Records one record; False when it makes no sense, so that nothing behind it can be trusted."""
    if opcode == Opcode.CHUNK:
        head = stream.read(_CHUNK_HEAD.size)
        if len(head) < _CHUNK_HEAD.size:
            return False
        start, end, size, _, _ = _CHUNK_HEAD.unpack(head)
        frames.chunks.append(ChunkPlace(offset, length, start, end, _too_large(frames, length, size)))
        return True
    if opcode == Opcode.MESSAGE:
        frames.loose += 1
        return True
    if opcode not in (Opcode.HEADER, Opcode.METADATA, Opcode.CHANNEL, Opcode.SCHEMA):
        return True
    try:
        data = ReadDataStream(BytesIO(stream.read(length)))
        if opcode == Opcode.HEADER:
            frames.profile = Header.read(data).profile
        elif opcode == Opcode.METADATA:
            frames.metadata.append(Metadata.read(data))
        elif opcode == Opcode.CHANNEL:
            channel = Channel.read(data)
            frames.channels[channel.id] = channel
        else:
            schema = McapSchema.read(data)
            frames.schemas[schema.id] = schema
    except DAMAGE:
        return opcode in (Opcode.CHANNEL, Opcode.SCHEMA)
    return True


def _too_large(frames: McapIndex, length: int, size: int) -> str:
    """Why a chunk is not unpacked, by what it claims alone; empty where there is nothing against it."""
    if size > _LARGEST_CHUNK:
        return f"claims {size} bytes; expected at most {_LARGEST_CHUNK}"
    more = size - _MOST_RATIO * length
    if more > frames.allowance:
        return f"{length} bytes that claim to be {size}; expected at most {_MOST_RATIO} times as many"
    frames.allowance -= max(more, 0)
    return ""
