"""One MCAP file that is being written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from mcap.data_stream import RecordBuilder
from mcap.records import Channel
from mcap.records import Schema as McapSchema
from mcap.writer import CompressionType, Writer

from dyadwatch.stream.messages import Message, encode_json
from dyadwatch.stream.recordings.channels import (
    ABOUT,
    ENDED,
    ENDED_SCHEMA,
    JSON,
    MSGPACK,
    MULTIPART,
    PROFILE,
    REFUSALS,
    REFUSED_SCHEMA,
    Ended,
    RecordingHeader,
    RefusedMessage,
    Schema,
    encode_ended,
    encode_parts,
    encode_refused,
    event_time,
    schema_of,
)

_CHUNK_BYTES = 4 << 20  # a chunk ends when it is flushed; this bounds the memory between two flushes


class RecordingFile:
    """Writes a recording. What was flushed can be read back even if the program is killed the next moment.

    Channels and schemas stand outside of the chunks as well, before the first that needs them: who reads a part of a
    file that is not closed need not unpack what comes before it, and a damaged chunk costs no more than itself.

    Arguments:
        path: must not exist.
        about: written at the head of the file.

    Raises:
        OSError: here and in every method, when the file cannot be written.
    """

    def __init__(self, path: Path, about: RecordingHeader) -> None:
        self.path = path
        self._stream = path.open("xb")
        self._writer = Writer(self._stream, chunk_size=_CHUNK_BYTES, compression=CompressionType.ZSTD)
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        try:
            self._writer.start(profile=PROFILE)
            self._writer.add_metadata(ABOUT, msgspec.to_builtins(about))
            self._writer.flush()
        except BaseException:
            self.abandon()
            raise

    @property
    def size(self) -> int:
        """Bytes written so far; what was not flushed is not in it."""
        return self._stream.tell()

    @property
    def topics(self) -> int:
        """How many channels there are."""
        return len(self._channels)

    def knows(self, topic: str) -> bool:
        """Whether there is a channel for the topic."""
        return topic in self._channels

    def parts(self, topic: str, parts: Sequence[bytes], log_time: int, publish_time: int, sequence: int) -> None:
        """Adds a message as received."""
        self.raw(topic, MULTIPART, MSGPACK, encode_parts(parts), log_time, publish_time, sequence)

    def message(self, message: Message, log_time: int) -> None:
        """Adds a score, event or status."""
        at = event_time(message)
        data = encode_json(message)
        self.raw(message.topic, schema_of(message), JSON, data, log_time, log_time if at is None else at, 0)

    def ended(self, ended: Ended, log_time: int) -> None:
        """Adds that a source was given up."""
        self.raw(ENDED, ENDED_SCHEMA, JSON, encode_ended(ended), log_time, log_time, 0)

    def refused(self, refused: RefusedMessage, log_time: int, sequence: int) -> int:
        """Adds what is kept of a refused message; returns its bytes."""
        data = encode_refused(refused)
        self.raw(REFUSALS, REFUSED_SCHEMA, JSON, data, log_time, log_time, sequence)
        return len(data)

    def raw(
        self,
        topic: str,
        schema: Schema,
        encoding: str,
        data: bytes,
        log_time: int,
        publish_time: int,
        sequence: int,
    ) -> None:
        """Adds a message of any channel."""
        channel = self._channels.get(topic)
        if channel is None:
            number = self._schema(schema)
            channel = self._channels[topic] = self._writer.register_channel(topic, encoding, number)
            self._beside(Channel(channel, topic, encoding, {}, number))
        self._writer.add_message(channel, log_time, data, publish_time, sequence % 2**32)

    def flush(self) -> None:
        """Ends the chunk and hands it to the operating system."""
        self._writer.flush()

    def close(self) -> None:
        """Writes the index and closes the file."""
        self._writer.finish()
        self._stream.close()

    def abandon(self, keep: int | None = None) -> None:
        """Closes the file as it is, without an index; its first `keep` bytes only, if given."""
        try:
            self._stream.close()
        except OSError:  # the disk is full or gone; what was flushed is there
            self._stream.raw.close()
        if keep is not None:
            with self.path.open("r+b") as stream:
                stream.truncate(keep)

    def _schema(self, schema: Schema) -> int:
        known = self._schemas.get(schema.name)
        if known is None:
            known = self._writer.register_schema(schema.name, schema.encoding, schema.data)
            self._schemas[schema.name] = known
            self._beside(McapSchema(known, schema.data, schema.encoding, schema.name))
        return known

    def _beside(self, record: Channel | McapSchema) -> None:
        """Writes a record before the chunk in progress, which is still in memory."""
        builder = RecordBuilder()
        record.write(builder)
        self._stream.write(builder.end())
