"""What a row of a table is of: a method, and which of its scores."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class RowPart(StrEnum):
    """A score of a method."""

    JOINED = "joined"
    RELATION = "relation"
    UNUSUAL = "unusual"


class Row(NamedTuple):
    """A row; as text the name of the method, and of the part where that is not the joined score."""

    method: str
    part: RowPart = RowPart.JOINED

    def __str__(self) -> str:
        return self.method if self.part is RowPart.JOINED else f"{self.method}: {self.part}"
