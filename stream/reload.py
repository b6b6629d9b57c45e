"""A configuration that is changed while the detector runs: what takes effect at once, and what waits for a restart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

import msgspec
import numpy as np
from msgspec import inspect

from dyadwatch.core.decision.calibration_file import Calibration
from dyadwatch.core.decision.drift import QuietScores
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ArtefactError, DyadwatchError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_keys import KEYS, lookup
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.memory.kept import ChangedKey
from dyadwatch.stream.scoring.scorer import Scorer

_log = logging.getLogger(__name__)
# Sections, and single keys of others, that take effect at once.
LIVE_SECTIONS = ("alarm", "incidents", "attention", "liveness")
LIVE_KEYS = ("zones", "schedules", "learning.enough_min", "scorer.model")
_LONGEST = 60  # characters of a value in a line


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


@dataclass(frozen=True)
class Difference:
    """What differs between two configurations.

    Arguments:
        live: keys that take effect at once, before and after.
        restart: keys that wait for a restart.
        config: the present one with the live keys of the other.
    """

    live: tuple[ChangedKey, ...]
    restart: tuple[str, ...]
    config: Config

    def __str__(self) -> str:
        """For people: what changes, and what waits."""
        parts = [f"{c.key} from {_written(c.before)} to {_written(c.after)}" for c in self.live]
        if self.restart:
            parts.append(f"only after a restart: {', '.join(self.restart)}")
        return "; ".join(parts) or "nothing changed"


def is_live(key: str) -> bool:
    """Whether a change of a key, such as `alarm.hold_s`, takes effect at once."""
    return key.partition(".")[0] in LIVE_SECTIONS or key in LIVE_KEYS


def difference(present: Config, wanted: Config) -> Difference:
    """What differs, key by key."""
    keys = [key for key, kind in KEYS.items() if not isinstance(kind, inspect.StructType)]
    changed = [key for key in keys if lookup(present, key) != lookup(wanted, key)]
    live = tuple(
        ChangedKey(key=key, before=_plain(lookup(present, key)), after=_plain(lookup(wanted, key)))
        for key in changed
        if is_live(key)
    )
    restart = tuple(key for key in changed if not is_live(key))
    return Difference(live, restart, _with(present, wanted, [change.key for change in live]))


def _with(config: Config, other: Config, keys: Sequence[str]) -> Config:
    """A configuration with some keys of another."""
    for key in keys:
        section, _, name = key.partition(".")
        value = lookup(other, key)
        if name:
            value = msgspec.structs.replace(getattr(config, section), **{name: value})
        config = msgspec.structs.replace(config, **{section: value})
    return config


def _plain(value: object) -> object:
    return msgspec.to_builtins(value)


def _written(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


class Reloader:
    """Reads a configuration again on a thread of its own: a model that is loaded and tried may take half a minute.

    Arguments:
        reread: reads it, and what follows from it, given the model that scores; raises a DyadwatchError where it is not
            sound. None: it cannot be.
    """

    def __init__(self, reread: Callable[[Scorer], Judging] | None) -> None:
        self._reread = reread
        self._thread: threading.Thread | None = None
        self._read: SimpleQueue[tuple[str, Judging]] = SimpleQueue()

    @property
    def busy(self) -> bool:
        """Whether it is being read just now, or what was read waits to be taken."""
        return (self._thread is not None and self._thread.is_alive()) or not self._read.empty()

    def begin(self, who: str, present: Scorer) -> None:
        """Begins to read.

        Arguments:
            who: asks for it.
            present: the model that scores; another one must cut windows of the same shape.
        """
        if self._reread is None:
            _log.warning("%s: this detector was not started from a configuration that could be read again", who)
            return
        self._thread = threading.Thread(
            target=self._work, args=(who, present, self._reread), name="reload", daemon=True
        )
        self._thread.start()

    def take(self) -> tuple[str, Judging] | None:
        """Who asked and what was read, once it is; None before, and where it was not sound."""
        return None if self._read.empty() else self._read.get_nowait()

    def _work(self, who: str, present: Scorer, reread: Callable[[Scorer], Judging]) -> None:
        try:
            wanted = reread(present)
            if wanted.scorer is not None:
                _check_shape(wanted.scorer, present)
                warm_up(wanted.scorer, wanted.config.scorer.max_batch)
                if wanted.scorer.explainer is not None:
                    wanted.scorer.explainer.prepare()
        except (DyadwatchError, OSError) as e:
            _log.error("%s: the configuration stays as it was: %s", who, e)
        else:
            self._read.put((who, wanted))


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
