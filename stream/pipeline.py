"""The live path without sockets or threads: `Ingest` makes windows of frames, `Scoring` makes messages of windows.

`Pipeline` joins the two into one synchronous, deterministic object; `service` runs them on two threads.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.ingest import Ingest
from dyadwatch.stream.items import Item
from dyadwatch.stream.judging.scoring import Scoring
from dyadwatch.stream.messages import EventMessage, IncidentMessage, Message
from dyadwatch.stream.scoring.scorer import Scorer


class Judge(Protocol):
    """What takes the items that frames lead to."""

    def judge(self, items: Sequence[Item]) -> list[Message]:
        """Takes items in their order; returns what there is to tell."""
        ...


class LivePath(Protocol):
    """Both halves of the live path, whatever judges."""

    @property
    def counters(self) -> Counters:
        """What was left out."""
        ...

    @property
    def intake(self) -> Ingest:
        """From frames to items."""
        ...

    @property
    def judge(self) -> Judge:
        """From items to messages."""
        ...


class Pipeline:
    """Frames in, messages out, one frame at a time; the same frames give the same events, whenever they come.

    Arguments:
        scorer: the loaded model.
        thresholds: when a score raises and clears an alarm.
        config: the whole configuration.
    """

    def __init__(self, scorer: Scorer, thresholds: Thresholds, config: Config) -> None:
        self.counters = Counters()
        losses = DropLog(self.counters)
        self.intake = Ingest(scorer.shape, config, losses)
        self.judge = Scoring(scorer, thresholds, config, losses)

    def push(self, frame: PoseFrame) -> list[Message]:
        """Takes a frame; returns the scores and events it leads to."""
        return self.judge.judge(self.intake.push(frame, time.monotonic_ns()))

    def run(self, frames: Iterable[PoseFrame]) -> list[Message]:
        """Takes frames up to the end of the stream; returns all that they lead to."""
        return [m for frame in frames for m in self.push(frame)] + self.finish()

    def finish(self) -> list[Message]:
        """Ends the stream: scores what is held back and closes open events."""
        return self.judge.judge(self.intake.finish(PairEnd.END_OF_STREAM))


def incidents_of(messages: Sequence[Message]) -> list[IncidentMessage]:
    """The incidents among messages."""
    return [m for m in messages if isinstance(m, IncidentMessage)]


def events_of(messages: Sequence[Message]) -> list[EventMessage]:
    """The events among messages."""
    return [m for m in messages if isinstance(m, EventMessage)]
