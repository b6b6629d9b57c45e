"""What is asked of the page, by real requests, beside a memory that a detector writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dyadwatch.stream.codes import Severity
from dyadwatch.stream.memory.kept import ActionKind, Verdict
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import IncidentMessage
from dyadwatch.stream.page.tokens import Role

S = 1_000_000_000
Make = Callable[..., IncidentMessage]


def test_incidents_are_listed_by_filters(page: Any) -> None:
    with page.client(Role.VIEWER) as viewer:

        def ids(query: str) -> list[str]:
            answer = viewer.get(f"/api/v1/incidents?{query}")
            assert answer.status_code == 200, answer.text
            return sorted(kept["message"]["id"] for kept in answer.json())

        assert ids("") == ["a1b2c3", "d4e5f6"]
        assert ids("source=yard") == ["d4e5f6"]
        assert ids("severity=alarm") == ["a1b2c3"]
        assert ids("open=true") == []
        assert ids("verdict=none&unacknowledged=true&from=2020-01-01") == ["a1b2c3", "d4e5f6"]
        assert ids("until=2020-01-01") == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("colour=red", "'colour' is not a parameter; expected some of from, limit, open"),
        ("severity=bad", "severity is 'bad'; expected one of notice, alarm, critical"),
        ("verdict=bad", "verdict is 'bad'; expected one of true, false, unsure, none"),
        ("limit=0", "limit is '0'; expected 1 to 1000"),
        ("limit=x", "limit is 'x'; expected 1 to 1000"),
        ("open=1", "open is '1'; expected true or false"),
        ("from=now", "from is 'now'; expected a time such as 2026-11-21T14:30:00+01:00"),
    ],
)
def test_filters_that_make_no_sense_are_named(page: Any, query: str, said: str) -> None:
    with page.client(Role.VIEWER) as viewer:
        answer = viewer.get(f"/api/v1/incidents?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "query")
    assert answer.json()["text"].startswith(said)


def test_what_people_do_is_kept_with_their_name(page: Any) -> None:
    before = time.time_ns()
    token = page.tokens.add("ann", Role.OPERATOR)
    with page.client() as ann:
        ann.headers["Authorization"] = f"Bearer {token}"
        for what, body in (
            ("acknowledge", {"note": "on my way"}),
            ("verdict", {"verdict": "false", "note": "a hug"}),
            ("snooze", {"minutes": 10}),
            ("note", {"note": " tying shoes "}),
        ):
            answer = ann.post(f"/api/v1/incidents/a1b2/{what}", json=body)
            assert answer.status_code == 200, answer.text
        told = answer.json()
        ann.post("/api/v1/sources/yard/snooze", json={"minutes": 5})
    assert [a["kind"] for a in told["actions"]] == ["acknowledge", "verdict", "snooze", "note"]
    with Store(Path(page.config.memory.file)) as store:
        kept, actions = store.incident("a1b2c3"), store.actions()
    assert (kept.acknowledged_by, kept.verdict, kept.note) == ("ann", Verdict.FALSE, "tying shoes")
    assert 590 < (kept.snoozed - before) / S < 620
    assert {a.who for a in actions} == {"ann"}
    assert (actions[-1].kind, actions[-1].source) == (ActionKind.SNOOZE, "yard")


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("incidents/a1b2c3/verdict", {}, 400, "verdict is missing; expected true, false or unsure"),
        ("incidents/a1b2c3/verdict", {"verdict": "no"}, 400, "Invalid enum value 'no'"),
        ("incidents/a1b2c3/note", {"note": " "}, 400, "note is empty; expected some words"),
        ("incidents/a1b2c3/note", {"note": "x" * 2001}, 400, "note is too long; expected at most 2000 characters"),
        ("incidents/a1b2c3/snooze", {"minutes": -1}, 400, "minutes is -1; expected 0 to end it, up to a week"),
        ("incidents/a1b2c3/note", {"text": "x"}, 400, "Object contains unknown field `text`"),
        ("incidents/ffff/acknowledge", {}, 404, "no incident has the id 'ffff'"),
        ("sources/a b/snooze", {}, 400, "source"),
    ],
)
def test_what_cannot_be_done_is_said(page: Any, path: str, body: dict[str, object], status: int, said: str) -> None:
    with page.client(Role.OPERATOR) as operator:
        answer = operator.post(f"/api/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["text"]


def test_days_are_counted_by_severity_and_verdict(page: Any) -> None:
    with page.client(Role.OPERATOR) as operator:
        operator.post("/api/v1/incidents/a1b2c3/verdict", json={"verdict": "true"})
        found = operator.get("/api/v1/days").json()
    assert len(found) == 14
    counts = [d for d in found if d["severity"]]
    assert sum(sum(d["severity"].values()) for d in counts) == 2
    assert {v for d in counts for v in d["verdict"]} == {"true", "none"}


def test_one_incident_has_its_story(page: Any, kept: MemoryWriter, incident: Make) -> None:
    began = time.time_ns() - 10 * S
    kept.keep([incident("beef01", began, type="open", end=None, severity=Severity.NOTICE)], began + 5 * S)
    kept.keep([incident("beef01", began)], began + 6 * S)
    with page.client(Role.VIEWER) as viewer:
        found = viewer.get("/api/v1/incidents/beef").json()
        assert viewer.get("/api/v1/incidents/xyz").status_code == 404
    assert [u["message"]["type"] for u in found["updates"]] == ["open", "close"]
    assert found["clock_ahead"] == 2 * S, "told five seconds after it began, three of which its own stamp is later"


def test_without_a_recording_there_is_no_clip_and_it_says_why(page: Any) -> None:
    with page.client(Role.VIEWER) as viewer:
        answer = viewer.get("/api/v1/incidents/a1b2c3/clip")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_recording")
    assert answer.json()["text"] == "nothing is recorded; set record.folder"


def test_a_memory_that_is_not_there_yet_is_no_crash(page: Any, tmp_path: Path) -> None:
    file = Path(page.config.memory.file)
    file.rename(file.with_suffix(".away"))
    with page.client(Role.VIEWER) as viewer:
        answer = viewer.get("/api/v1/incidents")
        assert (answer.status_code, answer.json()["code"]) == (503, "memory")
        file.with_suffix(".away").rename(file)
        assert viewer.get("/api/v1/incidents").status_code == 200
