"""What the learner tells of itself, in a file beside the versions: written by it alone, read by page and commands."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
from msgspec import Struct

from dyadwatch.core.files.atomic import write_atomically
from dyadwatch.core.units import NS
from dyadwatch.stream.learning.learning_codes import Doing, LearnerTrouble, TeachingOutcome

_FILE = "learner.json"
_ALIVE_S = 20.0  # it tells something every few seconds
_BUSY_S = 3600.0  # but not while it makes a model of a day


class HeardOf(Struct, frozen=True, kw_only=True):
    """How much of a source could be learnt from, over all runs since learning began.

    Arguments:
        minutes: in which any two people were near each other and could be scored.
        pairs: that were; who leaves and comes back may count again.
        since: unix ns of the first.
    """

    source: str
    minutes: float = 0.0
    pairs: int = 0
    since: int = 0


class Lesson(Struct, frozen=True, kw_only=True):
    """What became of a verdict.

    Arguments:
        incident: that was judged a false alarm.
        at: unix ns.
        outcome: what was done.
        version: that came of it; 0 for none.
        hidden: ids of verified incidents that would not be told any more.
        text: the outcome in words.
    """

    incident: str
    at: int
    outcome: TeachingOutcome
    version: int = 0
    hidden: tuple[str, ...] = ()
    text: str = ""


class Training(Struct, frozen=True, kw_only=True):
    """A training run: what it is about now, and how far; `total` is 0 where nobody knows."""

    what: str
    done: int = 0
    total: int = 0


class LearnerProgress(Struct, frozen=True, kw_only=True):
    """How far the learner is.

    Arguments:
        at: unix ns at which this was told.
        doing: just now.
        heard: by source.
        until: unix ns up to which the recordings were heard.
        next_minutes: heard in all, at which the next model is proposed.
        acted: id of the last verdict that was looked at.
        stale: sources of which the version in use no longer holds, so that another is proposed.
        trouble: why the last proposal failed; None where it did not. `trouble_text` says more.
        lessons: the latest, the last first.
        trains: whether torch is there, so that a model can be trained; else `install` is what to type for it.
        training: that goes on now; None for none.
    """

    at: int = 0
    doing: Doing = Doing.LISTENING
    heard: tuple[HeardOf, ...] = ()
    until: int = 0
    next_minutes: float = 0.0
    acted: int = 0
    stale: tuple[str, ...] = ()
    trouble: LearnerTrouble | None = None
    trouble_text: str = ""
    lessons: tuple[Lesson, ...] = ()
    trains: bool = False
    install: str = ""
    training: Training | None = None

    @property
    def minutes(self) -> float:
        """Heard of all sources."""
        return sum(h.minutes for h in self.heard)

    @property
    def alive(self) -> bool:
        """Whether the learner has told anything lately."""
        most = _ALIVE_S if self.doing is Doing.LISTENING else _BUSY_S
        return time.time_ns() - self.at < most * NS


def read_progress(folder: Path) -> LearnerProgress:
    """What was told last; the beginning where nothing was, or nobody can read it."""
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=LearnerProgress)
    except (OSError, msgspec.MsgspecError):
        return LearnerProgress()


def write_progress(folder: Path, progress: LearnerProgress) -> None:
    """Tells it.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(folder / _FILE, msgspec.json.encode(progress))
