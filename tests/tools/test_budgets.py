"""Budgets tried on what a detector recorded: the alarms that come and go are those of a detector with these levels."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from dyadwatch.budgeting import work_out
from dyadwatch.core.decision.calibration_file import Calibration, calibration_path, read_calibration
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.model_file.artefact import file_sha256, read_info
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.loading import load_scorer
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.configuration.config import Config, MemoryOptions, RecordOptions, ScorerOptions
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.learning.budget_table import BUDGETS, AlarmList, BudgetOffer, WorkedOut
from dyadwatch.stream.learning.learning_codes import Origin
from dyadwatch.stream.learning.learning_words import of_version
from dyadwatch.stream.learning.other_levels import use_budget
from dyadwatch.stream.learning.versions import FOLDER, SiteModels, Version
from dyadwatch.stream.memory.kept import Action, ActionKind, Verdict
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import IncidentMessage
from dyadwatch.stream.pipeline import Pipeline, events_of
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.recordings.header import about_detector
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.recordings_folder import recording_name
from dyadwatch.stream.run import Run
from dyadwatch.stream.wire import encode_pose
from dyadwatch.tools.learn import budgets

NS = 10**9
NOW = time.time_ns()
BEGAN = NOW - 2400 * NS
LONE_S = 1900  # of one person, which counts as watched: 0.53 h, enough for 6/hour
TRIED = ("1/day", "6/hour", "60/hour")


def frames() -> Iterator[PoseFrame]:
    """A minute of three people, odd in part, and half an hour of one alone."""
    pair = make_scenario(7, 3, duration_s=60.0, anomalies=3)
    yield from (replace(f, epoch=1) for f in pair.frames(30.0, source="hall", start_ns=BEGAN))
    one = next(iter(make_scenario(3, 2, duration_s=1.0, room_m=3.0).frames(30.0, source="yard", start_ns=BEGAN)))
    for k in range(2 * LONE_S):
        yield replace(one, epoch=1, seq=k, stamp=BEGAN + k * NS // 2, joints=one.joints[:1],
                      confidence=one.confidence[:1], ids=(1,))  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `up` leaves it: a recording with scores, incidents, the shipped model as version 1, in use."""
    folder = tmp_path_factory.mktemp("site")
    models = SiteModels(folder / FOLDER)
    models.folder.mkdir()
    copy = models.folder / "copy.onnx"
    shutil.copyfile(shipped_model(), copy)
    shutil.copyfile(calibration_path(shipped_model()), calibration_path(copy))
    models.add(Version(made=1, how=Origin.ENROLLED, clips=6, minutes=0.5), copy)
    models.use(1, "ann")
    config = at(folder)
    scorer, thresholds = load_scorer(
        structs.replace(config, scorer=ScorerOptions(model=str(models.path(1)), threads=1))
    )
    file = RecordingFile(
        folder / recording_name(BEGAN, 1, BEGAN), structs.replace(about_detector(scorer, thresholds, config), run="5")
    )
    pipeline, incidents = Pipeline(scorer, thresholds, config), list[IncidentMessage]()
    for number, frame in enumerate(frames()):
        file.parts(f"pose.{frame.source}", encode_pose(frame), frame.stamp, frame.stamp, number)
        for message in pipeline.push(frame):
            file.message(message, frame.stamp)
            incidents += [message] if isinstance(message, IncidentMessage) else []
    for message in pipeline.finish():
        file.message(message, BEGAN + LONE_S * NS)
        incidents += [message] if isinstance(message, IncidentMessage) else []
    file.close()
    writer = MemoryWriter(folder / "incidents.db", MemoryOptions(), Run("r", 1), "dyadwatch", "m 1")
    writer.keep([i for i in incidents if i.type != "update"], NOW - 60 * NS)
    writer.close()
    return folder


def at(folder: Path) -> Config:
    return structs.replace(Config(), record=RecordOptions(folder=str(folder)), scorer=ScorerOptions(threads=1))


def offer(worked: WorkedOut, budget: str) -> BudgetOffer:
    return next(o for o in worked.table.offers if o.budget == budget)


def alarms(listed: AlarmList) -> set[tuple[str, int]]:
    return {(a.source, a.stamp) for a in listed.alarms}


def told(config: Config, model: Path, thresholds: Thresholds) -> set[tuple[str, int]]:
    """When a detector with these levels opens events on the same frames."""
    scorer, _ = load_scorer(structs.replace(config, scorer=ScorerOptions(model=str(model), threads=1)))
    pair = (f for f in frames() if f.source == "hall")
    events = events_of(Pipeline(scorer, thresholds, config).run(pair))
    return {(e.source, e.stamp) for e in events if e.type == "open"}


def test_what_would_come_and_go_is_what_a_detector_tells(site: Path) -> None:
    config = at(site)
    worked = work_out(config, 1, budgets=TRIED, now=NOW)
    table = worked.table
    assert (table.version, table.days, [o.budget for o in table.offers]) == (1, 1, list(TRIED))
    assert table.model == read_info(shipped_model()).title
    assert table.hours == pytest.approx((60 + LONE_S) / 3600, rel=0.01)
    model = SiteModels(site / FOLDER).path(1)
    present = told(config, model, read_calibration(calibration_path(model)).thresholds)
    assert table.events == len(present) > 1
    assert sorted(worked.calibrations) == ["6/hour", "60/hour"]
    for budget in worked.calibrations:
        one, calibration = offer(worked, budget), msgspec.convert(worked.calibrations[budget], Calibration)
        assert one.certified
        assert calibration.model_sha256 == file_sha256(model)
        assert (calibration.evidence["budget"], calibration.evidence["certified"]) == (budget, True)
        after = told(config, model, calibration.thresholds)
        assert alarms(one.stay) | alarms(one.come) == after
        assert len(alarms(one.stay) | alarms(one.go)) >= len(present)
        assert one.events == len(after)
        assert one.per_hour_95 is not None
        assert one.per_hour_95 <= one.per_hour
    strict, loose = offer(worked, "6/hour"), offer(worked, "60/hour")
    assert strict.go.count == len(present), "six an hour leave none in half an hour"
    assert strict.level is not None
    assert loose.level is not None
    assert strict.level > 1
    assert strict.level > loose.level
    assert table.curve[0].events >= table.events >= table.curve[-1].events == 0
    week = offer(worked, "1/day")
    assert (week.certified, week.level, week.hours_missing) == (
        False,
        None,
        pytest.approx(71.9 - table.hours, abs=0.02),
    )


def test_alarms_name_their_incidents_and_what_people_judged_real_is_not_counted(site: Path, tmp_path: Path) -> None:
    memory = tmp_path / "incidents.db"
    shutil.copyfile(site / "incidents.db", memory)
    config = structs.replace(at(site), memory=MemoryOptions(file=str(memory)))
    shutil.copytree(site / FOLDER, tmp_path / FOLDER)
    before = work_out(config, 1, budgets=TRIED, now=NOW)
    goes = offer(before, "6/hour").go.alarms
    with Store(memory) as store:
        ids = {k.message.id for k in store.incidents() if k.message.pairs}
        assert {a.incident for a in goes} == ids
        assert [a.verdict for a in goes] == [None] * len(goes)
        for id_ in ids:
            store.act(Action(at=NOW, kind=ActionKind.VERDICT, incident=id_, verdict=Verdict.TRUE, who="ann"))
    after = work_out(config, 1, budgets=TRIED, now=NOW)
    assert (after.table.real, after.table.events) == (len(ids), 0)
    assert after.table.hours < before.table.hours
    lower, higher = offer(after, "6/hour").level, offer(before, "6/hour").level
    assert lower is not None
    assert higher is not None
    assert lower < higher, "what was real does not lift the levels"
    assert all(a.verdict is Verdict.TRUE for a in offer(after, "6/hour").stay.alarms if a.incident)


def test_a_budget_becomes_a_version_and_back(site: Path, tmp_path: Path) -> None:
    shutil.copytree(site / FOLDER, tmp_path / FOLDER)
    models, config = SiteModels(tmp_path / FOLDER), at(site)
    worked = work_out(config, 1, budgets=TRIED, now=NOW)
    table = use_budget(models, worked, "6/hour", "ann", config.alarm)
    assert (table.current, table.by, table.uses[-1].by) == (2, "ann", "ann")
    version = table.version(2)
    assert (version.how, version.on, version.budget, version.by) == (Origin.RECALIBRATED, 1, "6/hour", "ann")
    assert of_version(version) == "version 1, with levels for 6/hour from 0.5 h that it judged"
    assert file_sha256(models.path(2)) == file_sha256(models.path(1)) == version.sha256
    assert (
        read_calibration(calibration_path(models.path(2))).rules
        != read_calibration(calibration_path(models.path(1))).rules
    )
    again = work_out(
        structs.replace(config, memory=MemoryOptions(file=str(tmp_path / "x.db"))), 1, budgets=TRIED, now=NOW
    )
    assert (again.table.version, again.table.budget) == (2, "6/hour")
    assert again.table.events == 0
    assert offer(again, "6/hour").level == pytest.approx(1.0, abs=0.01)
    with pytest.raises(ConfigError, match=r"^version 1 was looked at, and version 2 is in use by now; look again$"):
        use_budget(models, worked, "6/hour", "ann", config.alarm)
    assert models.back("ann").current == 1
    assert not list(models.folder.glob(".levels-*"))


@pytest.mark.parametrize(
    ("budget", "option", "text"),
    [
        ("2/day", "", r"^budget is '2/day'; expected one of 1/day, 6/hour, 60/hour$"),
        (
            "1/day",
            "",
            r"^budget is 1/day, for which 71\.\d h are missing beside the 0\.5 h that the model in use ",
        ),
        ("6/hour", "alarm.raise_at=3", r"^alarm\.raise_at is set, and prevails over the levels of any version; "),
        ("6/hour", "alarm.rules=[]", r"^alarm\.rules is set, and prevails over the levels of any version; "),
    ],
)
def test_what_cannot_be_used(site: Path, budget: str, option: str, text: str) -> None:
    worked = work_out(at(site), 1, budgets=TRIED, now=NOW)
    config = set_option(Config(), option) if option else Config()
    with pytest.raises(ConfigError, match=text):
        use_budget(SiteModels(site / FOLDER), worked, budget, "ann", config.alarm)
    assert SiteModels(site / FOLDER).read().current == 1


def test_where_there_is_nothing_to_look_at(site: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^record\.folder is empty, so that there are no hours to look at; "):
        work_out(Config(), 1)
    with pytest.raises(ConfigError, match=r"^no model is in use, so that nobody is judged; "):
        work_out(at(tmp_path), 1)
    early = work_out(at(site), 1, budgets=TRIED, now=BEGAN - NS)
    other = work_out(structs.replace(at(site), scorer=ScorerOptions(model="shipped")), 1, budgets=TRIED, now=BEGAN - NS)
    for worked in (early, other):
        assert (worked.table.hours, worked.table.curve, worked.calibrations) == (0.0, (), {})
        assert [o.hours_missing for o in worked.table.offers] == [71.9, 0.5, 0.05]


def test_the_verb_lists_them_and_uses_one(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.nice", lambda by: by)
    folder = tmp_path / "data"
    shutil.copytree(site, folder)
    budgets(days=1, data=folder)
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"0\.54 h of 2 sources judged by simulated \d+; \d+ alarms at the present levels$", lines[0])
    assert [line.partition(":")[0] for line in lines[1:]] == list(BUDGETS)
    assert lines[1] == "1/week: 502.7 h are missing"
    assert " times the present levels; 0 events left, at most " in lines[-1]
    budgets(days=1, data=folder, json=True)
    assert json.loads(capsys.readouterr().out)["table"]["offers"][-1]["budget"] == "6/hour"
    budgets(days=1, data=folder, use="6/hour")
    assert capsys.readouterr().out.endswith("the levels for 6/hour are in use\n")
    assert SiteModels(folder / FOLDER).read().version(2).budget == "6/hour"
    with pytest.raises(ConfigError, match=r"^--days is 3; expected one of 1, 7, 28$"):
        budgets(days=3, data=folder)
