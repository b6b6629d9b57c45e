"""A source that is silent, missing or blind is told of once, and once when it is back."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.stream.codes import Blindness, SourceState
from dyadwatch.stream.configuration.config import IncidentOptions
from dyadwatch.stream.health.source_incidents import TRANSITIONS, SourceIncidents, TroubleState
from dyadwatch.stream.health.source_watch import SourceView
from dyadwatch.stream.messages import Blind, IncidentMessage, StatusMessage
from dyadwatch.stream.run import Run

S = 1_000_000_000
BEGAN = 500 * S  # monotonic
WALL = 1_700_000_000 * S  # unix, at the same moment


def view(source: str, heard: float | None, **changes: Any) -> SourceView:
    """A source that was last heard so many seconds after the start; None for never."""
    known: dict[str, Any] = {
        "source": source, "blind": None, "is_group": False, "refuses": False, "people": 2, "pairs": 1, "frames": 99,
        "clock": "unix", "stamp": 0, "merge": None, "heard": 0 if heard is None else BEGAN + round(heard * S),
        "used": 0, "late": 0, "fps": 30.0, "offset": None, "skew_ppm": 0.0, "warnings": (),
    }  # fmt: skip
    return SourceView(**known | changes)


def blind(source: str, code: Blindness) -> dict[str, StatusMessage]:
    return {
        source: StatusMessage(
            source=source, state=SourceState.BLIND, blind=Blind(code=code, detail={}, text=f"because {code}"), fps=0,
            people=0, pairs=0, frames=0, windows=0, open_events=0, dropped={}, clock="unix", clock_offset_ms=None,
            last_stamp=0, model="", provider="",
        )
    }  # fmt: skip


Statuses = dict[str, StatusMessage]


class Look:
    """Looks four times a second, as the service does."""

    def __init__(self, *expected: str, **options: Any) -> None:
        self.desk = SourceIncidents(IncidentOptions(**options), expected, Run("r", WALL), BEGAN)
        self.told: list[IncidentMessage] = []

    def at(
        self,
        seconds: float,
        *views: SourceView,
        statuses: dict[str, StatusMessage] | None = None,
        seen: float | None = None,
    ) -> list[tuple[str, str, str]]:
        now = round(seconds * S)
        seen_at = BEGAN + (now if seen is None else round(seen * S))
        told = self.desk.look(views, seen_at, statuses or {}, BEGAN + now, WALL + now)
        self.told += told
        return [(m.type, str(m.about), str(m.reason)) for m in told]


SILENT, BACK = ("open", "source_silent", "opened"), ("close", "source_silent", "back")


def test_every_state_has_a_rule() -> None:
    assert set(TRANSITIONS) == set(product(TroubleState, (False, True)))


def test_silence_is_told_once_with_when_it_was_last_seen_and_so_is_its_end() -> None:
    look = Look()
    assert [look.at(t, view("hall", 10)) for t in (10.5, 12.0, 13.0)] == [[], [], []]
    assert look.at(13.25, view("hall", 10)) == [SILENT]
    assert look.at(20, view("hall", 10)) == []
    opened = look.told[-1]
    assert (opened.start, opened.last_seen, opened.severity) == (WALL + 10 * S, WALL + 10 * S, "notice")
    assert (opened.stamp, opened.explanation, opened.pairs) == (WALL + round(13.25 * S), "source silent for 3 s", ())
    assert look.desk.open("hall") == (opened.id,)
    assert [look.at(t, view("hall", t)) for t in (21.0, 21.5)] == [[], []]
    assert look.at(22.0, view("hall", 22.0)) == [BACK]
    closed = look.told[-1]
    assert (closed.id, closed.end, closed.last_seen) == (opened.id, WALL + 22 * S, WALL + 22 * S)
    assert look.desk.open("hall") == ()


def test_one_frame_does_not_bring_it_back() -> None:
    look = Look()
    look.at(14, view("hall", 10))
    assert [look.at(20 + t / 4, view("hall", 20)) for t in range(40)] == [[]] * 40
    assert len(look.told) == 1


def test_a_slow_source_comes_back_too() -> None:
    look = Look()
    look.at(14, view("hall", 10, fps=1.0))
    told = [look.at(t / 4, view("hall", t // 4, fps=1.0)) for t in range(80, 100)]
    assert [t for t in told if t] == [[BACK]]


def test_a_station_that_stands_still_makes_nobody_silent() -> None:
    look = Look()
    assert [look.at(t, view("hall", 10), seen=10.1) for t in (12, 14, 60)] == [[], [], []]


@pytest.mark.parametrize(("frames", "expected", "told"), [(3, (), False), (30, (), True), (3, ("hall",), True)])
def test_a_name_that_came_with_hardly_a_frame_is_missed_by_nobody(
    frames: int, expected: tuple[str, ...], told: bool
) -> None:
    look = Look(*expected)
    assert bool(look.at(14, view("hall", 10, frames=frames))) is told


def test_a_group_is_not_silent_its_sources_are() -> None:
    look = Look()
    assert look.at(14, view("room", 10, is_group=True), view("cam", 10)) == [SILENT]
    assert look.told[-1].source == "cam"


def test_an_expected_source_that_never_came_is_an_alarm_until_it_comes() -> None:
    look = Look("hall", missing_s=10)
    assert look.at(9.9) == []
    assert look.at(10) == [("open", "source_missing", "opened")]
    opened = look.told[-1]
    assert (opened.severity, opened.start, opened.last_seen) == ("alarm", WALL, None)
    assert opened.explanation == "expected (liveness.expected), but nothing has come from it in 10 s"
    look.at(30, view("hall", 30))
    assert look.at(31, view("hall", 31)) == [("close", "source_missing", "back")]


def test_an_expected_source_that_is_forgotten_stays_missed_any_other_is_over() -> None:
    look = Look("hall")
    look.at(14, view("hall", 10), view("yard", 10))
    assert len(look.told) == 2
    assert look.at(4000) == [("close", "source_silent", "source_forgotten")]
    assert look.told[-1].source == "yard"
    assert look.desk.open("hall") != ()


def test_of_one_that_is_forgotten_the_whole_silence_is_told() -> None:
    look = Look("hall")
    look.at(10.1, view("hall", 10))
    assert look.at(100) == [SILENT]
    assert look.told[-1].explanation == "source silent for 90 s"


def test_lasting_blindness_is_told_and_an_empty_room_is_none() -> None:
    look = Look(blind_s=30)
    seeing = view("hall", 0)

    def at(t: float, code: Blindness | None) -> list[tuple[str, str, str]]:
        return look.at(t, view("hall", t), statuses=blind("hall", code) if code else {})

    assert [at(t, Blindness.NOBODY) for t in range(0, 100, 10)] == [[]] * 10
    assert at(100, Blindness.LAYOUT_UNFIT) == []
    assert at(120, None) == []  # not for long enough
    assert [at(t, Blindness.LAYOUT_UNFIT) for t in (130, 145, 159)] == [[], [], []]
    assert at(160, Blindness.OVERLOAD) == [("open", "source_blind", "opened")]
    assert look.told[-1].explanation == "because overload"
    assert look.at(170, view("hall", 160)) == [SILENT]  # which says nothing of whether it sees
    assert len(look.desk.open("hall")) == 2
    for t in (180, 181, 182):
        at(t, None)
    assert {(m.type, str(m.about)) for m in look.told[-2:]} == {("close", "source_silent"), ("close", "source_blind")}
    assert look.desk.open(seeing.source) == ()


def test_at_the_end_all_that_is_open_is_closed() -> None:
    look = Look()
    look.at(14, view("hall", 10))
    (closed,) = look.desk.finish(WALL + 20 * S)
    assert (closed.type, closed.reason, closed.end) == ("close", "shutdown", WALL + 20 * S)
    assert look.desk.finish(WALL + 21 * S) == []


@given(st.lists(st.tuples(st.floats(0.0, 5.0), st.booleans()), max_size=60))
def test_whatever_comes_close_follows_open_and_silence_is_told_in_time(steps: list[tuple[float, bool]]) -> None:
    look = Look()
    at, heard = 10.0, 10.0
    for later, sends in steps:
        until = at + later
        while at < until:
            at += 0.25
            heard = at if sends else heard
            look.at(at, view("hall", heard))
            assert (look.desk.open("hall") != ()) or at - heard <= 3.25
    assert [m.type for m in look.told] == [("open", "close")[i % 2] for i in range(len(look.told))]
    assert len({m.id for m in look.told}) == (len(look.told) + 1) // 2
