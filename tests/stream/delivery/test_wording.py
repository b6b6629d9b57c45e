"""What people read, and in which hours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.explanation.explainer import How
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import AttentionKind, IncidentKind, IncidentReason, Severity
from dyadwatch.stream.configuration.delivery_options import CommandOptions, MqttOptions
from dyadwatch.stream.configuration.hours import in_hours, parse_hours
from dyadwatch.stream.delivery.filters import Filter
from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.delivery.wording import Wording


@pytest.fixture(autouse=True)
def in_rome(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time an hour before UTC."""
    monkeypatch.setenv("TZ", "Europe/Rome")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def words(message: Any, about: Any = None, at: int = 1_795_960_990 * NS, **options: Any) -> tuple[str, str]:
    wording = Wording(MqttOptions(**options), {"hall": "Room hall"})
    return wording.of(Parcel(key="k-1", number=1, at=at, message=message, about=about))


def test_a_call_says_where_who_since_when_and_what(updates: Any) -> None:
    assert words(updates.call(), updates.incident()) == (
        "Room hall: please look",
        "Room hall: two people behave unusually since 15:03; right hand of 2 toward the head of 1",
    )


CASES = [
    ({"kind": "close"}, "two people behaved unusually from 15:03 to 15:05; right hand of 2 toward the head of 1"),
    (
        {"kind": "close", "end": 1_795_960_992 * NS},
        "two people behaved unusually at 15:03 for 12 seconds; right hand of 2 toward the head of 1",
    ),
    (
        {"kind": "close", "reason": IncidentReason.SHUTDOWN},
        "two people behaved unusually from 15:03 to 15:05; right hand of 2 toward the head of 1; the detector was "
        "stopped",
    ),
    ({"people": (1, 2, 3), "pairs": ()}, "three people behave unusually since 15:03"),
    ({"people": (1,), "pairs": ()}, "somebody behaves unusually since 15:03"),
    ({"people": tuple(range(8)), "pairs": ()}, "8 people behave unusually since 15:03"),
    (
        {"about": IncidentKind.SOURCE_SILENT, "start": 1_795_870_000 * NS},
        "not watched since Sat 28 Nov 13:46: nothing comes from this source",
    ),
    ({"about": IncidentKind.SOURCE_MISSING}, "not watched since 15:03: this source has never come"),
    (
        {"about": IncidentKind.SOURCE_BLIND, "explanation": "overload: windows are shed"},
        "not watched since 15:03: overload: windows are shed",
    ),
    (
        {"about": IncidentKind.SOURCE_SILENT, "kind": "close", "reason": IncidentReason.BACK},
        "watched again; it was not from 15:03 to 15:05",
    ),
    (
        {"about": IncidentKind.SOURCE_SILENT, "kind": "close", "reason": IncidentReason.SHUTDOWN},
        "not watched from 15:03 to 15:05: nothing comes from this source; the detector was stopped",
    ),
]


@pytest.mark.parametrize(("fields", "text"), CASES, ids=range(len(CASES)))
def test_texts_of_incidents(updates: Any, fields: dict[str, Any], text: str) -> None:
    message = updates.incident(**fields)
    assert words(message, message)[1] == f"Room hall: {text}"


def test_what_the_leading_pair_does(updates: Any) -> None:
    (pair,) = updates.incident().pairs

    def told(**fields: Any) -> str:
        message = updates.incident(pairs=(structs.replace(pair, **fields),))
        return words(message, message)[1].partition("; ")[2]

    assert told(limb=structs.replace(pair.limb, how=How.FAR)) == "right hand of 2 far from the head of 1"
    assert told(limb=structs.replace(pair.limb, how=How.PLACE)) == "right hand of 2 out of place"
    assert told(limb=structs.replace(pair.limb, person=1, joint="left_ankle")) == "left foot of 1 toward the head of 2"
    assert told(limb=None) == "1 and 2"
    relation = structs.replace(pair.rule, part=ScorePart.RELATION)
    assert told(limb=None, rule=relation) == "1 and 2 do not answer each other's movements"
    assert told(limb=None, rule=structs.replace(relation, part=ScorePart.TIMING)) == "1 and 2 are out of step"


def test_titles_say_what_has_changed(updates: Any) -> None:
    titles = [
        words(updates.call(what=what, who="Ann", until=1_795_962_000 * NS), updates.incident())[0]
        for what in AttentionKind
    ]
    assert titles == [
        "Room hall: please look",
        "Room hall: please look, nobody has answered yet",
        "Room hall: 0 calls held back",
        "Room hall: Ann takes care of it",
        "Room hall: calls are held back until 15:20",
        "Room hall: it is over",
    ]
    grave = updates.call(severity=Severity.CRITICAL)
    assert words(grave, updates.incident())[0] == "Room hall: please look (critical)"
    stopped = updates.incident(kind="close", reason=IncidentReason.SHUTDOWN)
    cleared = updates.call(what=AttentionKind.CLEARED)
    assert words(cleared, stopped)[0] == "Room hall: the detector was stopped"
    digest = updates.call(
        what=AttentionKind.DIGEST, source="@detector", incidents=("a", "b"), held_back=2, explanation=""
    )
    assert words(digest) == ("2 calls held back", "2 calls held back")


def test_templates_take_the_place_of_the_default(updates: Any) -> None:
    told = words(
        updates.call(), updates.incident(), title="{severity} in {place}", text="{since} {who} {{{id}}} {title}"
    )
    assert told == ("alarm in Room hall", "15:03 two people {1405dc} Room hall: please look")


@pytest.mark.parametrize(
    ("span", "moment", "holds"),
    [
        ("21:00-07:00", "2026-11-29T23:00", True),
        ("21:00-07:00", "2026-11-29T06:59", True),
        ("21:00-07:00", "2026-11-29T07:00", False),
        ("mon-fri 08:00-18:30", "2026-11-27T18:29", True),
        ("mon-fri 08:00-18:30", "2026-11-28T12:00", False),
        ("sat,sun 00:00-24:00", "2026-11-28T23:59", True),
        ("fri 22:00-02:00", "2026-11-28T01:00", True),  # of Saturday, but it began on Friday
        ("fri 22:00-02:00", "2026-11-27T01:00", False),
        ("sat-mon 10:00-11:00", "2026-11-29T10:30", True),
    ],
)
def test_hours(span: str, moment: str, holds: bool) -> None:
    assert in_hours((parse_hours(span),), round(datetime.fromisoformat(moment).timestamp() * 1e9)) is holds


@pytest.mark.parametrize("text", ["7-9", "", "21:00", "25:00-26:00", "21:60-22:00", "moo 21:00-22:00", "24:01-03:00"])
def test_what_are_no_hours(text: str) -> None:
    with pytest.raises(ValueError, match="hours such as 21:00-07:00, sat,sun 00:00-24:00 or mon-fri 08:00-18:30"):
        parse_hours(text)


def test_a_filter_lets_pass_what_begins_and_is_grave_enough_in_its_hours(updates: Any) -> None:
    def takes(message: Any, at: str = "2026-11-29T12:00+01:00", **options: Any) -> bool | None:
        moment = round(datetime.fromisoformat(at).timestamp()) * NS
        return Filter(CommandOptions(command=("x",), **{"send": "both", **options})).takes(message, moment)

    assert takes(updates.call()) is True
    assert takes(updates.call(), send="incidents") is False
    assert takes(updates.incident(), send="calls") is False
    assert takes(updates.incident(), sources=("yard",)) is False
    assert takes(updates.incident(), least=Severity.CRITICAL) is None
    assert takes(replace(updates.incident(), shadow=True)) is None
    assert takes(updates.incident(), hours=("21:00-07:00",)) is None
    assert takes(updates.incident(), hours=("11:00-13:00",)) is True
    # how it goes on is told to whom it was told before
    assert takes(updates.incident(kind="close")) is None
    assert takes(updates.call(what=AttentionKind.CLEARED)) is None
    digest = updates.call(what=AttentionKind.DIGEST, source="@detector", incidents=())
    assert takes(digest, sources=("yard",)) is True
