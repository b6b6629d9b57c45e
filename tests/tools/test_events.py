"""`dyadwatch events`: what people read of incidents and say of them."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.errors import ConfigError, MemoryFileError
from dyadwatch.core.iso_time import moment, utc_moment
from dyadwatch.stream.alarms.incident import Incident, PairIds
from dyadwatch.stream.codes import EventReason, IncidentReason, Severity
from dyadwatch.stream.configuration.config import IncidentOptions, MemoryOptions
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import EventMessage, EventRule, IncidentMessage
from dyadwatch.stream.run import Run
from dyadwatch.tools.events import acknowledge, export, list_, show, snooze, verdict

S = 1_000_000_000
T0 = 1_700_000_000 * S


def incident(pair: PairIds, source: str, score: float, at: int) -> IncidentMessage:
    event = EventMessage(
        type="open",
        id=f"{pair}{at}",
        source=source,
        pair=pair,
        clock="unix",
        start=at,
        end=None,
        stamp=at + 2 * S,
        score=score,
        relation=0.0,
        unusual=score,
        peak_score=score,
        peak_stamp=at,
        threshold=2.5,
        evidence=1 + (score - 2.5) / 3,
        rule=EventRule(part=ScorePart.SCORE, over_s=0.0, mean=score),
        reason=EventReason.ENOUGH_EVIDENCE,
        text="",
        joints=(),
        explanation=f"=1+1 {pair[0]}'s [left] wrist",
        model="m 1",
    )
    one = Incident(event, IncidentOptions())
    one.note(event)
    one.rises()
    return one.tell("close", IncidentReason.CALM_AGAIN, at + 2 * S)


HALL, YARD = incident(("ann", 2), "hall", 9.0, T0), incident((3, 4), "yard", 2.6, T0 + 3600 * S)


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    path = tmp_path / "incidents.db"
    writer = MemoryWriter(path, MemoryOptions(), Run("r1", T0), "dyadwatch 0", "m 1", T0)
    writer.keep([HALL], T0 + 2 * S)
    writer.keep([YARD], T0 + 3602 * S)
    writer.close()
    return path


def test_the_list_says_when_how_grave_who_and_why(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list_(memory=memory)
    out = capsys.readouterr().out
    assert out.index(YARD.id) < out.index(HALL.id)
    assert out.splitlines()[2:] == [
        f"{moment(T0)}  critical  hall  ann + 2  2.0 s  calm_again  {HALL.id}",
        "    =1+1 ann's [left] wrist",
    ]
    list_(memory=memory, utc=True, severity=Severity.ALARM, json=True)
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["id"], told["start"], told["seconds"]) == (HALL.id, utc_moment(T0), 2.0)
    assert told["start"] == "2023-11-14T22:13:20.000Z"
    assert told["message"]["kind"] == "incident"


def test_times_choose_and_one_without_a_zone_is_utc(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def ids(**flags: str) -> list[str]:
        list_(memory=memory, json=True, **flags)  # pyright: ignore[reportArgumentType]
        return [one["id"] for one in json.loads(capsys.readouterr().out)]

    assert ids(from_="2023-11-14T22:30:00") == ids(from_="2023-11-14T23:30:00+01:00") == [YARD.id]
    assert ids(until="2023-11-14T22:30:00Z") == [HALL.id]
    assert ids(from_="1h") == []
    assert ids(from_="9999d") == [YARD.id, HALL.id]
    assert ids(source="hall") == [HALL.id]


def test_nothing_to_list_is_said(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list_(memory=memory, source="nowhere")
    assert capsys.readouterr().out == "no incident is kept that is wanted\n"


def test_what_is_said_of_an_incident_is_shown_with_it(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    acknowledge([HALL.id[:8]], memory=memory, who="eve", comment="on my way")
    verdict(HALL.id, "false", memory=memory, who="eve", comment="tying shoes")  # pyright: ignore[reportArgumentType]
    snooze("source:yard", minutes=10, memory=memory, who="eve")
    snooze(YARD.id, minutes=0, memory=memory, who="")
    said = capsys.readouterr().err.splitlines()
    assert [re.sub(r"^(\S+: )\S+  ", r"\1", line) for line in said[:2]] == [
        f"{HALL.id}: acknowledge by eve: on my way",
        f"{HALL.id}: verdict false by eve: tying shoes",
    ]
    assert re.search(r"^yard: \S+  snooze until \S+ by eve$", said[2])
    assert said[3].endswith("  snooze ended")
    show(HALL.id, memory=memory)
    out = capsys.readouterr().out
    assert "state: calm_again, acknowledged\n" in out
    assert "verdict: false\n" in out
    assert f"start: {moment(T0)}\n" in out
    assert "pair ann + 2: peak 9.0, evidence" in out
    assert "acknowledge by eve: on my way\n" in out
    list_(memory=memory, verdict="false", json=True)
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == [HALL.id]
    with Store(memory) as store:
        assert [a.source for a in store.actions() if a.source] == ["yard"]


@pytest.mark.parametrize("name", ["out.csv", "out.json"])
def test_exports_hold_every_column(memory: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    export(out=tmp_path / name, memory=memory, utc=True)
    assert capsys.readouterr().err == f"2 incidents in {tmp_path / name}\n"
    text = (tmp_path / name).read_text("utf8")
    rows = list(csv.DictReader(io.StringIO(text))) if name == "out.csv" else json.loads(text)
    assert [row["id"] for row in rows] == [YARD.id, HALL.id]
    assert (rows[1]["start"], rows[1]["people"], rows[1]["severity"]) == (utc_moment(T0), "ann 2", "critical")
    # No spreadsheet takes what a source sent for a formula.
    assert rows[1]["explanation"] == ("'" if name == "out.csv" else "") + "=1+1 ann's [left] wrist"


def test_wrong_flags_and_ids_are_named(memory: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--from is 'yesterday'; expected a time such as .*, or how long ago"):
        list_(memory=memory, from_="yesterday")
    with pytest.raises(ConfigError, match=r"^--limit is 0; expected at least 1$"):
        list_(memory=memory, limit=0)
    with pytest.raises(ConfigError, match=r"^no file of incidents is named; give --memory FILE, or --config"):
        list_()
    with pytest.raises(MemoryFileError, match=r"^there is no memory in .*none\.db"):
        list_(memory=tmp_path / "none.db")
    with pytest.raises(ConfigError, match=r"^--out is '.*a\.txt'; expected a name that ends in \.csv or \.json$"):
        export(out=tmp_path / "a.txt", memory=memory)
    with pytest.raises(ConfigError, match=r"^--minutes is -1; expected 0 to end it, up to a year$"):
        snooze(HALL.id, minutes=-1, memory=memory)
    with pytest.raises(MemoryFileError, match=r"^no incident has the id 'ffff'"):
        acknowledge([HALL.id, "ffff"], memory=memory)
    with Store(memory) as store:
        assert store.actions() == []
