"""The records of an MCAP file, found one by one, so that damage in one place costs no more than that place.

A whole file ends with an index, but a file cut short has none: what is whole is found from the beginning instead.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Header, Metadata
from mcap.records import Schema as McapSchema
from mcap.writer import MCAP0_MAGIC

from dyadwatch.core.errors import RecordingError

_HEAD = struct.Struct("<BQ")
_CHUNK_HEAD = struct.Struct("<QQQII")
_MESSAGE_HEAD = struct.Struct("<HIQQ")
_LARGEST_RECORD = 512 << 20  # nothing a recorder writes; lengths beyond are damage
_LARGEST_CHUNK = 256 << 20
# What a damaged record makes the library and the decompressors raise.
_DAMAGE = (McapError, ValueError, KeyError, struct.error, zstandard.ZstdError, RuntimeError, MemoryError, OverflowError)


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """Where a chunk lies: offset and length of its content, and the log times (ns) it claims."""

    offset: int
    length: int
    start: int
    end: int


@dataclass(slots=True)
class Frames:
    """What stands outside of chunks, and where the chunks are.

    Arguments:
        size: bytes of the file.
        whole: bytes up to the end of the last whole record.
        ended: whether the file was closed properly.
    """

    size: int
    whole: int = 0
    ended: bool = False
    profile: str = ""
    chunks: list[ChunkPlace] = field(default_factory=list)
    metadata: list[Metadata] = field(default_factory=list)
    channels: dict[int, Channel] = field(default_factory=dict)
    schemas: dict[int, McapSchema] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as it stands in a chunk."""

    channel: Channel | None
    sequence: int
    log_time: int
    publish_time: int
    data: bytes


def is_mcap(path: Path) -> bool:
    """Whether a file begins as MCAP files do; False for what cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(MCAP0_MAGIC)) == MCAP0_MAGIC
    except OSError:
        return False


def find_frames(stream: BinaryIO, path: Path) -> Frames:
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
    frames = Frames(size, whole=len(magic))
    at = len(MCAP0_MAGIC)
    while True:
        stream.seek(at)
        head = stream.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return frames
        opcode, length = _HEAD.unpack(head)
        end = at + _HEAD.size + length
        if opcode == 0 or length > _LARGEST_RECORD or end > size:
            return frames
        if not _note(frames, stream, opcode, at + _HEAD.size, length):
            return frames
        frames.whole = at = end
        if opcode == Opcode.FOOTER:
            frames.ended = stream.seek(at) == at and stream.read(len(MCAP0_MAGIC)) == MCAP0_MAGIC
            frames.whole = size if frames.ended else at
            return frames


def _note(frames: Frames, stream: BinaryIO, opcode: int, offset: int, length: int) -> bool:
    """Takes note of one record; False when it makes no sense, so that nothing behind it can be trusted."""
    if opcode == Opcode.CHUNK:
        head = stream.read(_CHUNK_HEAD.size)
        if len(head) < _CHUNK_HEAD.size:
            return False
        start, end, _, _, _ = _CHUNK_HEAD.unpack(head)
        frames.chunks.append(ChunkPlace(offset, length, start, end))
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
    except _DAMAGE:
        return opcode in (Opcode.CHANNEL, Opcode.SCHEMA)
    return True


def read_chunk(stream: BinaryIO, place: ChunkPlace, frames: Frames) -> Iterator[RawMessage]:
    """The messages of a chunk, in the order in which they were written. Channels found in it are noted in `frames`.

    Raises:
        ValueError: when the chunk is damaged; nothing of it is given out.
    """
    try:
        stream.seek(place.offset)
        chunk = Chunk.read(ReadDataStream(BytesIO(stream.read(place.length))))
        data = _unpack(chunk)
        records = list(_records(data))
        for opcode, at, end in records:
            if opcode == Opcode.CHANNEL:
                channel = Channel.read(ReadDataStream(BytesIO(data[at:end])))
                frames.channels[channel.id] = channel
            elif opcode == Opcode.SCHEMA:
                schema = McapSchema.read(ReadDataStream(BytesIO(data[at:end])))
                frames.schemas[schema.id] = schema
    except _DAMAGE as e:
        raise ValueError(str(e) or type(e).__name__) from None
    channels = frames.channels
    head = _MESSAGE_HEAD.size
    return (
        RawMessage(channels.get(channel), sequence, log_time, publish_time, data[at + head : end])
        for opcode, at, end in records
        if opcode == Opcode.MESSAGE and end - at >= head
        for channel, sequence, log_time, publish_time in (_MESSAGE_HEAD.unpack_from(data, at),)
    )


def _unpack(chunk: Chunk) -> bytes:
    size = chunk.uncompressed_size
    if size > _LARGEST_CHUNK:
        raise ValueError(f"claims {size} bytes")
    if chunk.compression == "zstd":
        if zstandard.frame_content_size(chunk.data) > size:  # what it claims itself would be allocated unseen
            raise ValueError("its two sizes differ")
        data = zstandard.ZstdDecompressor().decompress(chunk.data, max_output_size=size)
    elif chunk.compression == "lz4":
        data = lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, max_length=size)
    elif not chunk.compression:
        data = chunk.data
    else:
        raise ValueError(f"compression {chunk.compression!r:.40}")
    if len(data) != size:
        raise ValueError(f"holds {len(data)} bytes instead of {size}")
    if chunk.uncompressed_crc and zlib.crc32(data) != chunk.uncompressed_crc:
        raise ValueError("checksum")
    return data


def _records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(opcode, start, end) of every record in a chunk's data."""
    at = 0
    while at < len(data):
        opcode, length = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        at = start + length
        if at > len(data):
            raise ValueError("a record reaches beyond the chunk")
        yield opcode, start, at
