"""What the sections of the configuration are made of: their base, and types that know their bounds and their words.

The docstring of a section, and the text below each of its keys, are what config.yaml, `dyadwatch config show` and
`dyadwatch config schema` say of it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=1, le=65535)]

NAME = r"[A-Za-z0-9_-]{1,64}"  # of sources, groups and whatever else has one on the wire
PORT = r"(?:[0-5]?\d{1,4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
ADDRESS = rf"tcp://(?:\*|[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.%]+\]):(?:\*|{PORT})|ipc://.+"


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: immutable, keyword only, unknown keys refused."""


def shaped(pattern: str, expected: str) -> Meta:
    """Text of which all must fit a pattern; `expected` says in words what fits."""
    return Meta(pattern=rf"^(?:{pattern})$(?!\n)", extra={"expected": expected})
