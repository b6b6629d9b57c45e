"""Incidents to keep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.stream.alarms.incident import Incident, PairIds
from dyadwatch.stream.codes import EventReason, IncidentReason
from dyadwatch.stream.configuration.config import IncidentOptions, MemoryOptions
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import EventMessage, EventRule, IncidentMessage
from dyadwatch.stream.run import Run

S = 1_000_000_000
T0 = 1_700_000_000 * S
Kind = Literal["open", "update", "close"]


def incident(
    kind: Kind = "open", pair: PairIds = (1, 2), start_s: float = 0.0, source: str = "hall", **changes: Any
) -> IncidentMessage:
    """A message of the incident of a pair that began so many seconds after T0; told two seconds later."""
    start = T0 + round(start_s * S)
    event = EventMessage(
        type="open",
        id=f"{source}{pair}{start_s}",
        source=source,
        pair=pair,
        clock="unix",
        start=start,
        end=None,
        stamp=start + 2 * S,
        score=3.5,
        relation=0.0,
        unusual=3.5,
        peak_score=3.5,
        peak_stamp=start,
        threshold=2.5,
        evidence=1.4,
        rule=EventRule(part=ScorePart.SCORE, over_s=0.0, mean=3.5),
        reason=EventReason.ENOUGH_EVIDENCE,
        text="",
        joints=(),
        explanation="1's left wrist is 0.40 m closer to 2's head",
        model="m 1",
    )
    one = Incident(event, IncidentOptions())
    one.note(event)
    reasons = {
        "open": IncidentReason.OPENED,
        "update": IncidentReason.PAIR_JOINED,
        "close": IncidentReason.CALM_AGAIN,
    }
    return msgspec.structs.replace(one.tell(kind, reasons[kind], start + 2 * S), **changes)


@pytest.fixture(name="incident")
def incident_fixture() -> Callable[..., IncidentMessage]:
    return incident


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "incidents.db"


@pytest.fixture
def writer(path: Path) -> Callable[..., MemoryWriter]:
    """A new run that writes the file, begun so many seconds after T0."""

    def begin(at_s: float = 0.0, name: str = "", **options: Any) -> MemoryWriter:
        now = T0 + round(at_s * S)
        run = Run(name or f"run{at_s}", now)
        return MemoryWriter(path, MemoryOptions(**options), run, "dyadwatch 0", "m 1", now)

    return begin
