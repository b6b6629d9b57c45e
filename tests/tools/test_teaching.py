"""A verdict teaches: what was no alarm becomes normal, at once, unless a verified incident would go unseen."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec import structs
from testing_models import site_of_shipped_model

from dyadwatch import teaching
from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.calibration_file import calibration_path, read_calibration, write_calibration
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.model_files import shipped_model
from dyadwatch.site_learner import SiteLearner
from dyadwatch.stream.codes import IncidentKind, IncidentReason, Severity
from dyadwatch.stream.configuration.config import Config, MemoryOptions, RecordOptions, ScorerOptions
from dyadwatch.stream.learning.learning_codes import Origin, TeachingOutcome
from dyadwatch.stream.learning.versions import SiteModels, Version
from dyadwatch.stream.memory.kept import Action, ActionKind, KeptIncident, Verdict
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import IncidentMessage
from dyadwatch.stream.page.incident_clip import ClipUnavailableError
from dyadwatch.stream.publishers.simulator.samples import anomaly_clips
from dyadwatch.stream.run import Run
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.teaching import IncidentMoment, Teacher, most_evidence

CONFIG = Config(scorer=ScorerOptions(threads=1))


@pytest.fixture
def models(tmp_path: Path) -> SiteModels:
    """The model that comes along as version 1, in use."""
    return site_of_shipped_model(tmp_path / "site-models")


@pytest.fixture(scope="module")
def punch() -> Clip:
    """One that raises an alarm."""
    return next(c for c in anomaly_clips(1, 1, fps=15.0) if c.label == "punch")


def incident(id_: str) -> KeptIncident:
    message = IncidentMessage(
        type="close", id=id_, about=IncidentKind.INTERACTION, source="hall", clock="unix", severity=Severity.ALARM,
        start=0, end=1, stamp=1, peak_score=4.0, peak_stamp=0, people=(1, 2), pairs=(), events=1, explanation="",
        reason=IncidentReason.CALM_AGAIN, text="", model="m 1",
    )  # fmt: skip
    return KeptIncident(message=message, run="r", began=0, told=1)


def teacher(models: SiteModels, clips: dict[str, Clip]) -> Teacher:
    def moment(kept: KeptIncident) -> IncidentMoment:
        id_ = kept.message.id
        if id_ not in clips:
            raise ClipUnavailableError("not_recorded", "nothing was recorded")
        return IncidentMoment(id_, (clips[id_],))

    return Teacher(models, CONFIG, moment)


def evidence(models: SiteModels, number: int, clip: Clip) -> float:
    path = models.path(number)
    thresholds = read_calibration(calibration_path(path)).thresholds
    return most_evidence(Scorer(path, CONFIG.scorer), thresholds, IncidentMoment("x", (clip,)), CONFIG)


def test_a_false_alarm_becomes_normal_and_nothing_else_changes(models: SiteModels, punch: Clip) -> None:
    before = evidence(models, 1, punch)
    lesson = teacher(models, {"f": punch}).teach(incident("f"), [], "ann")
    table = models.read()
    assert (lesson.incident, lesson.version, table.current, table.by) == ("f", 2, 2, "ann")
    after = evidence(models, 2, punch)
    assert after < 1 < before
    assert lesson.outcome is TeachingOutcome.TAUGHT
    assert lesson.text == "moments like it raise no alarm any more, from version 2 on"
    version = table.version(2)
    assert (version.how, version.on, version.incidents, version.minutes) == (Origin.TAUGHT, 1, ("f",), 0.5)
    one, two = (read_calibration(calibration_path(models.path(n))) for n in (1, 2))
    assert (one.rules, one.evidence) == (two.rules, two.evidence), "levels stay"
    assert read_info(models.path(2)).name == "site-v2"


def test_it_would_hide_a_verified_incident_and_says_so(models: SiteModels, punch: Clip) -> None:
    lesson = teacher(models, {"f": punch, "t": punch}).teach(incident("f"), [incident("t"), incident("gone")], "ann")
    assert (lesson.outcome, lesson.hidden, lesson.version) == (TeachingOutcome.HIDES_TRUE, ("t",), 0)
    assert lesson.text == "nothing was changed: t, judged real, would not be told any more"
    assert models.read().current == 1
    assert len(models.read().versions) == 1
    assert sorted(p.name for p in models.folder.glob("*.onnx")) == ["site-v1.onnx"]


@pytest.mark.parametrize(
    ("clip", "outcome", "text"),
    [
        (
            "gone",
            TeachingOutcome.NOT_RECORDED,
            "nothing was changed: its skeletons are not recorded, or deleted by now",
        ),
        ("point", TeachingOutcome.UNUSABLE, "nothing was changed: its skeletons make no clip of two people"),
    ],
)
def test_what_cannot_be_taught_is_said(
    models: SiteModels, punch: Clip, clip: str, outcome: TeachingOutcome, text: str
) -> None:
    point = Clip(np.zeros_like(punch.joints), punch.layout, 15.0, clip_id="p")
    lesson = teacher(models, {"point": point}).teach(incident(clip), [], "ann")
    assert (lesson.outcome, lesson.text, lesson.version) == (outcome, text, 0)
    models.back("ann")
    lesson = teacher(models, {"point": point}).teach(incident("point"), [], "ann")
    assert (lesson.outcome, lesson.text) == (
        TeachingOutcome.NO_MODEL,
        "nothing was changed: no model of the site is in use",
    )


def version_of(models: SiteModels, raise_at: float) -> Version:
    """Another model, proposed: the one that comes along at another level."""
    made = models.folder / "anew.onnx"
    shutil.copyfile(shipped_model(), made)
    was = read_calibration(calibration_path(shipped_model()))
    write_calibration(calibration_path(made), structs.replace(was, raise_at=raise_at, clear_at=0.5 * raise_at))
    return models.add(Version(made=2, how=Origin.ENROLLED, clips=30, minutes=4.0), made, propose=True)


@pytest.mark.parametrize(("raise_at", "outcome"), [(1.0, TeachingOutcome.RENEWED), (50.0, TeachingOutcome.NOT_RENEWED)])
def test_what_is_enrolled_anew_is_used_unless_it_hides_a_verified_incident(
    models: SiteModels, punch: Clip, raise_at: float, outcome: TeachingOutcome
) -> None:
    version = version_of(models, raise_at)
    lesson = teacher(models, {}).renew(version, "f", [IncidentMoment("t", (punch,))], "ann")
    hides = outcome is TeachingOutcome.NOT_RENEWED
    assert (lesson.incident, lesson.outcome, lesson.version) == ("f", outcome, 2)
    assert lesson.hidden == (("t",) if hides else ())
    assert lesson.text == (
        "version 2, enrolled on all that was heard, is only proposed: by it t, judged real, would not be told any more"
        if hides
        else "version 2 is enrolled on all that was heard, false alarms among it, and in use"
    )
    table = models.read()
    assert (table.current, table.proposed) == ((1, 2) if hides else (2, 0))


@pytest.mark.parametrize(
    ("how", "budget", "renews"),
    [
        (Origin.ENROLLED, "", True),
        (Origin.ENROLLED, "6/hour", False),
        (Origin.TRAINED, "", False),
        (Origin.GIVEN, "", False),
    ],
)
@pytest.mark.parametrize("taught", [False, True])
def test_only_what_was_enrolled_here_and_vouches_for_nothing_is_enrolled_anew(
    models: SiteModels, how: Origin, budget: str, renews: bool, taught: bool
) -> None:
    number = version_of(models, 1.0).number
    table = models.read()
    made = [structs.replace(v, how=how, budget=budget) if v.number == number else v for v in table.versions]
    if taught:
        made.append(structs.replace(made[-1], number=number + 1, how=Origin.TAUGHT, on=number))
        shutil.copyfile(models.path(number), models.path(number + 1))
    (models.folder / "models.json").write_bytes(msgspec.json.encode(structs.replace(table, versions=tuple(made))))
    models.use(made[-1].number, "ann")
    assert teacher(models, {}).renews is renews


def test_the_learner_finds_verdicts_once(
    models: SiteModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, punch: Clip
) -> None:
    memory = tmp_path / "i.db"
    config = structs.replace(CONFIG, memory=MemoryOptions(file=str(memory)), record=RecordOptions(folder=str(tmp_path)))
    writer = MemoryWriter(memory, MemoryOptions(), Run("r", 1), "dyadwatch", "m 1")
    pair = _pair()
    messages = [structs.replace(incident(i).message, pairs=(pair,)) for i in ("f", "t", "u")]
    writer.keep(messages, time.time_ns())
    taught: list[tuple[str, list[str], str]] = []

    def teach(self: Teacher, false: KeptIncident, true: list[KeptIncident], by: str) -> teaching.Lesson:
        taught.append((false.message.id, [t.message.id for t in true], by))
        return teaching.Lesson(incident=false.message.id, at=1, outcome=TeachingOutcome.TAUGHT, version=2)

    monkeypatch.setattr(Teacher, "teach", teach)
    learner = SiteLearner(config, models)
    learner.turn()
    assert taught == []
    with Store(memory) as store:
        for id_, verdict in (("t", Verdict.TRUE), ("f", Verdict.FALSE), ("u", Verdict.FALSE), ("u", Verdict.UNSURE)):
            store.act(Action(at=1, kind=ActionKind.VERDICT, incident=id_, verdict=verdict, who="ann"))
    learner.turn()
    learner.turn()
    SiteLearner(config, models).turn()
    assert taught == [("f", ["t"], "ann")]
    assert [(x.incident, x.version) for x in learner.progress.lessons] == [("f", 2)]
    writer.close()


def _pair() -> object:
    from dyadwatch.core.decision.rules import ScorePart
    from dyadwatch.stream.messages import EventRule, IncidentPair

    return IncidentPair(
        pair=(1, 2), events=("e1",), open=False, start=0, end=1, peak_score=4.0, peak_stamp=0, relation=0.1,
        unusual=4.0, rule=EventRule(part=ScorePart.UNUSUAL, over_s=0.4, mean=3.0), evidence=0.5, apart_m=1.2, joints=(),
        limb=None, explanation="",
    )  # fmt: skip
