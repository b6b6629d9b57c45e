"""What is in the chunks of an MCAP file; a chunk is unpacked no further than its size allows."""

# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk
from mcap.records import Schema as McapSchema

from dyadwatch.stream.recordings.mcap_index import DAMAGE, RECORD_HEAD, ChunkPlace, McapIndex

_MESSAGE_HEAD = struct.Struct("<HIQQ")
_CHANNEL = struct.Struct("<H")
_PIECE = 1 << 20
_LARGEST_WINDOW = 128 << 20  # a frame may ask for more memory than its chunk holds
# Messages differ in their numbers and times, which takes some 20 bytes each however well the rest is compressed.
_LEAST_MESSAGE = 4
_FREE_RECORDS = 16


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as it stands in a chunk."""

    channel: Channel
    sequence: int
    log_time: int
    publish_time: int
    data: bytes


class ChunkContent:
    """The records of one chunk, unpacked. Channels and schemas found in it are noted in `frames`.

    Arguments:
        stream: of the file.
        place: of the chunk.
        frames: of the file.

    Attributes:
        short: records too short to be messages.

    Raises:
        ValueError: when the chunk is damaged, or larger than it may be; nothing of it is given out.
    """

    def __init__(self, stream: BinaryIO, place: ChunkPlace, frames: McapIndex) -> None:
        self._frames = frames
        self._messages: list[tuple[int, int]] = []
        self.short = 0
        if place.refused:
            raise ValueError(place.refused)
        try:
            stream.seek(place.offset)
            chunk = Chunk.read(ReadDataStream(BytesIO(stream.read(place.length))))
            self._data = _unpack(chunk)
            channels, schemas = self._sort(_FREE_RECORDS + place.length // _LEAST_MESSAGE)
        except DAMAGE as e:
            raise ValueError(str(e) or type(e).__name__) from None
        frames.channels |= {channel.id: channel for channel in channels}
        frames.schemas |= {schema.id: schema for schema in schemas}

    def unknown(self) -> set[int]:
        """Channels of messages in it that stand nowhere in what was read of the file so far."""
        return {_CHANNEL.unpack_from(self._data, at)[0] for at, _ in self._messages} - self._frames.channels.keys()

    def messages(self) -> Iterator[RawMessage | int]:
        """The messages in the order in which they were written; of those without a channel, only their log times."""
        channels, data, head = self._frames.channels, self._data, _MESSAGE_HEAD.size
        for at, end in self._messages:
            number, sequence, log_time, publish_time = _MESSAGE_HEAD.unpack_from(data, at)
            channel = channels.get(number)
            if channel is None:
                yield log_time
            else:
                yield RawMessage(channel, sequence, log_time, publish_time, data[at + head : end])

    def _sort(self, most: int) -> tuple[list[Channel], list[McapSchema]]:
        channels: list[Channel] = []
        schemas: list[McapSchema] = []
        for count, (opcode, at, end) in enumerate(_records(self._data)):
            if count >= most:
                raise ValueError(f"holds more than {most} records, of which each takes {_LEAST_MESSAGE} bytes or more")
            if opcode == Opcode.MESSAGE:
                if end - at >= _MESSAGE_HEAD.size:
                    self._messages.append((at, end))
                else:
                    self.short += 1
            elif opcode == Opcode.CHANNEL:
                channels.append(Channel.read(ReadDataStream(BytesIO(self._data[at:end]))))
            elif opcode == Opcode.SCHEMA:
                schemas.append(McapSchema.read(ReadDataStream(BytesIO(self._data[at:end]))))
        return channels, schemas


def _unpack(chunk: Chunk) -> bytes:
    size = chunk.uncompressed_size
    if chunk.compression == "zstd":
        if zstandard.frame_content_size(chunk.data) > size:  # what it claims itself would be allocated unseen
            raise ValueError("its two sizes differ")
        data = _unpack_zstd(chunk.data, size)
    elif chunk.compression == "lz4":
        data = _unpack_lz4(chunk.data, size)
    elif not chunk.compression:
        data = chunk.data
    else:
        raise ValueError(f"compression {chunk.compression!r:.40}")
    if len(data) != size:
        raise ValueError(f"holds {'more' if len(data) > size else len(data)} bytes instead of {size}")
    if chunk.uncompressed_crc and zlib.crc32(data) != chunk.uncompressed_crc:
        raise ValueError("checksum")
    return data


def _unpack_zstd(packed: bytes, size: int) -> bytes:
    """At most one byte more than `size`, piece by piece: nothing is allocated that is not filled."""
    out = bytearray()
    unpacker = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    with unpacker.stream_reader(packed) as stream:
        while len(out) <= size and (piece := stream.read(min(_PIECE, size + 1 - len(out)))):
            out += piece
    return bytes(out)


def _unpack_lz4(packed: bytes, size: int) -> bytes:
    out = bytearray()
    unpacker: Any = lz4.frame.LZ4FrameDecompressor()
    piece = unpacker.decompress(packed, max_length=min(_PIECE, size + 1))
    while piece and len(out) <= size:
        out += piece
        if unpacker.eof:
            break
        piece = unpacker.decompress(b"", max_length=min(_PIECE, size + 1 - len(out))) if len(out) <= size else b""
    return bytes(out)


def _records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(opcode, start, end) of every record in a chunk's data."""
    at = 0
    while at < len(data):
        opcode, length = RECORD_HEAD.unpack_from(data, at)
        if opcode == 0:
            raise ValueError("a record without a kind")
        start = at + RECORD_HEAD.size
        at = start + length
        if at > len(data):
            raise ValueError("a record reaches beyond the chunk")
        yield opcode, start, at
