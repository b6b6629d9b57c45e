"""What people see in the terminal."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.iso_time import moment
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.stream.alarms.incident import Incident
from dyadwatch.stream.codes import Blindness, EventReason, IncidentKind, IncidentReason, Severity, SourceState
from dyadwatch.stream.configuration.config import IncidentOptions
from dyadwatch.stream.messages import (
    Blind,
    EventMessage,
    EventRule,
    IncidentMessage,
    Message,
    OddNow,
    ScoreMessage,
    StatusMessage,
)
from dyadwatch.stream.sinks.live_table import Board, IncidentLinesSink, PictureSink, TableSink, incident_line
from dyadwatch.stream.texts import EVENT as EVENT_TEXT
from dyadwatch.stream.texts import INCIDENT
from dyadwatch.tools.log_output import StderrHandler

S = 1_000_000_000
EVENT = EventMessage(
    type="open",
    id="a",
    source="hall",
    pair=(1, "visitor"),
    clock="media",
    start=5 * S,
    end=None,
    stamp=6 * S,
    score=3.2,
    relation=0.1,
    unusual=3.2,
    peak_score=3.25,
    peak_stamp=6 * S,
    threshold=2.5,
    evidence=1.25,
    rule=EventRule(part=ScorePart.UNUSUAL, over_s=0.4, mean=3.125),
    reason=EventReason.ENOUGH_EVIDENCE,
    text="enough evidence",
    joints=(),
    explanation="1's left wrist is 0.40 m closer to visitor's head",
    model="m 1",
)
SCORE = ScoreMessage(
    source="hall",
    pair=(1, "visitor"),
    start=4 * S,
    end=6 * S,
    score=3.2,
    relation=0.1,
    unusual=3.2,
    evidence=1.25,
    model="m 1",
    latency_ms=4.2,
)
STATUS = StatusMessage(
    source="hall",
    state=SourceState.BLIND,
    blind=Blind(code=Blindness.ONE_PERSON, detail={}, text="one person in view"),
    fps=29.97,
    people=1,
    pairs=0,
    frames=90,
    windows=3,
    open_events=0,
    dropped={"late": 2},
    clock="unix",
    clock_offset_ms=0.1,
    last_stamp=6 * S,
    model="m 1",
    provider="cpu",
)


def because(reason: EventReason) -> dict[str, str]:
    return {"reason": reason, "text": EVENT_TEXT[reason]}


def incident(**changes: Any) -> IncidentMessage:
    """That of the event above, with changes."""
    one = Incident(EVENT, IncidentOptions())
    one.note(EVENT)
    return msgspec.structs.replace(one.tell("open", IncidentReason.OPENED, 6 * S), **changes)


def incident_because(reason: IncidentReason) -> dict[str, str]:
    return {"reason": reason, "text": INCIDENT[reason]}


def test_a_line_says_when_who_how_grave_and_why() -> None:
    why = "1's left wrist is 0.40 m closer to visitor's head"
    assert incident_line(incident()).plain == f"     6.0 s  OPEN   hall  1 + visitor  notice, score 3.2  {why}"
    closed = incident(type="close", end=9 * S, stamp=12 * S, **incident_because(IncidentReason.CALM_AGAIN))
    assert incident_line(closed).plain == (
        "    12.0 s  CLOSE  hall  1 + visitor  notice, from 5.0 s to 9.0 s, 4.0 s (nothing more happened), peak 3.2"
    )
    rose = incident(
        type="update",
        severity=Severity.CRITICAL,
        people=(1, "visitor", 3),
        **incident_because(IncidentReason.SEVERITY_ROSE),
    )
    assert incident_line(rose).plain == f"     6.0 s  RISE   hall  1 + visitor, with 3  critical, score 3.2  {why}"


def test_a_line_about_a_source_names_nobody() -> None:
    silent = incident(about=IncidentKind.SOURCE_SILENT, pairs=(), people=(), explanation="source silent for 3 s")
    assert incident_line(silent).plain == "     6.0 s  OPEN   hall  notice, source silent for 3 s"


def test_the_times_of_a_close_line_agree_with_how_long_it_says_the_incident_lasted() -> None:
    """Cut, not rounded: 6.39 s of another clock from 1.29 to 7.68 are told as the 6.4 s between 1.2 and 7.6."""
    start = 1_700_000_000 * S + 290_000_000
    closed = incident(
        type="close",
        clock="unix",
        start=start,
        end=start + 6_390_000_000,
        stamp=start + 8 * S,
        **incident_because(IncidentReason.CALM_AGAIN),
    )
    line = incident_line(closed).plain
    span = f"  notice, from {moment(start)} to {moment(start + 6_390_000_000)}, 6.4 s"
    assert line.endswith(f"{span} (nothing more happened), peak 3.2")
    assert line.startswith(f"{moment(start + 8 * S)}  CLOSE")
    media = msgspec.structs.replace(closed, clock="media", start=1_290_000_000, end=7_680_000_000, stamp=9_290_000_000)
    assert "  notice, from 1.2 s to 7.6 s, 6.4 s (nothing more happened)" in incident_line(media).plain


def test_lines_leave_out_scores_events_status_and_updates_in_which_nothing_rose() -> None:
    out = io.StringIO()
    sink = IncidentLinesSink(Console(file=out, width=200))
    sink.emit([SCORE, STATUS, EVENT, incident(type="update", **incident_because(IncidentReason.PAIR_JOINED))])
    assert out.getvalue() == ""
    sink.emit([incident(), incident(type="update", **incident_because(IncidentReason.SEVERITY_ROSE))])
    assert [line.split()[2] for line in out.getvalue().splitlines()] == ["OPEN", "RISE"]


def test_the_table_shows_sources_pairs_and_open_events() -> None:
    console = Console(file=io.StringIO(), width=160, force_terminal=True)
    sink = TableSink(console)
    try:
        sink.emit([STATUS, SCORE, EVENT, incident()])
        paper = Console(file=io.StringIO(), width=160, record=True)
        paper.print(sink.board.render())
        text = paper.export_text()
    finally:
        sink.close()
    assert "blind: one person in view" in text
    assert "late 2" in text
    assert "1 + visitor" in text
    assert "3.20" in text
    assert "0.40 m closer to visitor's head" in text


def test_ids_with_brackets_are_shown_as_they_are() -> None:
    paper = Console(file=io.StringIO(), width=200, record=True)
    named = msgspec.structs.replace(EVENT, pair=("[red]x", 2))
    one = Incident(named, IncidentOptions())
    one.note(named)
    IncidentLinesSink(paper).emit([one.tell("open", IncidentReason.OPENED, 6 * S)])
    table = TableSink(Console(file=io.StringIO(), force_terminal=True))
    try:
        table.emit([msgspec.structs.replace(SCORE, pair=("[red]x", 2))])
        paper.print(table.board.render())
    finally:
        table.close()
    assert paper.export_text().count("[red]x + 2") == 2


def test_a_picture_is_kept_of_an_event_that_is_going_on(tmp_path: Path) -> None:
    sink = PictureSink(tmp_path / "board.svg")
    sink.emit([STATUS])
    sink.emit([SCORE, EVENT])
    sink.close()
    picture = (tmp_path / "board.svg").read_text("utf8")
    assert picture.startswith("<svg")
    assert "font-face" not in picture


def test_no_picture_is_made_of_nothing(tmp_path: Path) -> None:
    sink = PictureSink(tmp_path / "board.svg")
    sink.emit([STATUS, SCORE])
    sink.close()
    assert not (tmp_path / "board.svg").exists()


def test_a_source_that_is_not_told_of_any_more_leaves_the_table() -> None:
    board = Board()
    board.take([msgspec.structs.replace(STATUS, source="@detector")])
    board.take([STATUS])
    board.take([SCORE])
    paper = Console(file=io.StringIO(), width=160, record=True)
    paper.print(board.render())
    text = paper.export_text()
    assert "@detector" not in text
    assert "blind: one person in view" in text


def test_a_warning_of_a_source_is_seen_in_the_table() -> None:
    console = Console(width=150, file=io.StringIO())
    board = Board()
    board.take([msgspec.structs.replace(STATUS, warnings=("assumed_field_of_view",))])
    console.print(board.render())
    assert isinstance(console.file, io.StringIO)
    assert "WARNING: assumed_field_of_view" in console.file.getvalue()


def test_what_is_odd_is_seen_as_a_sentence() -> None:
    console = Console(width=150, file=io.StringIO())
    odd = OddNow(code=Oddity.ODD_SIZE, blinding=False, detail={}, text="ann measures about 0.70 m")
    board = Board()
    board.take([msgspec.structs.replace(STATUS, warnings=("odd_size",), odd=(odd,))])
    console.print(board.render())
    assert isinstance(console.file, io.StringIO)
    assert "WARNING: ann measures about 0.70 m" in console.file.getvalue()
    assert "odd_size" not in console.file.getvalue()


def shown(board: Board) -> str:
    paper = Console(file=io.StringIO(), width=160, record=True)
    paper.print(board.render())
    return paper.export_text()


@pytest.mark.parametrize(
    ("told", "stays"),
    [
        ([STATUS], True),
        ([msgspec.structs.replace(STATUS, state=SourceState.SILENT)], False),
        ([msgspec.structs.replace(STATUS, source="yard")], False),
        ([EVENT], True),
        ([msgspec.structs.replace(EVENT, type="close", end=9 * S, **because(EventReason.CALM_AGAIN))], True),
        ([msgspec.structs.replace(EVENT, type="close", end=9 * S, **because(EventReason.END_OF_STREAM))], False),
        ([msgspec.structs.replace(EVENT, type="close", end=9 * S, **because(EventReason.LOST))], False),
    ],
)
def test_scores_of_pairs_and_sources_that_ended_leave_the_table(told: list[Message], stays: bool) -> None:
    board = Board()
    board.take([SCORE])
    assert "3.20" in shown(board)
    board.take(told)
    assert ("3.20" in shown(board)) is stays


def test_the_table_that_is_left_on_the_screen_shows_no_scores() -> None:
    console = Console(file=io.StringIO(), width=160, force_terminal=True)
    sink = TableSink(console)
    sink.emit([STATUS, SCORE])
    sink.close()
    assert "3.20" not in shown(sink.board)
    assert "blind: one person in view" in shown(sink.board)


class Terminal(io.StringIO):
    """What standard error is in a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stderr", [Terminal(), io.StringIO()], ids=["terminal", "file"])
def test_warnings_stay_above_the_table_or_in_their_file(stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    drawn = io.StringIO()
    log, handler = logging.getLogger("dyadwatch.test_table"), StderrHandler()
    log.addHandler(handler)
    try:
        sink = TableSink(Console(file=drawn, force_terminal=True, width=100))
        log.warning("bad_key: header: expected int")
        sink.close()
    finally:
        log.removeHandler(handler)
    told, other = (drawn, stderr) if stderr.isatty() else (stderr, drawn)
    assert "bad_key: header: expected int" in told.getvalue()
    assert "bad_key" not in other.getvalue()


@pytest.mark.parametrize(
    ("evidence", "green", "red"), [(0.0, 0, 0), (0.5, 6, 0), (1.0, 12, 0), (1.5, 12, 6), (2.0, 12, 12), (9.0, 12, 12)]
)
def test_the_bar_is_the_evidence_red_from_where_an_alarm_is_raised(evidence: float, green: int, red: int) -> None:
    bar = Board._bar(evidence)
    assert bar.plain == "━" * (green + red)
    drawn = {str(span.style): span.end - span.start for span in bar.spans}
    assert drawn.get("red", 0) == red
    assert len(bar) - red == green
