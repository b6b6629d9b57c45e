"""JSON Schema (draft 2020-12) of what the detector says, made of the message types themselves."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from dyadwatch.stream.messages import (
    VERSION,
    AttentionMessage,
    EventMessage,
    IncidentMessage,
    NearMissMessage,
    ScoreMessage,
    StatusMessage,
)

Kind = Literal["score", "event", "near_miss", "incident", "attention", "status"]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {
    "score": ScoreMessage,
    "event": EventMessage,
    "near_miss": NearMissMessage,
    "incident": IncidentMessage,
    "attention": AttentionMessage,
    "status": StatusMessage,
}
_REFERENCE = "#/$defs/{name}"


def message_schema(kind: Kind | None = None) -> dict[str, Any]:
    """The schema of one kind of message; without one, that of all, told apart by their key `kind`.

    Every key is required: the detector leaves none out. Others, and other codes, may come in later versions.
    """
    types = list(_TYPES.values()) if kind is None else [_TYPES[kind]]
    roots, parts = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    for part in parts.values():
        part["description"] = " ".join(part["description"].split())
        if "properties" not in part:  # the codes of an enum
            continue
        keys = part["properties"]
        part["required"] = list(keys)
        for key in keys.values():
            key.pop("default", None)
        if "v" in keys:
            keys["v"]["const"] = VERSION
    if kind is None:
        head: dict[str, Any] = {
            "title": "dyadwatch messages",
            "description": "What the detector says: one JSON object on its PUB socket, or on a line of run --json.",
            "oneOf": list(roots),
        }
    else:
        head = parts.pop(_TYPES[kind].__name__)
    return {"$schema": DIALECT, **head} | ({"$defs": parts} if parts else {})
