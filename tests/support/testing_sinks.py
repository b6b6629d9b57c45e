"""A sink of a running detector that is looked into."""

from __future__ import annotations

from collections.abc import Sequence

from dyadwatch.stream.messages import (
    AttentionMessage,
    EventMessage,
    IncidentMessage,
    Message,
    ScoreMessage,
    StatusMessage,
)


class Kept:
    """Keeps what it is told; to be looked at while more comes."""

    def __init__(self) -> None:
        self.all: list[Message] = []

    def emit(self, messages: Sequence[Message]) -> None:
        self.all += messages

    def close(self) -> None:
        """Nothing is held."""

    @property
    def events(self) -> list[EventMessage]:
        return [m for m in list(self.all) if isinstance(m, EventMessage)]

    @property
    def scores(self) -> list[ScoreMessage]:
        return [m for m in list(self.all) if isinstance(m, ScoreMessage)]

    @property
    def statuses(self) -> list[StatusMessage]:
        return [m for m in list(self.all) if isinstance(m, StatusMessage)]

    @property
    def attention(self) -> list[str]:
        return [str(m.what) for m in list(self.all) if isinstance(m, AttentionMessage)]

    def incidents(self, about: str = "interaction") -> list[IncidentMessage]:
        return [m for m in list(self.all) if isinstance(m, IncidentMessage) and m.about == about]

    def last_status(self, source: str) -> StatusMessage | None:
        return next((m for m in reversed(self.statuses) if m.source == source), None)
