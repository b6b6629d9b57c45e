"""What was found, as a code and its data.

Sentences are made of it where people read it: `stream/texts.py`, `core/sense/sense_words.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Value = int | float | str | tuple[str, ...] | Mapping[str, str | int]
Code = TypeVar("Code", bound=StrEnum, covariant=True)


@dataclass(frozen=True, slots=True, init=False)
class Finding(Generic[Code]):
    """A code and its data: `Finding(Blindness.SILENT, seconds=12.0)`.

    Arguments:
        code: a member of an enum.
        detail: data by name; which names belong to a code is documented with its enum.
    """

    code: Code
    detail: Mapping[str, Value]

    def __init__(self, code: Code, **detail: Value) -> None:
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "detail", detail)
