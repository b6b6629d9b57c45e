"""What the detector says: scores, events and status, the JSON objects of the wire out. Keys: docs/wire-protocol.md."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from dyadwatch.core.pose import TrackId

VERSION = 1
State = Literal["watching", "behind", "blind", "silent"]


class ScoreMessage(Struct, frozen=True, kw_only=True, tag_field="kind", tag="score"):
    """How unusual one pair was in one window; scores are -log10 of the tail probability of normal windows."""

    v: int = VERSION
    source: str
    pair: tuple[TrackId, TrackId]
    start: int
    end: int
    score: float
    relation: float
    unusual: float
    model: str
    latency_ms: float

    @property
    def topic(self) -> str:
        """Topic it is published under."""
        return f"score.{self.source}"


class JointPairPart(Struct, frozen=True, kw_only=True):
    """A joint of the first person and one of the second, and their part in what is unusual.

    `share` is 0..1 of the whole; `shift_m` says by how many metres they are farther apart (negative: closer) than in
    the most similar normal window.
    """

    first: str
    second: str
    share: float
    shift_m: float


class EventMessage(Struct, frozen=True, kw_only=True, tag_field="kind", tag="event"):
    """A change in an event: opened, still going on, closed."""

    v: int = VERSION
    type: Literal["open", "update", "close"]
    id: str
    source: str
    pair: tuple[TrackId, TrackId]
    clock: str
    start: int
    end: int | None
    stamp: int
    score: float
    relation: float
    unusual: float
    peak_score: float
    peak_stamp: int
    threshold: float
    reason: str
    joints: tuple[JointPairPart, ...]
    explanation: str
    model: str

    @property
    def topic(self) -> str:
        """Topic it is published under."""
        return f"event.{self.source}"


class StatusMessage(Struct, frozen=True, kw_only=True, tag_field="kind", tag="status"):
    """How a source is doing; `dropped` counts by reason since the start of the detector, `warnings` are its own.

    `age_ms` is how late what is known of the source comes beyond the shortest way of the last minute; `behind` is a
    source that is watched, but later than `liveness.behind_s`.
    """

    v: int = VERSION
    source: str
    state: State
    blind: str | None
    fps: float
    people: int
    pairs: int
    frames: int
    windows: int
    open_events: int
    dropped: dict[str, int]
    clock: str
    clock_offset_ms: float | None
    last_stamp: int
    model: str
    provider: str
    recording: str | None = None
    clock_skew_ppm: float | None = None
    age_ms: float | None = None
    merge: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def topic(self) -> str:
        """Topic it is published under."""
        return f"status.{self.source}"


Message = ScoreMessage | EventMessage | StatusMessage

encode_json = msgspec.json.Encoder().encode
decode_json = msgspec.json.Decoder(Message).decode
