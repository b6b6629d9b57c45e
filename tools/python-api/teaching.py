"""A verdict teaches: the moment of a false alarm becomes normal, unless that would hide a verified incident."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import structs

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.calibration_file import calibration_path, read_calibration
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.enrolment.join import HOPS_S
from dyadwatch.core.errors import DyadwatchError
from dyadwatch.core.units import NS
from dyadwatch.proposing import join_moments
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.learning_codes import Origin, TeachingOutcome
from dyadwatch.stream.learning.learning_words import of_lesson
from dyadwatch.stream.learning.progress import Lesson
from dyadwatch.stream.learning.versions import SiteModels, Version
from dyadwatch.stream.memory.kept import KeptIncident
from dyadwatch.stream.page.incident_clip import ClipUnavailableError as NotRecordedError
from dyadwatch.stream.page.incident_clip import pair_clips
from dyadwatch.stream.publishers.clip_player import clip_frames
from dyadwatch.stream.score_keeper import KeepingPipeline
from dyadwatch.stream.scoring.scorer import Scorer

_BEFORE_S = 1.5  # a window that led to the alarm began before it
_AFTER_S = 0.5
_MOST_TRUE = 50  # verified incidents that must go on being told, the latest


@dataclass(frozen=True)
class IncidentMoment:
    """What is recorded of an incident: a clip of each of its pairs."""

    incident: str
    clips: tuple[Clip, ...]


def moment_of(folder: Path, kept: KeptIncident, clock_ahead: int) -> IncidentMoment:
    """The skeletons of an incident, from a little before it to its end.

    Arguments:
        folder: of the recordings.
        kept: the incident.
        clock_ahead: ns of the detector's clock over the source's.

    Raises:
        stream.page.incident_clip.ClipUnavailableError: they are not recorded.
    """
    m = kept.message
    first = m.start - round(_BEFORE_S * NS)
    last = (m.stamp if m.end is None else m.end) + round(_AFTER_S * NS)
    return IncidentMoment(m.id, tuple(pair_clips(folder, kept, clock_ahead, first, last)))


class Teacher:
    """Makes false alarms normal, one version after another.

    Arguments:
        models: of the site.
        config: how a detector judges; the sections of the alarm count.
        moment: finds what is recorded of an incident.
    """

    def __init__(self, models: SiteModels, config: Config, moment: Callable[[KeptIncident], IncidentMoment]) -> None:
        self._models = models
        self._config = structs.replace(config, scorer=structs.replace(config.scorer, threads=1, provider="cpu"))
        self._moment = moment

    def teach(self, false: KeptIncident, true: Sequence[KeptIncident], by: str) -> Lesson:
        """Makes a version to which a false alarm is normal, and uses it.

        Arguments:
            false: that was judged a false alarm.
            true: incidents that were judged real, the latest first; those that the present version tells must go on
                being told.
            by: who judged.
        """
        try:
            moment = self._moment(false)
        except (NotRecordedError, OSError):
            lost = Lesson(incident=false.message.id, at=time.time_ns(), outcome=TeachingOutcome.NOT_RECORDED)
            return structs.replace(lost, text=of_lesson(lost))
        return self.teach_moment(moment, self.moments(true), by)

    def moments(self, true: Sequence[KeptIncident]) -> list[IncidentMoment]:
        """What is recorded of verified incidents, the latest of which come first."""
        there: list[IncidentMoment] = []
        for kept in true[:_MOST_TRUE]:
            with contextlib.suppress(NotRecordedError, OSError):  # what is deleted cannot be tried
                there.append(self._moment(kept))
        return there

    def teach_moment(self, false: IncidentMoment, true: Sequence[IncidentMoment], by: str) -> Lesson:
        """The same with what is recorded of the incidents."""
        lesson = self._taught(false, true, by)
        return structs.replace(lesson, text=of_lesson(lesson))

    @property
    def renews(self) -> bool:
        """Whether verdicts call for another model: the one in use was enrolled here, and vouches for no budget yet."""
        table = self._models.read()
        known = {v.number: v for v in table.versions}
        version = known.get(table.current)
        while version is not None and version.how is Origin.TAUGHT:
            version = known.get(version.on)
        return version is not None and version.how is Origin.ENROLLED and not version.budget

    def renew(self, version: Version, incident: str, true: Sequence[IncidentMoment], by: str) -> Lesson:
        """Uses a version that was enrolled on all that was heard, unless a verified incident would go unseen.

        Arguments:
            version: the one that is proposed.
            incident: that was judged a false alarm last.
            true: verified incidents; those that the present version tells must go on being told.
            by: who judged.
        """
        table = self._models.read()
        hidden = self._hidden(self._models.path(table.current), self._models.path(version.number), true)
        outcome = TeachingOutcome.NOT_RENEWED if hidden else TeachingOutcome.RENEWED
        if not hidden:
            self._models.use(version.number, by)
        lesson = Lesson(
            incident=incident, at=time.time_ns(), outcome=outcome, version=version.number, hidden=hidden
        )  # fmt: skip
        return structs.replace(lesson, text=of_lesson(lesson))

    def _taught(self, false: IncidentMoment, true: Sequence[IncidentMoment], by: str) -> Lesson:
        number = self._models.read().current
        lesson = Lesson(incident=false.incident, at=time.time_ns(), outcome=TeachingOutcome.NO_MODEL)
        if not number:
            return lesson
        present = self._models.path(number)
        try:
            made, still = self._joined(present, false)
        except DyadwatchError:
            return structs.replace(lesson, outcome=TeachingOutcome.UNUSABLE)
        hidden = self._hidden(present, made, true)
        if hidden:
            made.unlink()
            calibration_path(made).unlink()
            return structs.replace(lesson, outcome=TeachingOutcome.HIDES_TRUE, hidden=hidden)
        was = self._models.read().version(number)
        version = structs.replace(
            was,
            made=time.time_ns(),
            by=by,
            how=Origin.TAUGHT,
            on=number,
            incidents=(*was.incidents, false.incident),
            events=0,
            per_hour_95=None,
            would_be=(),
        )
        added = self._models.add(version, made)
        self._models.use(added.number, by)
        return structs.replace(
            lesson, outcome=TeachingOutcome.STILL_RAISES if still else TeachingOutcome.TAUGHT, version=added.number
        )

    def _joined(self, present: Path, moment: IncidentMoment) -> tuple[Path, bool]:
        """A model with as few windows of the moment as keep it from raising, and whether it does so even with all."""
        made = self._models.folder / "candidate-taught.onnx"
        name = f"{self._models.name}-v{self._models.read().next}"
        for hop_s in HOPS_S:
            join_moments(present, moment.clips, made, name, hop_s)
            if self._most(made, moment) < 1:
                return made, False
        return made, True

    def _hidden(self, present: Path, made: Path, true: Sequence[IncidentMoment]) -> tuple[str, ...]:
        """Ids of verified incidents that the present version tells and the new one does not."""
        if not true:
            return ()
        before, after = Scorer(present, self._config.scorer), Scorer(made, self._config.scorer)
        return tuple(
            m.incident
            for m in true
            if most_evidence(before, _thresholds(present), m, self._config) >= 1
            and most_evidence(after, _thresholds(made), m, self._config) < 1
        )

    def _most(self, model: Path, moment: IncidentMoment) -> float:
        return most_evidence(Scorer(model, self._config.scorer), _thresholds(model), moment, self._config)


def most_evidence(scorer: Scorer, thresholds: Thresholds, moment: IncidentMoment, config: Config) -> float:
    """How near an alarm a moment comes by a model; 1 raises it."""
    pipeline = KeepingPipeline(scorer, config)
    pipeline.run(clip_frames(moment.clips))
    log = pipeline.judge.log()
    return float(np.max(log.evidence(thresholds.by_rule), initial=0.0))


def _thresholds(model: Path) -> Thresholds:
    return read_calibration(calibration_path(model)).thresholds
