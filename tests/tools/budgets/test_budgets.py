"""Budgets tried on what a detector recorded: the alarms that come and go are those of a detector with these levels."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from dyadwatch.budgeting import work_out
from dyadwatch.core.decision.calibration_file import Calibration, calibration_path, read_calibration
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.model_file.artefact import file_sha256, read_info
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.configuration.config import Config, RecordOptions, ScorerOptions
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.learning.budget_table import BUDGETS, AlarmList, BudgetOffer, WorkedOut
from dyadwatch.stream.learning.learning_codes import Origin
from dyadwatch.stream.learning.learning_words import of_version
from dyadwatch.stream.learning.other_levels import use_budget
from dyadwatch.stream.memory.kept import Action, ActionKind, Verdict
from dyadwatch.stream.memory.store import Store
from dyadwatch.tools.learn import budgets

NS = 10**9
TRIED = ("1/day", "6/hour", "60/hour")


def offer(worked: WorkedOut, budget: str) -> BudgetOffer:
    return next(o for o in worked.table.offers if o.budget == budget)


def level(worked: WorkedOut, budget: str) -> float:
    found = offer(worked, budget).level
    assert found is not None
    return found


def alarms(listed: AlarmList) -> set[tuple[object, ...]]:
    return {(a.source, a.pair, a.stamp) for a in listed.alarms}


def test_what_would_come_and_go_is_what_a_detector_tells(site: Any) -> None:
    worked = work_out(site.config, 1, budgets=TRIED, now=site.now)
    table = worked.table
    assert (table.version, table.days, [o.budget for o in table.offers]) == (1, 1, list(TRIED))
    assert table.model == read_info(shipped_model()).title
    assert table.hours == pytest.approx(site.hours, rel=0.01)
    model = site.models.path(1)
    present = site.events(read_calibration(calibration_path(model)).thresholds)
    assert table.events == len(present) > 1
    assert sorted(worked.calibrations) == ["6/hour", "60/hour"]
    for budget in worked.calibrations:
        one, calibration = offer(worked, budget), msgspec.convert(worked.calibrations[budget], Calibration)
        assert one.certified
        assert calibration.model_sha256 == file_sha256(model)
        assert (calibration.evidence["budget"], calibration.evidence["certified"]) == (budget, True)
        after = site.events(calibration.thresholds)
        assert alarms(one.stay) | alarms(one.come) == after
        assert alarms(one.go) <= present
        assert one.events == len(after)
        assert one.per_hour_95 is not None
        assert one.per_hour_95 <= one.per_hour
    assert alarms(offer(worked, "6/hour").go) == present, "six an hour leave none in half an hour"
    assert level(worked, "6/hour") > max(1, level(worked, "60/hour"))
    assert table.curve[0].events >= table.events >= table.curve[-1].events == 0
    day = offer(worked, "1/day")
    assert (day.certified, day.level, day.go.count) == (False, None, 0)
    assert day.hours_missing == pytest.approx(71.9 - table.hours, abs=0.02)


def test_alarms_name_their_incidents_and_what_people_judged_real_is_not_counted(own_site: Any) -> None:
    before = work_out(own_site.config, 1, budgets=TRIED, now=own_site.now)
    goes = offer(before, "6/hour").go.alarms
    with Store(own_site.folder / "incidents.db") as store:
        ids = {k.message.id for k in store.incidents() if k.message.pairs}
        assert {a.incident for a in goes} == ids
        assert [a.verdict for a in goes] == [None] * len(goes)
        for id_ in ids:
            store.act(Action(at=1, kind=ActionKind.VERDICT, incident=id_, verdict=Verdict.TRUE, who="ann"))
    after = work_out(own_site.config, 1, budgets=TRIED, now=own_site.now)
    assert (before.table.real, after.table.real, after.table.events) == (0, len(ids), 0)
    assert after.table.hours < before.table.hours
    assert level(after, "6/hour") < level(before, "6/hour"), "what was real does not lift the levels"
    stays = offer(after, "6/hour").stay.alarms
    assert stays
    assert all(a.verdict is Verdict.TRUE for a in stays)


def test_a_budget_becomes_a_version_and_back(own_site: Any) -> None:
    models, config = own_site.models, own_site.config
    worked = work_out(config, 1, budgets=TRIED, now=own_site.now)
    table = use_budget(models, worked, "6/hour", "ann", config.alarm)
    assert (table.current, table.by, table.uses[-1].by) == (2, "ann", "ann")
    version = table.version(2)
    assert (version.how, version.on, version.budget, version.by) == (Origin.RECALIBRATED, 1, "6/hour", "ann")
    assert of_version(version) == "version 1, with levels for 6/hour from 0.5 h that it judged"
    assert file_sha256(models.path(2)) == file_sha256(models.path(1)) == version.sha256
    one, two = (read_calibration(calibration_path(models.path(n))) for n in (1, 2))
    assert one.rules != two.rules
    again = work_out(config, 1, budgets=TRIED, now=own_site.now)
    assert (again.table.version, again.table.budget, again.table.events) == (2, "6/hour", 0)
    assert level(again, "6/hour") == pytest.approx(1.0, abs=0.01)
    with pytest.raises(ConfigError, match=r"^version 1 was looked at, and version 2 is in use by now; look again$"):
        use_budget(models, worked, "6/hour", "ann", config.alarm)
    assert models.back("ann").current == 1
    assert not list(models.folder.glob(".levels-*"))


@pytest.mark.parametrize(
    ("budget", "option", "text"),
    [
        ("2/day", "", r"^budget is '2/day'; expected one of 1/day, 6/hour, 60/hour$"),
        ("1/day", "", r"^budget is 1/day, for which 71\.\d h are missing beside the 0\.5 h that the model in use "),
        ("6/hour", "alarm.raise_at=3", r"^alarm\.raise_at is set, and prevails over the levels of any version; "),
        ("6/hour", "alarm.rules=[]", r"^alarm\.rules is set, and prevails over the levels of any version; "),
    ],
)
def test_what_cannot_be_used(site: Any, budget: str, option: str, text: str) -> None:
    worked = work_out(site.config, 1, budgets=TRIED, now=site.now)
    config = set_option(Config(), option) if option else Config()
    with pytest.raises(ConfigError, match=text):
        use_budget(site.models, worked, budget, "ann", config.alarm)
    assert site.models.read().current == 1


def test_where_there_is_nothing_to_look_at(site: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^record\.folder is empty, so that there are no hours to look at; "):
        work_out(Config(), 1)
    with pytest.raises(ConfigError, match=r"^no model is in use, so that nobody is judged; "):
        work_out(structs.replace(Config(), record=RecordOptions(folder=str(tmp_path))), 1)
    before = site.began - NS
    own, shipped = site.config, structs.replace(site.config, scorer=ScorerOptions(model="shipped"))
    for config, version in ((own, 1), (shipped, 0)):
        worked = work_out(config, 1, budgets=TRIED, now=before)
        assert (worked.table.version, worked.table.hours, worked.table.curve) == (version, 0.0, ())
        assert [o.hours_missing for o in worked.table.offers] == [71.9, 0.5, 0.05]
        assert worked.calibrations == {}


def test_the_verb_lists_them_and_uses_one(
    own_site: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.nice", lambda by: by)  # of the tests themselves
    budgets(days=1, data=own_site.folder)
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"0\.54 h of 2 sources judged by simulated \d+; \d+ alarms at the present levels$", lines[0])
    assert [line.partition(":")[0] for line in lines[1:]] == list(BUDGETS)
    assert lines[1] == "1/week: 502.7 h are missing"
    assert " times the present levels; 0 events left, at most " in lines[-1]
    budgets(days=1, data=own_site.folder, json=True)
    assert json.loads(capsys.readouterr().out)["table"]["offers"][-1]["budget"] == "6/hour"
    budgets(days=1, data=own_site.folder, use="6/hour")
    assert capsys.readouterr().out.endswith("the levels for 6/hour are in use\n")
    assert own_site.models.read().version(2).budget == "6/hour"
    with pytest.raises(ConfigError, match=r"^--days is 3; expected one of 1, 7, 28$"):
        budgets(days=3, data=own_site.folder)
