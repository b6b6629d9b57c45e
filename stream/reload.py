"""A configuration that is read again while the detector runs: on a thread of its own, and tried before it is used."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np

from dyadwatch.core.decision.calibration_file import Calibration
from dyadwatch.core.decision.drift import QuietScores
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ArtefactError, DyadwatchError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.reload_request import ReloadRequest
from dyadwatch.stream.scoring.scorer import Scorer

_log = logging.getLogger(__name__)
# Reads a configuration, and what follows from it, given the model that scores; behind that the text that its file is to
# have, where there is another.
Reread = Callable[..., "Judging"]


@dataclass(frozen=True)
class Judging:
    """What a detector judges by, and the rest of its configuration.

    Arguments:
        config: the whole of it.
        thresholds: when a score raises and clears an alarm.
        calibration: that the thresholds come from; None for none.
        scorer: another model, loaded and warm; None for the present one.
        learning: whether nobody is judged by it.
    """

    config: Config
    thresholds: Thresholds
    calibration: Calibration | None = None
    scorer: Scorer | None = None
    learning: bool = False

    @property
    def quiet(self) -> QuietScores | None:
        """The scores of the calibration, which those of quiet times are compared with; None where they are unknown."""
        return None if self.calibration is None else QuietScores.from_evidence(self.calibration.evidence)


class Reloader:
    """Reads a configuration again on a thread of its own: a model that is loaded and tried may take half a minute.

    Arguments:
        reread: raises a DyadwatchError where it is not sound. None: it cannot be.
        refused: is told of what is not sound, on that thread.
    """

    def __init__(
        self, reread: Reread | None, refused: Callable[[ReloadRequest, DyadwatchError | OSError], None]
    ) -> None:
        self._reread = reread
        self._refused = refused
        self._thread: threading.Thread | None = None
        self._read: SimpleQueue[tuple[ReloadRequest, Judging]] = SimpleQueue()

    @property
    def busy(self) -> bool:
        """Whether it is being read just now, or what was read waits to be taken."""
        return (self._thread is not None and self._thread.is_alive()) or not self._read.empty()

    def begin(self, request: ReloadRequest, present: Scorer) -> None:
        """Begins to read.

        Arguments:
            request: who wants it, and how.
            present: the model that scores; another one must cut windows of the same shape.
        """
        if self._reread is None:
            _log.warning("%s: this detector was not started from a configuration that could be read again", request.who)
            return
        self._thread = threading.Thread(
            target=self._work, args=(request, present, self._reread), name="reload", daemon=True
        )
        self._thread.start()

    def take(self) -> tuple[ReloadRequest, Judging] | None:
        """Who wanted it and what was read, once it is; None before, and where it was not sound."""
        return None if self._read.empty() else self._read.get_nowait()

    def _work(self, request: ReloadRequest, present: Scorer, reread: Reread) -> None:
        try:
            wanted = reread(present) if request.text is None else reread(present, request.text)
            if wanted.scorer is not None:
                _check_shape(wanted.scorer, present)
                warm_up(wanted.scorer, wanted.config.scorer.max_batch)
                if wanted.scorer.explainer is not None:
                    wanted.scorer.explainer.prepare()
            if request.keep is not None:
                request.keep()
        except (DyadwatchError, OSError) as e:
            _log.error("%s: the configuration stays as it was: %s", request.who, e)
            self._refused(request, e)
        else:
            self._read.put((request, wanted))


def _check_shape(scorer: Scorer, present: Scorer) -> None:
    """Refuses a model whose windows would have to be cut anew, for which the people who are in view would be lost.

    Raises:
        ArtefactError: naming what differs.
    """
    mine, wanted = scorer.shape, present.shape
    if mine != wanted:
        raise ArtefactError(
            f"{scorer.path} takes windows of {_shape(mine)}; expected {_shape(wanted)}, as the model that scores now: "
            "restart the detector for this one"
        )


def _shape(shape: WindowShape) -> str:
    return f"{shape.frames} frames of {shape.layout.name} at {shape.fps:g} a second (lead {shape.lead})"


def warm_up(scorer: Scorer, max_batch: int, stopped: Callable[[], bool] = lambda: False) -> None:
    """The engine's first run is slow; it should not be a person's first window.

    The largest batch comes at once, too: the engine keeps the memory of the largest that it ever had, and that is
    to be seen now, not in a month.

    Raises:
        ScoreError: the engine failed.
    """
    shape = scorer.shape
    still = np.zeros((2, shape.frames, len(shape.layout), 3), np.float32)
    for count in (1, max_batch):
        if not stopped():
            scorer.score([still] * count)
