"""What is kept outlives the run, and kills; it can be read and acted on meanwhile."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from dyadwatch.core.decision.calibration_file import Calibration
from dyadwatch.core.decision.rules import Rule, ScorePart, Thresholds
from dyadwatch.core.errors import MemoryFileError
from dyadwatch.core.finding import Finding
from dyadwatch.stream.codes import (
    AttentionKind,
    Blindness,
    IncidentReason,
    Learning,
    MemoryState,
    Severity,
    SourceState,
)
from dyadwatch.stream.configuration.config import Config, MemoryOptions, RecordOptions
from dyadwatch.stream.memory import schema
from dyadwatch.stream.memory.kept import Action, ActionKind, ChangedKey, ConfigChange, Verdict, Wanted
from dyadwatch.stream.memory.memory_place import memory_file
from dyadwatch.stream.memory.memory_sink import MemorySink
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import (
    AttentionMessage,
    Blind,
    IncidentMessage,
    LearningNow,
    NearMissMessage,
    StatusMessage,
    encode_json,
)

S = 1_000_000_000
T0 = 1_700_000_000 * S
Begin = Callable[..., MemoryWriter]
Make = Callable[..., IncidentMessage]


def ids(store: Store, **wanted: object) -> list[str]:
    return [kept.message.id for kept in store.incidents(Wanted(**wanted))]  # pyright: ignore[reportArgumentType]


def test_an_incident_is_one_row_and_its_story_is_kept(writer: Begin, incident: Make, path: Path) -> None:
    one = writer()
    opened, closed = incident(), incident("close", severity=Severity.ALARM)
    one.keep([opened], T0 + S)
    one.keep([incident("update"), incident("update", reason=IncidentReason.STILL_GOING_ON)], T0 + 2 * S)
    one.keep([closed], T0 + 3 * S)
    one.end(T0 + 9 * S)
    one.close()
    with Store(path) as store:
        (kept,) = store.incidents()
        assert kept.message == closed
        assert (kept.began, kept.told, kept.run, kept.continues) == (T0 + S, T0 + 3 * S, "run0.0", "")
        assert [(told - T0) // S for told, _ in store.updates(opened.id)] == [1, 2, 3]
        assert [m.type for _, m in store.updates(opened.id)] == ["open", "update", "close"]


def test_the_file_is_private_in_wal_mode_and_says_whose_it_is(writer: Begin, path: Path) -> None:
    one = writer()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.with_name("incidents.db-wal").stat().st_mode) == 0o600
    pragma = {p: one.store.connection.execute(f"PRAGMA {p}").fetchone()[0] for p in
              ("journal_mode", "synchronous", "foreign_keys", "application_id", "user_version")}  # fmt: skip
    assert pragma == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "application_id": schema.APPLICATION,
        "user_version": len(schema.MIGRATIONS),
    }
    strict = one.store.connection.execute("SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict")
    assert {name for (name,) in strict} <= {"sqlite_schema", "sqlite_sequence", "sqlite_temp_schema"}
    one.close()


def test_what_is_acknowledged_and_judged_is_kept_while_a_detector_writes(
    writer: Begin, incident: Make, path: Path
) -> None:
    one = writer()
    message = incident()
    one.keep([message], T0)
    with Store(path) as other:
        for verdict in (Verdict.TRUE, Verdict.FALSE):
            other.act(
                Action(at=T0 + 5, kind=ActionKind.VERDICT, incident=message.id, verdict=verdict, note="tying shoes")
            )
        first = other.act(Action(at=T0 + 6, kind=ActionKind.ACKNOWLEDGE, incident=message.id, who="ann"))
        other.act(Action(at=T0 + 7, kind=ActionKind.ACKNOWLEDGE, incident=message.id, who="bob"))
        other.act(Action(at=T0 + 8, kind=ActionKind.SNOOZE, source="hall", until=T0 + 9))
        one.keep([incident("close")], T0 + S)
        (kept,) = other.incidents()
        assert (kept.verdict, kept.note) == (Verdict.FALSE, "tying shoes")
        assert (kept.acknowledged, kept.acknowledged_by) == (first.at, "ann")
        assert kept.message.type == "close"
        assert [a.kind for a in other.actions(after=first.id)] == ["acknowledge", "snooze"]
        assert other.actions()[-1] == Action(id=5, at=T0 + 8, kind=ActionKind.SNOOZE, source="hall", until=T0 + 9)
    one.close()


def test_an_action_about_nothing_that_is_kept_is_refused(writer: Begin, path: Path) -> None:
    writer().close()
    with Store(path) as store, pytest.raises(MemoryFileError, match=r"^no incident has the id 'x'$"):
        store.act(Action(at=1, kind=ActionKind.ACKNOWLEDGE, incident="x"))


def test_lists_are_of_what_is_wanted_the_latest_first(writer: Begin, incident: Make) -> None:
    one = writer()
    early = incident("close", start_s=0)
    late = incident("close", start_s=100, severity=Severity.CRITICAL)
    yard = incident("open", start_s=200, source="yard")
    for message, at in ((early, 0), (late, 100), (yard, 200)):
        one.keep([message], T0 + at * S)
    store = one.store
    store.act(Action(at=T0, kind=ActionKind.VERDICT, incident=late.id, verdict=Verdict.TRUE))
    store.act(Action(at=T0, kind=ActionKind.ACKNOWLEDGE, incident=late.id))
    assert ids(store) == [yard.id, late.id, early.id]
    assert ids(store, most=1) == [yard.id]
    assert ids(store, source="yard") == ids(store, open=True) == [yard.id]
    assert ids(store, least=Severity.ALARM) == ids(store, verdict="true") == [late.id]
    assert ids(store, verdict="none") == ids(store, unacknowledged=True) == [yard.id, early.id]
    assert ids(store, since=T0 + 50 * S, until=T0 + 150 * S) == [late.id]
    assert ids(store, since=T0 + 900 * S) == [yard.id]  # still open
    one.close()


def test_an_incident_is_found_by_the_beginning_of_its_id(writer: Begin, incident: Make) -> None:
    one = writer()
    for start in range(40):
        one.keep([incident(start_s=start)], T0)
    message = incident(start_s=7)
    assert one.store.incident(message.id[:10]).message == message
    begins = Counter(kept.message.id[0] for kept in one.store.incidents())
    first = begins.most_common()[0][0]
    with pytest.raises(MemoryFileError, match=rf"^several incidents begin with '{first}': {first}\w+, .*; give more"):
        one.store.incident(first)
    for nothing in ("", "zz", "%"):
        with pytest.raises(MemoryFileError, match=rf"^no incident has the id '{nothing}'; `dyadwatch events` lists"):
            one.store.incident(nothing)
    one.close()


def test_what_a_killed_run_left_open_is_closed_as_interrupted(writer: Begin, incident: Make) -> None:
    before = writer(0, name="killed")
    message, over = incident(), incident("close", start_s=50)
    before.keep([message, over], T0 + 5 * S)
    before.close()  # without its end
    after = writer(100, name="next")
    (told,) = after.interrupted
    assert (told.id, told.type, told.reason) == (message.id, "close", "interrupted")
    assert told.end == message.stamp
    assert {k.message.id: k.message.reason for k in after.store.incidents()} == {
        message.id: "interrupted",
        over.id: "calm_again",
    }
    assert [m.type for _, m in after.store.updates(message.id)] == ["open", "close"]
    ended = dict(after.store.connection.execute("SELECT id, ended FROM runs").fetchall())
    assert ended == {"killed": T0 + 5 * S, "next": None}
    after.close()
    assert writer(200).interrupted == []


@pytest.mark.parametrize(
    ("people", "source", "after_s", "goes_on"),
    [((1, 2), "hall", 10, True), ((2, 7), "hall", 10, True), ((3, 4), "hall", 10, False), ((1, 2), "yard", 10, False),
     ((1, 2), "hall", 300, False)],
)  # fmt: skip
def test_among_the_same_people_soon_after_a_restart_it_goes_on_and_stays_acknowledged(
    writer: Begin, incident: Make, people: tuple[int, int], source: str, after_s: float, goes_on: bool
) -> None:
    before = writer(0)
    message = incident()
    before.keep([message], T0)
    before.store.act(Action(at=T0 + S, kind=ActionKind.ACKNOWLEDGE, incident=message.id, who="ann"))
    before.close()
    after = writer(20)
    new = incident(pair=people, source=source, start_s=20 + after_s)
    after.keep([new], T0 + round((20 + after_s) * S))
    kept = after.store.incident(new.id)
    assert (kept.continues, kept.acknowledged_by) == ((message.id, "ann") if goes_on else ("", ""))
    after.close()


def test_the_same_happening_played_again_is_one_incident(writer: Begin, incident: Make) -> None:
    for at in (0, 100):
        one = writer(at)
        one.keep([incident(), incident("close")], T0 + at * S)
        assert len(one.store.incidents()) == 1
        one.end(T0)
        one.close()


def test_two_detectors_do_not_write_one_file(writer: Begin, path: Path) -> None:
    one = writer()
    with pytest.raises(MemoryFileError, match=rf"^{path} is written by another detector; give each a file of its own"):
        writer(1)
    one.close()
    writer(2).close()


def no_database(path: Path) -> None:
    path.write_bytes(b"not a database" * 99)


def of_another_program(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE t (x)")
    other.close()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (no_database, "is no memory of dyadwatch, or is damaged: file is not a database"),
        (of_another_program, "is an SQLite file of another program"),
        (Path.mkdir, "is no file; expected a memory of dyadwatch"),
    ],
)
def test_a_file_of_another_kind_is_refused_and_left_as_it_was(
    path: Path, writer: Begin, make: Callable[[Path], object], says: str
) -> None:
    path.parent.mkdir()
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(MemoryFileError, match=says):
        writer()
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_file_of_a_newer_version_is_refused(writer: Begin, path: Path) -> None:
    one = writer()
    one.store.connection.execute("PRAGMA user_version = 99")
    one.close()
    with pytest.raises(
        MemoryFileError, match=r"is a memory of version 99; this dyadwatch knows versions up to \d+: install"
    ):
        writer(1)


def test_a_file_that_is_not_there_is_not_made_by_who_only_reads(path: Path) -> None:
    with pytest.raises(
        MemoryFileError, match=rf"^there is no memory in {path}; a detector keeps one with --memory FILE"
    ):
        Store(path)
    assert not path.parent.exists()


def test_what_is_old_is_deleted_with_all_that_belongs_to_it(writer: Begin, incident: Make) -> None:
    one = writer(0, keep_days=1)
    old, still_open, new = incident("close"), incident(start_s=1), incident("close", start_s=2)
    one.keep([old, still_open], T0)
    one.store.act(Action(at=T0, kind=ActionKind.ACKNOWLEDGE, incident=old.id))
    one.keep([new], T0 + 86400 * S)
    one.forget(T0 + 86401 * S)
    assert ids(one.store) == [new.id, still_open.id]
    assert one.store.actions() == []
    assert one.store.updates(old.id) == []
    one.close()


def status(source: str, code: Blindness | None) -> StatusMessage:
    state = SourceState.BLIND if code else SourceState.WATCHING
    blind = Blind(code=code, detail={}, text=f"{code}") if code else None
    return StatusMessage(
        source=source, state=state, blind=blind, fps=0, people=0, pairs=0, frames=0, windows=0, open_events=0,
        dropped={}, clock="unix", clock_offset_ms=None, last_stamp=0, model="", provider="",
    )  # fmt: skip


def test_of_the_states_of_sources_changes_are_kept_and_people_who_come_and_go_are_none(writer: Begin) -> None:
    one = writer()
    codes = [None, Blindness.NOBODY, None, Blindness.LAYOUT_UNFIT, Blindness.LAYOUT_UNFIT, Blindness.ONE_PERSON]
    for at, code in enumerate(codes):
        one.keep([status("hall", code)], T0 + at)
    rows = one.store.connection.execute("SELECT at, state, code, text FROM source_states").fetchall()
    assert rows == [
        (T0, "watching", "", ""),
        (T0 + 3, "blind", "layout_unfit", "layout_unfit"),
        (T0 + 5, "watching", "", ""),
    ]
    one.close()


def test_while_the_disk_is_full_what_is_told_waits_and_is_kept_afterwards(writer: Begin, incident: Make) -> None:
    one = writer()
    sink = MemorySink(one, clock=lambda: T0)
    pages = one.store.connection.execute("PRAGMA page_count").fetchone()[0]
    one.store.connection.execute(f"PRAGMA max_page_count = {pages}")
    long = "x" * 200_000
    sink.emit([incident(explanation=long)])
    sink.emit([incident("update", explanation="newer"), incident("update", explanation=long)])
    assert sink.state == Finding(
        MemoryState.FAILS, file=str(one.store.path), error="database or disk is full", waiting=2
    )
    sink.emit([incident("close", explanation="over")])
    one.store.connection.execute("PRAGMA max_page_count = 100000")
    sink.idle()
    assert sink.state == Finding(MemoryState.ON)
    (kept,) = one.store.incidents()
    assert (kept.message.type, kept.message.explanation) == ("close", "over")
    assert [m.type for _, m in one.store.updates(kept.message.id)] == ["open", "update", "close"]
    sink.close()


def test_the_sink_tells_what_others_wrote_once(writer: Begin, incident: Make, path: Path) -> None:
    acted: list[Action] = []
    one = writer()
    sink = MemorySink(one, acted.append, clock=lambda: T0)
    sink.emit([incident()])
    sink.idle()
    with Store(path) as other:
        action = other.act(Action(at=T0, kind=ActionKind.ACKNOWLEDGE, incident=incident().id, who="ann"))
    sink.idle()
    sink.idle()
    assert acted == [action]
    sink.close()


def test_where_incidents_are_kept() -> None:
    beside = RecordOptions(folder="/data/rec")
    assert memory_file(Config()) is None
    assert memory_file(Config(record=beside)) == Path("/data/rec/incidents.db")
    assert memory_file(Config(record=beside, memory=MemoryOptions(file="off"))) is None
    assert memory_file(Config(record=beside, memory=MemoryOptions(file="a.db"))) == Path("a.db")


_WRITES_FOR_EVER = """
import sys, time
sys.path.insert(0, {folder!r})
from conftest import incident
from dyadwatch.stream.configuration.config import MemoryOptions
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.run import Run
from pathlib import Path
writer = MemoryWriter(Path({path!r}), MemoryOptions(), Run.begin(), "p", "m")
print(*(m.id for m in writer.interrupted), flush=True)
for n in range(10**6):
    message = incident(start_s={at} + n)
    writer.keep([message], time.time_ns())
    print(message.id, flush=True)
    if n % 2:
        writer.keep([incident("close", start_s={at} + n)], time.time_ns())
"""


def test_kill_9_loses_nothing_that_was_kept_and_doubles_nothing(path: Path) -> None:
    told: list[str] = []
    left_open: set[str] = set()
    for turn in range(4):
        code = _WRITES_FOR_EVER.format(folder=str(Path(__file__).parent), path=str(path), at=turn * 1000)
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert set(child.stdout.readline().split()) == left_open
            told += [child.stdout.readline().strip() for _ in range(5 + 7 * turn)]
            os.kill(child.pid, signal.SIGKILL)
            told += [line.strip() for line in child.stdout if line.endswith("\n")]
        with Store(path) as store:
            kept = [k.message.id for k in store.incidents()]
            left_open = set(ids(store, open=True))
            assert set(told) <= set(kept)
            assert len(kept) == len(set(kept)) <= len(told) + turn + 1  # the last of a run may not have been told
            assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_of_near_misses_the_highest_of_each_source_are_kept(writer: Begin) -> None:
    one = writer(0, near_misses=3)
    for at, (source, peak) in enumerate([("hall", 2.1), ("hall", 2.9), ("yard", 1.7), ("hall", 2.2), ("hall", 2.0)]):
        near = NearMissMessage(
            id=f"n{at}", source=source, pair=(1, 2), clock="unix", start=at, end=at, stamp=at, peak_score=peak,
            peak_stamp=at, evidence=0.9, joints=(), explanation="", model="m 1",
        )  # fmt: skip
        one.keep([near], T0 + at)
    assert [m.peak_score for m in one.store.near_misses("hall")] == [2.9, 2.2, 2.1]
    assert [m.source for m in one.store.near_misses()] == ["hall", "hall", "hall", "yard"]
    one.close()


def test_a_file_of_the_first_version_is_brought_up_to_date_with_all_that_is_in_it(
    writer: Begin, incident: Make, path: Path
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    old = sqlite3.connect(path)
    old.executescript(
        f"{schema.MIGRATIONS[0]} PRAGMA application_id = {schema.APPLICATION}; PRAGMA user_version = 1;"
        "INSERT INTO runs (id, started, program, model) VALUES ('old', 5, 'dyadwatch 0', 'm 1');"
    )
    old.execute(
        "INSERT INTO incidents (id, run, source, about, severity, reason, open, began, told, message)"
        " VALUES ('x', 'old', 'hall', 'interaction', 'notice', 'opened', 0, 5, 6, ?)",
        (encode_json(incident("close")).decode(),),
    )
    old.commit()
    old.close()
    one = writer()
    assert [run.id for run in one.store.runs()] == ["run0.0", "old"]
    assert [kept.run for kept in one.store.incidents()] == ["old"]
    assert one.store.runs()[1].thresholds == {}


def test_what_a_run_judges_by_and_changes_of_its_configuration_are_kept(writer: Begin) -> None:
    one = writer()
    calibration = Calibration(model_sha256="0" * 64, raise_at=1.0, clear_at=0.6, evidence={"hours": 72.5})
    one.keep_calibration(calibration, Thresholds(1.0, 0.6, (Rule(ScorePart.SCORE, 0.4, 2.5),)), "0" * 64)
    one.keep_calibration(calibration, Thresholds(1.2, 0.6), "0" * 64)  # started anew with others: the latest count
    change = ConfigChange(at=T0 + S, who="SIGHUP", changes=(ChangedKey(key="alarm.hold_s", before=2.0, after=3.0),))
    one.keep_change(change)
    (run,) = one.store.runs()
    assert (run.thresholds, run.evidence) == ({"raise_at": 1.2, "clear_at": 0.6, "rules": []}, {"hours": 72.5})
    assert (run.ended, run.changes) == (None, (change,))


def test_what_people_were_told_and_did_counts_beyond_the_run(writer: Begin, incident: Make) -> None:
    one = writer()
    opened = incident()
    one.keep([opened], T0 + S)
    one.store.act(Action(at=T0 + S, kind=ActionKind.ACKNOWLEDGE, incident=opened.id, who="ann"))
    for until in (T0 + 50 * S, T0 + 500 * S):
        one.store.act(Action(at=T0 + S, kind=ActionKind.SNOOZE, source="hall", until=until, who="ann"))
    one.store.act(Action(at=T0 + S, kind=ActionKind.SNOOZE, source="yard", until=T0 + 500 * S))
    one.store.act(Action(at=T0 + S, kind=ActionKind.SNOOZE, source="yard", until=0))  # ended
    calls = [
        AttentionMessage(what=AttentionKind.CALL, source="hall", at=T0 + at * S, severity=Severity.ALARM, text="",
                         explanation="") for at in (1, 2)
    ]  # fmt: skip
    one.keep(calls, T0 + 2 * S)
    one.close()
    two = writer(10.0)
    before = two.before(T0 + 10 * S, T0 + 2 * S)
    assert before.calls == (calls[1],)
    assert [(a.source, a.until) for a in before.snoozes] == [("hall", T0 + 500 * S)]
    assert [(k.message.id, k.acknowledged_by) for k in before.acknowledged] == [(opened.id, "ann")]
    assert before.until == T0 + 70 * S


def test_a_source_that_learns_while_people_come_and_go_is_one_state(writer: Begin) -> None:
    one = writer()
    now = LearningNow(
        code=Learning.GATHERING, since=T0, minutes=1.0, pairs=1, more_minutes=9.0, folder="learning", text=""
    )
    for at, code in enumerate([None, Blindness.NOBODY, None, Blindness.ONE_PERSON]):
        told = structs.replace(status("hall", code), learning=now)
        one.keep([told if code else structs.replace(told, state=SourceState.LEARNING)], T0 + at)
    rows = one.store.connection.execute("SELECT at, state FROM source_states").fetchall()
    assert rows == [(T0, "learning")]
    one.close()
