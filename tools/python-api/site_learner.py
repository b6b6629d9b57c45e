"""The learner of a site: listens to what is recorded, proposes models of it, and makes false alarms normal."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import structs

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.core.extras import install_command
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.core.units import NS
from dyadwatch.heard_clips import Span, heard_lately
from dyadwatch.model_files import shipped_model
from dyadwatch.proposing import propose, propose_trained
from dyadwatch.site_training import BackgroundTraining
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.heard import RecordedTime
from dyadwatch.stream.learning.learning_codes import Doing, LearnerTrouble, Origin, TeachingOutcome
from dyadwatch.stream.learning.learning_words import of_version
from dyadwatch.stream.learning.progress import Lesson, read_progress, write_progress
from dyadwatch.stream.learning.versions import SiteModels, Version, VersionTable
from dyadwatch.stream.memory.kept import KeptIncident, Verdict, Wanted
from dyadwatch.stream.memory.memory_place import memory_file
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.page.incident_clip import ClipUnavailableError as NotRecordedError
from dyadwatch.stream.page.queries import incident_details
from dyadwatch.teaching import IncidentMoment, Teacher, moment_of

_log = logging.getLogger(__name__)
_MOST_LESSONS = 50
_DRIFT_NS = 3600 * NS  # between two models that are proposed because the last no longer holds
_AGAIN_MIN = 0.5  # minutes of pairs until the next try after one that failed
_LATELY_NS = 24 * 3600 * NS


class SiteLearner:
    """Looks once a `turn` what there is to do, and does it. Of one thread.

    Arguments:
        config: of the detector; `record.folder` and the memory are where it keeps them.
        models: versions of the site's model.
        words: of a command line that say which detector it is, for the process that trains.
        clock: unix ns.
    """

    def __init__(
        self,
        config: Config,
        models: SiteModels,
        words: Sequence[str] = (),
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._config = config
        self._models = models
        self._words = words
        self._clock = clock
        self._training: BackgroundTraining | None = None
        self._trained_at = 0.0  # minutes before which none is trained again
        self._folder = Path(config.record.folder)
        self._memory = memory_file(config)
        self._teacher = Teacher(models, config, self._moment)
        before = read_progress(models.folder)
        self._time = RecordedTime(self._folder, before.heard, before.until)
        trains = importlib.util.find_spec("torch") is not None
        install = "" if trains else install_command("train")
        self.progress = structs.replace(before, doing=Doing.LISTENING, training=None, trains=trains, install=install)

    def turn(self) -> None:
        """Hears what was recorded since the last turn, and proposes a model where there is enough."""
        self._time.look(self._clock())
        self._tell(
            heard=self._time.heard, until=self._time.until, next_minutes=self._next_minutes(),
            stale=tuple(sorted(self._time.stale)),
        )  # fmt: skip
        self._learn_from_verdicts()
        table = self._models.read()
        minutes = self.progress.minutes
        enough = minutes >= self.progress.next_minutes and not self._trained()
        if table.asked or enough or self._drifted(table):
            self._propose(minutes, "asked" if table.asked else "")
        self._train(minutes)

    def _train(self, minutes: float) -> None:
        """Begins to train where there is enough, tells how far that is, and offers what comes of it."""
        if self._training is None:
            last = self._trained()
            least = self._config.learning.train_min
            if not self.progress.trains or not least or minutes < max(least, 2 * last, self._trained_at):
                return
            out = self._models.folder / "trained.onnx"
            words = ["learn", "train", "--out", str(out), *self._words]
            _log.info("training begins, on %.0f minutes of pairs", minutes)
            self._training, self._trained_at = BackgroundTraining(out, words, minutes), 2 * minutes
        training = self._training
        result = training.result
        if result is None:
            self._tell(doing=Doing.TRAINING, training=training.step)
            return
        self._training = None
        if result:
            self._offer(training)
        else:
            _log.warning("no model could be trained: %s", training.error)
            self._tell(
                doing=Doing.LISTENING, training=None, trouble=LearnerTrouble.UNUSABLE, trouble_text=training.error
            )

    def _trained(self) -> float:
        """Minutes of pairs that the latest trained version rests on; where there is one, none is enrolled unasked."""
        return max((v.minutes for v in self._models.read().versions if v.how is Origin.TRAINED), default=0.0)

    def _offer(self, training: BackgroundTraining) -> None:
        """Tries what was trained on what was heard, and proposes it."""
        self._tell(doing=Doing.PROPOSING, training=None)
        try:
            heard = heard_lately(self._folder, read_info(training.out).fps, now=self._clock())
            version = propose_trained(
                self._models, training.out, heard.paths, minutes=training.minutes, clips=len(heard.clips)
            )
        except (DyadwatchError, OSError) as e:
            self._tell(doing=Doing.LISTENING, trouble=LearnerTrouble.UNUSABLE, trouble_text=str(e))
            return
        self._proposed(version)

    def _proposed(self, version: Version) -> None:
        _log.info("version %d is proposed: %s", version.number, of_version(version))
        # A trained model that vouches for nothing may flood people with alarms: they look at it first.
        sound = version.how is not Origin.TRAINED or version.budget
        if self._config.learning.auto and sound:
            self._models.use(version.number, "learning.auto")
        self._tell(doing=Doing.LISTENING, trouble=None, trouble_text="", next_minutes=self._next_minutes())

    def _drifted(self, table: VersionTable) -> bool:
        """Whether what is normal has changed since the last model was made, and that is a while ago."""
        last = max((v.made for v in table.versions), default=0)
        return bool(self.progress.stale and table.current) and self._clock() - last > _DRIFT_NS

    def _next_minutes(self) -> float:
        """Minutes at which the next model is proposed: what doubles what is known changes what is normal."""
        last = max((v.minutes for v in self._models.read().versions), default=0.0)
        wanted = max(self._config.learning.enough_min, 2 * last)
        if self.progress.trouble is not None:
            return max(self.progress.next_minutes, wanted)
        return wanted

    def _propose(self, minutes: float, by: str) -> None:
        version = self._enrolled(minutes, by)
        if version is not None:
            self._proposed(version)

    def _enrolled(self, minutes: float, by: str) -> Version | None:
        """A version enrolled on what was heard, which is proposed; None where none could be made."""
        self._tell(doing=Doing.PROPOSING)
        try:
            odd, false = self._judged()
            normal = [clip for moment in self._moments(false) for clip in moment.clips]
            fps, spans = read_info(shipped_model()).fps, [_span(kept) for kept in false]
            heard = heard_lately(self._folder, fps, odd=odd, normal=normal, false=spans, now=self._clock())
            ids = [kept.message.id for kept in false]
            return propose(self._models, heard, minutes=minutes, incidents=ids, by=by)
        except (DyadwatchError, OSError) as e:
            _log.warning("no model could be made of what was heard: %s", e)
            self._models.answered()
            self._tell(
                doing=Doing.LISTENING, trouble=LearnerTrouble.UNUSABLE, trouble_text=str(e),
                next_minutes=minutes + _AGAIN_MIN,
            )  # fmt: skip
            return None

    def _judged(self) -> tuple[list[Span], list[KeptIncident]]:
        """Spans of incidents that are not known to be normal, and those that were said to be false alarms."""
        if self._memory is None or not self._memory.is_file():
            return [], []
        with Store(self._memory) as store:
            found = store.incidents(Wanted(since=self._clock() - _LATELY_NS, most=10_000))
        among = [kept for kept in found if kept.message.pairs]
        refused = {x.incident for x in self.progress.lessons if x.outcome is TeachingOutcome.HIDES_TRUE}
        false = [kept for kept in among if kept.verdict is Verdict.FALSE and kept.message.id not in refused]
        normal = {kept.message.id for kept in false}
        return [_span(kept) for kept in among if kept.message.id not in normal], false

    def _moments(self, incidents: Sequence[KeptIncident]) -> Iterator[IncidentMoment]:
        """What is recorded of incidents; what is not is left out."""
        for kept in incidents:
            with contextlib.suppress(NotRecordedError, OSError):
                yield self._moment(kept)

    def _moment(self, kept: KeptIncident) -> IncidentMoment:
        assert self._memory is not None, "an incident is kept in a memory"
        with Store(self._memory) as store:
            ahead = incident_details(store, kept.message.id).clock_ahead
        return moment_of(self._folder, kept, ahead)

    def _learn_from_verdicts(self) -> None:
        """Makes the false alarms normal that were judged since the last turn, and then all that was heard."""
        if self._memory is None or not self._memory.is_file():
            return
        with Store(self._memory) as store:
            actions = store.actions(self.progress.acted)
            wanted = {a.incident: a.who for a in actions if a.verdict is Verdict.FALSE and a.incident}
            judged = [kept for kept in map(store.incident, wanted) if kept.verdict is Verdict.FALSE]
            true = store.incidents(Wanted(verdict=Verdict.TRUE)) if judged else []
        if not actions:
            return
        judged = [kept for kept in judged if kept.message.pairs]
        true = [kept for kept in true if kept.message.pairs]
        for kept in judged:
            self._tell(doing=Doing.TEACHING)
            self._keep(self._teacher.teach(kept, true, wanted[kept.message.id]))
        self._tell(doing=Doing.LISTENING, acted=actions[-1].id)
        if judged and self._teacher.renews:
            self._renew(judged[-1].message.id, true, wanted[judged[-1].message.id])

    def _renew(self, incident: str, true: Sequence[KeptIncident], by: str) -> None:
        """Enrols another model on all that was heard, now that its false alarms are known, and uses it."""
        version = self._enrolled(self.progress.minutes, by)
        if version is not None:
            self._keep(self._teacher.renew(version, incident, self._teacher.moments(true), by))
            self._tell(doing=Doing.LISTENING, trouble=None, trouble_text="", next_minutes=self._next_minutes())

    def _keep(self, lesson: Lesson) -> None:
        _log.info("%s was no alarm: %s", lesson.incident, lesson.text)
        self._tell(lessons=(lesson, *self.progress.lessons)[:_MOST_LESSONS])

    def _tell(self, **changes: object) -> None:
        self.progress = structs.replace(self.progress, at=self._clock(), **changes)
        try:
            write_progress(self._models.folder, self.progress)
        except OSError as e:
            _log.warning("%s cannot be written to (%s)", self._models.folder, e.strerror)


def _span(kept: KeptIncident) -> Span:
    m = kept.message
    return m.source, m.start, m.stamp if m.end is None else m.end
