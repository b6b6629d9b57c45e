"""`dyadwatch schema`: the JSON Schema of the messages of the detector."""

from __future__ import annotations

import sys

import msgspec

from dyadwatch.stream.message_schema import Kind, message_schema


def schema(kind: Kind | None = None, /) -> None:
    """Print the JSON Schema (draft 2020-12) of the messages of the detector, on its socket and with `run --json`.

    Parameters
    ----------
    kind
        score, event, near_miss, incident, attention or status; without one the schema of all, told apart by their key
        "kind".
    """
    text = msgspec.json.format(msgspec.json.encode(message_schema(kind)), indent=2)
    sys.stdout.write(text.decode() + "\n")
