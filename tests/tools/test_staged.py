"""Events held against what was staged."""

from __future__ import annotations

from typing import Literal

import pytest

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.staged import match
from dyadwatch.staged_incidents import group
from dyadwatch.stream.alarms.incident import Incident
from dyadwatch.stream.codes import EventReason, IncidentReason
from dyadwatch.stream.configuration.config import IncidentOptions
from dyadwatch.stream.messages import EventMessage, EventRule, IncidentMessage
from dyadwatch.stream.publishers.simulator.scenario import Interval

S = 1_000_000_000


def event(
    kind: Literal["open", "update", "close"], name: str, pair: tuple[int, int], start_s: float, stamp_s: float
) -> EventMessage:
    """A change in an event, with all that `match` does not look at left plain."""
    return EventMessage(
        type=kind,
        id=name,
        source="s",
        pair=pair,
        clock="unix",
        start=round(start_s * S),
        end=None,
        stamp=round(stamp_s * S),
        score=3.0,
        relation=0.0,
        unusual=3.0,
        peak_score=3.0,
        peak_stamp=0,
        threshold=2.0,
        evidence=1.5,
        rule=EventRule(part=ScorePart.SCORE, over_s=0.0, mean=3.0),
        reason=EventReason.CALM_AGAIN,
        text="calm again",
        joints=(),
        explanation="",
        model="m",
    )


def staged(kind: str, people: tuple[int, ...], start_s: float, end_s: float, anomalous: bool = True) -> Interval:
    """Something that happened."""
    return Interval(kind, anomalous, people, round(start_s * S), round(end_s * S))


@pytest.mark.parametrize(
    ("pair", "start_s", "stamp_s", "found"),
    [
        ((1, 2), 11.0, 11.5, True),
        ((2, 3), 11.0, 11.5, True),  # a bystander's pair with one of the two tells of the same happening
        ((3, 4), 11.0, 11.5, False),  # nobody involved
        ((1, 2), 14.4, 14.9, True),  # the window still holds the end of it
        ((1, 2), 14.6, 15.1, False),  # too late
    ],
)
def test_an_event_belongs_to_an_anomaly_by_people_and_time(
    pair: tuple[int, int], start_s: float, stamp_s: float, found: bool
) -> None:
    outcomes, false_alarms = match([staged("push", (1, 2), 10, 12)], [event("open", "a", pair, start_s, stamp_s)])
    assert [o.event is not None for o in outcomes] == [found]
    assert len(false_alarms) == (not found)


def test_an_event_that_closed_before_the_anomaly_is_a_false_alarm() -> None:
    events = [event("open", "a", (1, 2), 3, 3.5), event("close", "a", (1, 2), 3, 6)]
    outcomes, false_alarms = match([staged("push", (1, 2), 10, 12)], events)
    assert outcomes[0].event is None
    assert [e.id for e in false_alarms] == ["a"]


def test_the_delay_counts_from_the_start_of_the_anomaly_to_the_opening_of_the_first_event() -> None:
    events = [event("open", "b", (2, 3), 11.5, 12.0), event("open", "a", (1, 2), 11.0, 11.5)]
    outcomes, false_alarms = match([staged("push", (1, 2), 10, 12)], events)
    assert outcomes[0].delay_s == 1.5
    assert false_alarms == []


def test_normal_intervals_explain_nothing() -> None:
    events = [event("open", "a", (1, 2), 11, 11.5)]
    outcomes, false_alarms = match([staged("hug", (1, 2), 10, 12, anomalous=False)], events)
    assert outcomes == []
    assert [e.id for e in false_alarms] == ["a"]


def incident(name: str, pairs: list[tuple[int, int]], start_s: float, end_s: float) -> IncidentMessage:
    """A closed incident; the first of its pairs leads."""
    one = Incident(event("open", f"{name}-0", pairs[0], start_s, start_s), IncidentOptions())
    for i, pair in enumerate(pairs):
        one.note(event("open", f"{name}-{i}", pair, start_s + i / 100, start_s + i / 100))
        one.note(event("close", f"{name}-{i}", pair, start_s + i / 100, end_s))
    return one.tell("close", IncidentReason.CALM_AGAIN, round((end_s + 3) * S))


def test_incidents_are_counted_for_each_anomaly_and_their_leaders_compared() -> None:
    truth = [staged("push", (1, 2), 10, 12), staged("fall", (3, 4), 30, 33), staged("kick", (1, 3), 60, 62)]
    told = [
        incident("a", [(2, 1), (1, 3)], 11, 14),
        incident("b", [(1, 4)], 13, 15),  # tells of the push again, and a bystander's pair leads
        incident("c", [(3, 4)], 31, 34),
        incident("d", [(1, 2)], 80, 84),  # of nothing
    ]
    grouping = group(truth, told)
    assert grouping.counts == [2, 1]
    assert grouping.led_right == [True, False, True]
