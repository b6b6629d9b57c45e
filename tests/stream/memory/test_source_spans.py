"""From when to when sources were watched comes out of what is kept, kills, sleep and sources that left included."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.codes import Blindness, MemoryState, SourceState
from dyadwatch.stream.memory.memory_sink import MemorySink
from dyadwatch.stream.memory.source_spans import source_spans
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import Blind, StatusMessage
from dyadwatch.stream.page.queries import day_spans, days

S = 1_000_000_000
T0 = 1_700_000_000 * S
Begin = Callable[..., MemoryWriter]


def status(source: str, state: SourceState = SourceState.WATCHING, code: Blindness | None = None) -> StatusMessage:
    return StatusMessage(
        source=source, state=state, blind=Blind(code=code, detail={}, text="") if code else None, fps=0, people=0,
        pairs=0, frames=0, windows=0, open_events=0, dropped={}, clock="unix", clock_offset_ms=None, last_stamp=0,
        model="", provider="",
    )  # fmt: skip


def found(store: Store, since_s: float = 0, until_s: float = 10_000) -> list[tuple[str, str, str, float, float]]:
    spans = source_spans(store, T0 + round(since_s * S), T0 + round(until_s * S))
    return [(s.source, s.state, s.code, (s.start - T0) / S, (s.end - T0) / S) for s in spans]


def test_states_last_until_the_next_and_to_the_end_of_the_run(writer: Begin) -> None:
    one = writer()
    one.keep([status("hall"), status("yard"), status("@detector")], T0 + 10 * S)
    one.keep([status("yard", SourceState.BLIND, Blindness.LAYOUT_UNFIT)], T0 + 40 * S)
    one.keep([status("yard", SourceState.SILENT, Blindness.SILENT)], T0 + 70 * S)
    one.end(T0 + 100 * S)
    one.close()
    two = writer(200.0)
    two.keep([status("yard")], T0 + 210 * S)
    two.end(T0 + 220 * S)
    assert found(two.store) == [
        ("hall", "watching", "", 10, 100),
        ("yard", "watching", "", 10, 40),
        ("yard", "blind", "layout_unfit", 40, 70),
        ("yard", "silent", "silent", 70, 100),
        ("yard", "watching", "", 210, 220),
    ], "nobody watched between the runs"
    assert found(two.store, 50, 60) == [("hall", "watching", "", 50, 60), ("yard", "blind", "layout_unfit", 50, 60)]
    taken: list[object] = []
    two.store.connection.row_factory = lambda cursor, row: taken.append(row) or row
    assert found(two.store, 150, 215) == [("yard", "watching", "", 210, 215)]
    assert found(two.store, 5, 30) == [("hall", "watching", "", 10, 30), ("yard", "watching", "", 10, 30)]
    assert len(taken) == 3, "nothing of runs that were over, nor of what came later"
    two.close()


def test_a_run_that_was_killed_counts_as_far_as_it_is_known_to_have_gone_on(writer: Begin) -> None:
    one = writer()
    one.keep([status("hall")], T0)
    one.goes_on(T0 + 60 * S)
    one.goes_on(T0 + 3600 * S)
    one.close()  # without an end
    two = writer(9000.0)
    assert found(two.store) == [("hall", "watching", "", 0, 3600)]
    two.keep([status("yard")], T0 + 9000 * S)
    spans = source_spans(two.store, T0, T0 + 10_000 * S, running=T0 + 9060 * S)
    assert [(s.source, (s.end - T0) // S) for s in spans] == [("hall", 3600), ("yard", 9060)], "the latest goes on"
    two.close()


class Clock:
    """Unix ns that a test sets."""

    now = T0

    def __call__(self) -> int:
        return self.now


def test_the_sink_notes_that_it_goes_on_that_it_slept_and_that_a_source_left(writer: Begin) -> None:
    clock = Clock()
    sink = MemorySink(writer(), clock=clock)
    for second in range(150):  # as a detector: a status a second, and the yard leaves after 70 s
        clock.now = T0 + second * S
        sink.emit([status("@detector"), status("hall"), *([status("yard")] if second < 70 else [])])
        sink.idle()
    clock.now = T0 + 5000 * S  # the lid was closed meanwhile
    sink.idle()
    sink.emit([status("@detector"), status("hall")])
    clock.now = T0 + 5010 * S
    sink.idle()
    store = Store(sink._writer.store.path)  # pyright: ignore[reportPrivateUsage]
    sink.close()
    assert found(store) == [
        ("hall", "watching", "", 0, 149),
        ("yard", "watching", "", 0, 69),
        ("hall", "watching", "", 5000, 5010),
    ]
    store.close()


def test_a_note_that_could_not_be_kept_is_kept_later_and_nothing_is_said_to_fail_any_more(
    writer: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    one, clock = writer(), Clock()
    sink, pragma = MemorySink(one, clock=clock), "PRAGMA query_only = {}"
    clock.now = T0
    sink.emit([status("hall")])

    def idle(at_s: int, read_only: str) -> MemoryState:
        clock.now = T0 + at_s * S
        one.store.connection.execute(pragma.format(read_only))
        sink.idle()
        return sink.state.code

    assert [idle(20, "off"), idle(40, "off"), idle(61, "on")] == [MemoryState.ON, MemoryState.ON, MemoryState.FAILS]
    assert idle(62, "off") is MemoryState.ON
    assert caplog.text.count("is written to again") == 1
    assert idle(5000, "on") is MemoryState.FAILS  # it slept
    assert idle(5001, "off") is MemoryState.ON
    path = one.store.path
    sink.close()
    with Store(path) as store:
        assert found(store) == [("hall", "watching", "", 0, 62)]
        assert store.connection.execute("SELECT ended FROM runs").fetchall() == [(clock.now,)]


def test_a_state_that_still_holds_outlives_what_is_forgotten(writer: Begin) -> None:
    one = writer(keep_days=1)
    one.keep([status("hall", SourceState.SILENT, Blindness.SILENT), status("yard")], T0)
    one.keep([status("hall")], T0 + 10 * S)
    late = T0 + 3 * 86_400 * S
    one.forget(late)
    one.goes_on(late)
    assert found(one.store, 0, 4 * 86_400) == [
        ("yard", "watching", "", 0, 3 * 86_400),
        ("hall", "watching", "", 10, 3 * 86_400),
    ]
    one.close()


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()


@pytest.fixture(autouse=True)
def zone_again() -> object:
    yield
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_hours_are_those_of_the_day_here(writer: Begin, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    midnight = 1_792_879_200 * S  # 2026-10-25 00:00 in Berlin, a day of 25 hours
    one = writer()
    one.keep([status("hall"), status("yard", SourceState.LEARNING)], midnight - 3600 * S)
    one.keep([status("yard", SourceState.BEHIND)], midnight + 3600 * S)
    one.end(midnight + 30 * 3600 * S)
    evidence = '{"budget_per_hour": 0.5, "certified": true}'
    one.store.connection.execute("INSERT INTO calibrations VALUES ('run0.0', 1, '', '{}', ?)", (evidence,))
    monkeypatch.setattr(time, "time", lambda: midnight / S + 40 * 3600)
    by_day = {day.day: day for day in days(one.store)}
    assert by_day["2026-10-24"].hours == {"hall": {"watching": 1.0}, "yard": {"learning": 1.0}}
    assert by_day["2026-10-25"].hours == {"hall": {"watching": 25.0}, "yard": {"learning": 1.0, "behind": 24.0}}
    assert by_day["2026-10-26"].hours == {"hall": {"watching": 5.0}, "yard": {"behind": 5.0}}
    assert [by_day[day].budget for day in ("2026-10-23", "2026-10-24", "2026-10-25")] == [None, 0.5, 12.5]
    one.store.connection.execute("UPDATE calibrations SET evidence = replace(evidence, 'true', 'false')")
    assert {day.budget for day in days(one.store)} == {None}, "nobody vouches for it"
    spans = day_spans(one.store, "2026-10-25")
    assert (spans.since, spans.until) == (midnight, midnight + 25 * 3600 * S)
    assert [(s.source, s.state) for s in spans.spans] == [
        ("hall", "watching"), ("yard", "learning"), ("yard", "behind"),
    ]  # fmt: skip
    one.close()


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "0000-01-01"])
def test_what_is_no_day_is_said(writer: Begin, day: str) -> None:
    one = writer()
    with pytest.raises(ConfigError, match=rf"^the day is '{day}'; expected one such as 2026-11-21$"):
        day_spans(one.store, day)
    one.close()
