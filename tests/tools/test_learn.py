"""A site is learnt from what is recorded: proposed, tried on what was not seen, used, and gone back from."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from dyadwatch import heard_clips, proposing
from dyadwatch.calibrating import NormalHours
from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.calibration_file import calibration_path, read_calibration
from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.decision.score_log import PairScores, ScoreLog
from dyadwatch.core.errors import ClipError, ConfigError
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.loading import at_site, configure, is_learning
from dyadwatch.model_files import shipped_model
from dyadwatch.site_learner import SiteLearner
from dyadwatch.stream.codes import IncidentKind, IncidentReason, Severity
from dyadwatch.stream.configuration.config import Config, MemoryOptions, ScorerOptions
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.learning.learning_codes import Doing, LearnerTrouble, Origin, TeachingOutcome
from dyadwatch.stream.learning.progress import Training
from dyadwatch.stream.learning.versions import SiteModels, Version, site_models
from dyadwatch.stream.memory.kept import Action, ActionKind, Verdict
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import EventRule, IncidentMessage, IncidentPair, ScoreMessage
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.recordings_folder import recording_name
from dyadwatch.stream.run import Run
from dyadwatch.stream.wire import encode_pose
from dyadwatch.tools import learn
from dyadwatch.tools import models as models_verb

S = 1_000_000_000
NS = S


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty seconds of two people, as a learning detector records them just now."""
    folder = tmp_path_factory.mktemp("site")
    start = time.time_ns() - 90 * S
    file = RecordingFile(folder / recording_name(1, 1, start), RecordingHeader(run="1"))
    for frame in make_scenario(3, 2, duration_s=80.0, room_m=3.0).frames(15.0, start_ns=start):
        file.parts(f"pose.{frame.source}", encode_pose(frame), frame.stamp, frame.stamp, frame.seq)
        if frame.seq % 3 == 0 and frame.seq > 15:
            score = ScoreMessage(
                source=frame.source, pair=(1, 2), start=frame.stamp - S, end=frame.stamp, score=1.0, relation=0.0,
                unusual=1.0, model="m 1", latency_ms=1.0,
            )  # fmt: skip
            file.message(score, frame.stamp)
    file.close()
    return folder


@pytest.fixture(scope="module")
def site(recorded: Path) -> Config:
    return set_option(Config(), f"record.folder={recorded}")


@pytest.fixture(scope="module")
def learnt(site: Config) -> SiteLearner:
    """A learner that has had one turn."""
    models = site_models(site)
    assert models is not None
    learner = SiteLearner(site, models)
    learner.turn()
    return learner


def test_enough_becomes_a_proposal_that_is_tried_on_what_it_did_not_see(site: Config, learnt: SiteLearner) -> None:
    models = SiteModels(Path(site.record.folder) / "site-models")
    table, progress = models.read(), learnt.progress
    (version,) = table.versions
    assert (table.proposed, table.current, version.how) == (1, 0, Origin.ENROLLED)
    assert progress.minutes >= site.learning.enough_min
    assert (progress.doing, progress.trouble) == (Doing.LISTENING, None)
    assert progress.next_minutes == pytest.approx(2 * version.minutes), "the next follows once twice as much is heard"
    assert 5 <= version.clips <= 20
    assert 0 <= version.unseen_hours < 80 / 3600
    assert version.budget == "", "a minute vouches for none"
    path = models.path(1)
    assert read_info(path).name == "site-v1"
    assert read_calibration(calibration_path(path)).evidence["enrolled_clips"] == version.clips
    assert len(version.would_be) == min(version.events, 50)
    assert is_learning(at_site(site)), "a proposal judges nobody"
    learnt.turn()
    assert len(models.read().versions) == 1, "there is nothing new"


def test_the_verbs_tell_accept_and_go_back(
    site: Config, learnt: SiteLearner, capsys: pytest.CaptureFixture[str]
) -> None:
    learn.status(data=Path(site.record.folder))
    said = capsys.readouterr().out
    assert said.startswith("a model is proposed; nobody is judged until it is used\n")
    assert "no learner is running" not in said
    assert "version 1 (proposed): enrolled on" in said
    learn.accept(data=Path(site.record.folder))
    assert capsys.readouterr().out == "version 1 is in use\n"
    at = at_site(site)
    assert (is_learning(at), Path(at.scorer.model).name) == (False, "site-v1.onnx")
    models_verb.list_(data=Path(site.record.folder))
    assert "version 1 (in use): made 20" in capsys.readouterr().out
    learn.status(json=True, data=Path(site.record.folder))
    now = json.loads(capsys.readouterr().out)
    assert (now["state"], now["current"], now["before"]) == ("watching", 1, 0)
    learn.back(data=Path(site.record.folder))
    assert capsys.readouterr().out == "nobody is judged\n"
    with pytest.raises(ConfigError, match=r"^no version is proposed; expected one, or the number of a version"):
        learn.accept(data=Path(site.record.folder))
    with pytest.raises(ConfigError, match=r"^scorer\.model is 'own\.onnx' and memory\.file ''; expected no model"):
        learn.back(set_=(f"record.folder={site.record.folder}", "scorer.model=own.onnx"))


def test_a_model_file_becomes_a_version(site: Config, learnt: SiteLearner, capsys: pytest.CaptureFixture[str]) -> None:
    models_verb.use("shipped", data=Path(site.record.folder))
    number = SiteModels(Path(site.record.folder) / "site-models").read().current
    assert capsys.readouterr().out == f"version {number} is in use\n"
    models_verb.back(data=Path(site.record.folder))


def test_what_makes_no_model_is_said_and_tried_again_later(
    site: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = SiteModels(tmp_path / "models")
    learner = SiteLearner(site, models)
    monkeypatch.setattr("dyadwatch.site_learner.heard_lately", lambda *_, **__: heard_clips.HeardClips((), ()))
    learner.turn()
    progress = learner.progress
    assert progress.trouble is LearnerTrouble.UNUSABLE
    assert progress.trouble_text.startswith("0 clips of pairs were recorded that could be used; expected 5 of at least")
    assert progress.next_minutes == pytest.approx(progress.minutes + 0.5)
    assert models.read().versions == ()
    with pytest.raises(ClipError, match=r"^nothing was recorded in .* in the last 24 h; expected recordings of pairs$"):
        heard_clips.heard_lately(tmp_path, 15.0)


def stub(models: SiteModels, at: int = 1) -> Version:
    made = models.folder / "candidate.onnx"
    made.write_bytes(b"model")
    calibration_path(made).write_text("thresholds")
    return models.add(Version(made=at, how=Origin.ENROLLED, minutes=1.0), made, propose=True)


def test_auto_uses_what_is_proposed(site: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = SiteModels(tmp_path / "models")
    learner = SiteLearner(structs.replace(site, learning=structs.replace(site.learning, auto=True)), models)
    monkeypatch.setattr("dyadwatch.site_learner.heard_lately", lambda *_, **__: None)
    monkeypatch.setattr("dyadwatch.site_learner.propose", lambda models, *_, **__: stub(models))
    learner.turn()
    assert (models.read().current, models.read().by) == (1, "learning.auto")
    add = structs.replace(models.read().version(1), how=Origin.TRAINED)
    learner._proposed(structs.replace(add, number=2))
    assert models.read().current == 1, "trained, and it vouches for nothing"


def test_what_no_longer_holds_is_proposed_anew_once_an_hour(
    site: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = SiteModels(tmp_path / "models")
    now = [time.time_ns()]
    learner = SiteLearner(site, models, (), lambda: now[0])
    monkeypatch.setattr("dyadwatch.site_learner.heard_lately", lambda *_, **__: None)
    monkeypatch.setattr("dyadwatch.site_learner.propose", lambda models, *_, **__: stub(models, now[0]))
    learner.turn()
    models.use(1, "ann")
    learner._time.stale.add("hall")
    learner.turn()
    assert learner.progress.stale == ("hall",)
    assert len(models.read().versions) == 1
    now[0] += 3601 * NS
    learner.turn()
    learner.turn()
    assert len(models.read().versions) == 2


@pytest.mark.parametrize("fails", [False, True])
def test_a_model_is_trained_in_another_process_where_there_is_more(
    site: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    info, program = read_info(shipped_model()), tmp_path / "program"
    tell = """echo '{"what":"encoder","done":3,"total":9}'; echo "dyadwatch: 3 clips can be used" >&2"""
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\n{tell}\nread _\nexit {int(fails)}\n')
    program.chmod(0o700)
    monkeypatch.setattr("dyadwatch.site_training.sys.executable", str(program))
    monkeypatch.setattr("dyadwatch.site_learner.heard_lately", lambda *_, **__: heard_clips.HeardClips((), ()))
    monkeypatch.setattr("dyadwatch.site_learner.propose", lambda models, *_, **__: stub(models))
    monkeypatch.setattr("dyadwatch.site_learner.read_info", lambda path: info)
    monkeypatch.setattr("dyadwatch.site_learner.propose_trained", lambda models, *_, **__: stub(models))
    models = SiteModels(tmp_path / "models")
    config = structs.replace(site, learning=structs.replace(site.learning, train_min=1.0))
    learner = SiteLearner(config, models, ["--set", "a=b"])
    learner.progress = structs.replace(learner.progress, trains=True)
    learner.turn()
    training = learner._training
    assert training is not None
    until = time.monotonic() + 20
    while training.step.total == 0 and time.monotonic() < until:
        time.sleep(0.01)
    learner.turn()
    assert learner.progress.doing is Doing.TRAINING
    assert learner.progress.training == Training(what="encoder", done=3, total=9)
    assert training._process.stdin is not None
    training._process.stdin.close()
    while training.result is None and time.monotonic() < until:
        time.sleep(0.01)
    learner.turn()
    learner.turn()
    words = (tmp_path / "words").read_text()
    assert words == f"-m dyadwatch.tools.main learn train --out {models.folder}/trained.onnx --set a=b\n"
    assert (learner.progress.doing, learner.progress.training) == (Doing.LISTENING, None)
    assert learner.progress.trouble_text == ("3 clips can be used" if fails else "")
    assert [v.number for v in models.read().versions] == ([1] if fails else [1, 2])
    assert learner._training is None, "not again before twice as much is heard"


def test_after_a_verdict_all_that_was_heard_is_normal(recorded: Path, tmp_path: Path) -> None:
    for path in recorded.glob("*.mcap"):
        shutil.copy2(path, tmp_path)
    memory = tmp_path / "incidents.db"
    config = structs.replace(
        set_option(Config(), f"record.folder={tmp_path}"),
        memory=MemoryOptions(file=str(memory)),
        scorer=ScorerOptions(),
    )
    models = SiteModels(tmp_path / "models")
    models.folder.mkdir()
    stub(models)
    shutil.copyfile(shipped_model(), models.path(1))
    shutil.copyfile(calibration_path(shipped_model()), calibration_path(models.path(1)))
    models.use(1, "ann")
    learner = SiteLearner(structs.replace(config, learning=structs.replace(config.learning, enough_min=60.0)), models)
    now = time.time_ns()
    begins = [now - 60 * S, now - 40 * S]
    writer = MemoryWriter(memory, MemoryOptions(), Run("r", 1), "dyadwatch", "m 1")
    for id_, begin in zip(("f", "u"), begins, strict=True):
        writer.keep([incident(id_, begin, begin + 2 * S)], begin + 2 * S)
    with Store(memory) as store:
        store.act(Action(at=now, kind=ActionKind.VERDICT, incident="f", verdict=Verdict.FALSE, who="ann"))
    learner.turn()
    table, lessons = models.read(), learner.progress.lessons
    assert [(x.incident, x.outcome, x.version) for x in lessons] == [
        ("f", TeachingOutcome.RENEWED, 3),
        ("f", TeachingOutcome.TAUGHT, 2),
    ]
    version = table.version(3)
    assert (version.how, version.incidents, table.current, table.by) == (Origin.ENROLLED, ("f",), 3, "ann")
    assert version.minutes == pytest.approx(learner.progress.minutes, abs=0.01)
    unjudged = [("simulator", begins[1], begins[1] + 2 * S)]
    left, whole = (len(heard_clips.heard_lately(tmp_path, 15.0, odd=odd).clips) for odd in (unjudged, []))
    assert version.clips == left < whole
    assert learner.progress.doing is Doing.LISTENING
    learner.turn()
    assert models.read().current == 3
    writer.close()


def incident(id_: str, start: int, stamp: int) -> IncidentMessage:
    rule = EventRule(part=ScorePart.UNUSUAL, over_s=0.4, mean=3.0)
    pair = IncidentPair(
        pair=(1, 2), events=("e1",), open=False, start=start, end=stamp, peak_score=4.0, peak_stamp=start, relation=0.1,
        unusual=4.0, rule=rule, evidence=1.5, apart_m=1.2, joints=(), limb=None, explanation="",
    )  # fmt: skip
    return IncidentMessage(
        type="close", id=id_, about=IncidentKind.INTERACTION, source="simulator", clock="unix", severity=Severity.ALARM,
        start=start, end=stamp, stamp=stamp, peak_score=4.0, peak_stamp=start, people=(1, 2), pairs=(pair,), events=1,
        explanation="", reason=IncidentReason.CALM_AGAIN, text="", model="m 1",
    )  # fmt: skip


def pieces(count: int) -> heard_clips.HeardClips:
    """So many clips of a second, one behind the other; the third, the ninth and the last are of false alarms."""
    clip = Clip(np.zeros((15, 2, len(UPPER11.joints), 3), np.float32), UPPER11, 15.0)
    spans = [("hall", k * S, (k + 1) * S) for k in range(count)]
    false = tuple(("hall", k * S + S // 4, k * S + S // 2) for k in (2, 8, count - 1))
    return heard_clips.HeardClips((), tuple((span, clip) for span in spans), (), false)


@pytest.mark.parametrize(
    ("count", "half", "taken"), [(15, False, 15), (100, False, 100), (500, False, 200), (100, True, 50), (30, True, 20)]
)
def test_the_clips_that_a_model_is_enrolled_on(count: int, half: bool, taken: int) -> None:
    heard = pieces(count)
    chosen = [span[1] // S for span, _ in heard_clips.chosen_clips(heard, half=half)]
    assert len(set(chosen)) == taken
    assert chosen == sorted(chosen)
    assert {2, 8, count - 1} <= set(chosen), "those with false alarms"
    assert max(np.diff(chosen)) <= 2 * -(-count // taken), "and evenly spread of the others"
    assert heard.hours == pytest.approx(count / 3600)


def hours(stamps_s: list[float], watched_h: float) -> NormalHours:
    stamps = np.asarray([round(s * NS) for s in stamps_s], np.int64)
    parts = np.full((len(stamps), 4), 1.0)
    track = PairScores("hall", (1, 2), "unix", stamps, parts)
    return NormalHours(ScoreLog((track,), 0.2, 1.0), {"hall": watched_h}, Config())


def test_what_a_model_saw_vouches_for_nothing() -> None:
    left = proposing.without(hours([1, 2, 3, 4, 5, 6], 1.0), [("hall", 2 * NS, 3 * NS), ("yard", 0, 9 * NS)], 1.5)
    assert [s / NS for s in left.log.tracks[0].stamps] == [1, 5, 6]
    assert left.sources == {"hall": pytest.approx(1.0 - 1 / 3600)}
    assert proposing.without(hours([2.5], 1.0), [("hall", 2 * NS, 3 * NS)], 1.0).log.tracks == ()


@pytest.mark.parametrize(("watched", "budget"), [(0.2, ""), (0.6, "6/hour"), (3.1, "1/hour"), (80.0, "1/day")])
def test_the_strictest_budget_that_hours_vouch_for(watched: float, budget: str) -> None:
    assert proposing.best_budget({"hall": watched / 2, "yard": watched / 2}) == budget


def test_unseen_hours_give_the_thresholds_once_they_vouch_for_a_budget(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(b"m")
    few = hours([k / 5 for k in range(50)], 0.1)
    assert proposing._calibrate(model, few) == ""
    assert not calibration_path(model).exists(), "those of the enrolment stay"
    assert proposing._calibrate(model, replace(few, sources={"hall": 0.6})) == "6/hour"
    evidence = read_calibration(calibration_path(model)).evidence
    assert (evidence["certified"], evidence["hours"], evidence["budget"]) == (True, 0.6, "6/hour")


def test_the_place_of_up_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dyadwatch").mkdir()
    assert learn.settings_of(None, ()).record.folder == str(tmp_path / "dyadwatch")
    assert learn.settings_of(None, (), tmp_path / "x").record.folder == str(tmp_path / "x")
    assert configure(None, (), None).learning.enough_min == 0.75
