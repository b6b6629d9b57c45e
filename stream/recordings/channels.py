"""What a recording holds: channels, their encodings and schemas. See docs/recordings.md.

Pose messages are kept as they came, part by part; what the detector said is kept as the JSON it said it in.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct, inspect

from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.messages import (
    AttentionMessage,
    EventMessage,
    IncidentMessage,
    Message,
    NearMissMessage,
    ScoreMessage,
    StatusMessage,
)

FORMAT = 1
PROFILE = "dyadwatch"
ABOUT = "dyadwatch"  # name of the metadata record at the head of every file

POSE = "pose."
OTHERS = "pose.@others"  # once a file has a channel for MOST_SOURCES sources
MOST_SOURCES = 1024
REFUSED = "refused"  # whole, in recordings made by earlier versions
REFUSALS = "refused_digest"
ENDED = "ended"

_MULTIPART = """\
The parts of one ZeroMQ message as received: a msgpack array of byte strings. For dyadwatch they are topic, header
(msgpack map) and payload (little-endian float32); docs/wire-protocol.md describes them.
log_time: when it was received, by the receiver's clock. publish_time: the frame's own stamp, or log_time.
sequence: number of the message among all that were received, from 0; what is missing was not recorded.
"""


class EndReason(StrEnum):
    """Why the detector gave up a source."""

    SOURCE_FORGOTTEN = PairEnd.SOURCE_FORGOTTEN
    SHUTDOWN = PairEnd.SHUTDOWN
    END_OF_STREAM = PairEnd.END_OF_STREAM


class Ended(Struct, frozen=True, kw_only=True, tag_field="kind", tag="ended"):
    """The detector gave up a source at this point: it was silent for too long, or the detector was stopped."""

    v: int = FORMAT
    source: str
    reason: EndReason


class RefusedMessage(Struct, frozen=True, kw_only=True, tag_field="kind", tag="refused"):
    """What is kept of a message that broke the protocol: enough to find out who sends what, whatever its size.

    Arguments:
        reason: as it was counted.
        topic: the first 256 bytes of the first part; what is no UTF-8 is escaped.
        parts: how many there were.
        sizes: bytes of the first 16 parts.
        bytes: of all parts.
        sha256: of all parts one after the other, in hex; empty where several messages are only counted.
        header: the first 256 bytes of the second part, in hex.
        count: messages that this stands for; more than were reported one by one are only counted.
    """

    v: int = FORMAT
    reason: str
    topic: str
    parts: int = 0
    sizes: list[int] = []
    bytes: int = 0
    sha256: str = ""
    header: str = ""
    count: int = 1


class RecordingHeader(Struct, frozen=True, kw_only=True):
    """Where a file comes from; kept as MCAP metadata, whose values are all text.

    Arguments:
        format: of the recording.
        run: made by one run of the recorder; the same in all its files, larger in later runs.
        part: number of the file in its run, from 1.
        program: what wrote it.
        started: unix ns when the run began.
        origin: `received`, or `cut` or `merged` out of other recordings.
        config: the configuration of the detector as JSON; empty where no detector ran.
        model: name and version of the model; empty where no detector ran.
        model_sha256: of its file.
        raise_at, clear_at: the thresholds in force; empty where no detector ran.
        rules: what the evidence was made of, as JSON; empty where it was the score.
    """

    format: str = str(FORMAT)
    run: str
    part: str = "1"
    program: str = ""
    started: str = ""
    origin: str = "received"
    config: str = ""
    model: str = ""
    model_sha256: str = ""
    raise_at: str = ""
    clear_at: str = ""
    rules: str = ""


class Schema(Struct, frozen=True):
    """An MCAP schema."""

    name: str
    encoding: str
    data: bytes


_SIMPLE: dict[type[inspect.Type], str] = {
    inspect.BoolType: "boolean",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.StrType: "string",
}


def _plain(kind: inspect.Type) -> dict[str, Any]:
    """A JSON schema without references and with one type a key, the part of the language that viewers understand."""
    match kind:
        case inspect.Metadata():  # descriptions are not part of a recording
            return _plain(kind.type)
        case inspect.BoolType() | inspect.IntType() | inspect.FloatType() | inspect.StrType():
            return {"type": _SIMPLE[type(kind)]}
        case inspect.EnumType():
            return {"type": "string", "enum": [member.value for member in kind.cls]}
        case inspect.LiteralType():
            return {"type": "string", "enum": list(kind.values)}
        case inspect.VarTupleType() | inspect.ListType():
            return {"type": "array", "items": _plain(kind.item_type)}
        case inspect.TupleType():
            return {"type": "array", "items": _plain(kind.item_types[0])}
        case inspect.DictType():
            mixed = isinstance(kind.value_type, inspect.UnionType)
            return {"type": "object"} | ({} if mixed else {"additionalProperties": _plain(kind.value_type)})
        case inspect.UnionType():
            some = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
            note = {"description": "or null"} if len(some) < len(kind.types) else {"description": "text or a number"}
            return _plain(some[-1]) | note
        case inspect.StructType():
            own = {f.encode_name: _plain(f.type) for f in kind.fields}
            tag = {kind.tag_field: {"type": "string", "const": kind.tag}} if kind.tag_field else {}
            return {"type": "object", "properties": tag | own}
        case _:
            raise TypeError(f"no JSON schema for {kind}")


def _json_schema(name: str, struct: type[Struct]) -> Schema:
    plain = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name}
    return Schema(f"dyadwatch.{name}", "jsonschema", msgspec.json.encode(plain | _plain(inspect.type_info(struct))))


MULTIPART = Schema("dyadwatch.Multipart", "text", _MULTIPART.encode())
ENDED_SCHEMA = _json_schema("Ended", Ended)
REFUSED_SCHEMA = _json_schema("Refused", RefusedMessage)
_OF_MESSAGE = {
    ScoreMessage: _json_schema("Score", ScoreMessage),
    EventMessage: _json_schema("Event", EventMessage),
    NearMissMessage: _json_schema("NearMiss", NearMissMessage),
    IncidentMessage: _json_schema("Incident", IncidentMessage),
    AttentionMessage: _json_schema("Attention", AttentionMessage),
    StatusMessage: _json_schema("Status", StatusMessage),
}
JSON, MSGPACK = "json", "msgpack"

encode_parts = msgspec.msgpack.Encoder().encode
decode_parts = msgspec.msgpack.Decoder(list[bytes]).decode
encode_ended = msgspec.json.Encoder().encode
decode_ended = msgspec.json.Decoder(Ended).decode
encode_refused = msgspec.json.Encoder().encode
decode_refused = msgspec.json.Decoder(RefusedMessage).decode


def schema_of(message: Message | type[Message]) -> Schema:
    """The schema of a message of the detector."""
    return _OF_MESSAGE[message if isinstance(message, type) else type(message)]


def schema_of_topic(topic: str) -> Schema | None:
    """The schema of what a channel holds, by its name alone; None for a channel that is not of this program."""
    own = {"pose": MULTIPART, REFUSED: MULTIPART, REFUSALS: REFUSED_SCHEMA, ENDED: ENDED_SCHEMA}
    own |= {"score": schema_of(ScoreMessage), "event": schema_of(EventMessage)}
    own |= {"near_miss": schema_of(NearMissMessage)}
    own |= {"incident": schema_of(IncidentMessage), "attention": schema_of(AttentionMessage)}
    own |= {"status": schema_of(StatusMessage)}
    return own.get(topic.partition(".")[0])


def event_time(message: Message) -> int | None:
    """The moment on its source's clock that a message is about; None for a status."""
    match message:
        case ScoreMessage():
            return message.end
        case EventMessage() | NearMissMessage() | IncidentMessage():
            return message.stamp
        case _:
            return None
