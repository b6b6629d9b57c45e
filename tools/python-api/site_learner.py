"""The learner of a site: listens to what is recorded, proposes models of it, and makes false alarms normal."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.core.extras import install_command
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.core.units import NS
from dyadwatch.model_files import shipped_model
from dyadwatch.proposing import Span, heard_lately, propose
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.heard import RecordedTime
from dyadwatch.stream.learning.learning_codes import Doing, Trouble
from dyadwatch.stream.learning.learning_words import of_version
from dyadwatch.stream.learning.progress import read_progress, write_progress
from dyadwatch.stream.learning.versions import SiteModels
from dyadwatch.stream.memory.kept import KeptIncident, Verdict, Wanted
from dyadwatch.stream.memory.memory_place import memory_file
from dyadwatch.stream.memory.store import Store

_log = logging.getLogger(__name__)
_AGAIN_MIN = 0.5  # minutes of pairs until the next try after one that failed
_LATELY_NS = 24 * 3600 * NS


class SiteLearner:
    """Looks once a `turn` what there is to do, and does it. Of one thread.

    Arguments:
        config: of the detector; `record.folder` and the memory are where it keeps them.
        models: versions of the site's model.
        clock: unix ns.
    """

    def __init__(self, config: Config, models: SiteModels, clock: Callable[[], int] = time.time_ns) -> None:
        self._config = config
        self._models = models
        self._clock = clock
        self._folder = Path(config.record.folder)
        before = read_progress(models.folder)
        self._time = RecordedTime(self._folder, before.heard, before.until)
        trains = importlib.util.find_spec("torch") is not None
        install = "" if trains else install_command("train")
        self.progress = structs.replace(before, doing=Doing.LISTENING, training=None, trains=trains, install=install)

    def turn(self) -> None:
        """Hears what was recorded since the last turn, and proposes a model where there is enough."""
        self._time.look(self._clock())
        self._tell(heard=self._time.heard, until=self._time.until, next_minutes=self._next_minutes())
        table = self._models.read()
        minutes = self.progress.minutes
        if table.asked or minutes >= self.progress.next_minutes:
            self._propose(minutes, "asked" if table.asked else "")

    def _next_minutes(self) -> float:
        """Minutes at which the next model is proposed: what doubles what is known changes what is normal."""
        last = max((v.minutes for v in self._models.read().versions), default=0.0)
        wanted = max(self._config.learning.enough_min, 2 * last)
        if self.progress.trouble is not None:
            return max(self.progress.next_minutes, wanted)
        return wanted

    def _propose(self, minutes: float, by: str) -> None:
        self._tell(doing=Doing.PROPOSING)
        try:
            odd, false = self._judged()
            fps = read_info(shipped_model()).fps
            heard = heard_lately(self._folder, fps, odd=odd, now=self._clock())
            version = propose(self._models, heard, minutes=minutes, incidents=false, by=by)
        except (DyadwatchError, OSError) as e:
            _log.warning("no model could be made of what was heard: %s", e)
            self._models.answered()
            self._tell(
                doing=Doing.LISTENING, trouble=Trouble.UNUSABLE, trouble_text=str(e),
                next_minutes=minutes + _AGAIN_MIN,
            )  # fmt: skip
            return
        _log.info("version %d is proposed: %s", version.number, of_version(version))
        if self._config.learning.auto:
            self._models.use(version.number, "learning.auto")
        self._tell(doing=Doing.LISTENING, trouble=None, trouble_text="", next_minutes=self._next_minutes())

    def _judged(self) -> tuple[list[Span], list[str]]:
        """Spans of incidents that nobody said were false, and ids of those that were said to be."""
        path = memory_file(self._config)
        if path is None or not path.is_file():
            return [], []
        with Store(path) as store:
            found = store.incidents(Wanted(since=self._clock() - _LATELY_NS, most=10_000))
        among = [kept for kept in found if kept.message.pairs]
        odd = [_span(kept) for kept in among if kept.verdict is not Verdict.FALSE]
        return odd, [kept.message.id for kept in among if kept.verdict is Verdict.FALSE]

    def _tell(self, **changes: object) -> None:
        self.progress = structs.replace(self.progress, at=self._clock(), **changes)
        try:
            write_progress(self._models.folder, self.progress)
        except OSError as e:
            _log.warning("%s cannot be written to (%s)", self._models.folder, e.strerror)


def _span(kept: KeptIncident) -> Span:
    m = kept.message
    return m.source, m.start, m.stamp if m.end is None else m.end
