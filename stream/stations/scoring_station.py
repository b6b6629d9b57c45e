"""The thread that scores: items out of the queue to messages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from dyadwatch.core.errors import ScoreError
from dyadwatch.stream.codes import Fault, OwnFault, Station
from dyadwatch.stream.health.source_watch import SourceView
from dyadwatch.stream.items import Item
from dyadwatch.stream.judging.scoring import Scoring
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.messages import Message
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.reload import Judging, warm_up
from dyadwatch.stream.scoring.item_queue import ItemQueue
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.stations.station_context import StationContext
from dyadwatch.stream.stations.stopping import FLUSH_S

_log = logging.getLogger(__name__)
_IDLE_S = 0.2  # between two looks at the stop while nothing is to be scored


class ScoringStation:
    """Scores what waits, and tells what it means.

    Arguments:
        scorer: the loaded model.
        scoring: judges what it scores.
        queue: what waits.
        views: of the sources as they stand; who is no more among them is forgotten.
        emit: takes what there is to tell, and never waits.
        context: what it shares with the other stations.
    """

    def __init__(
        self,
        scorer: Scorer,
        scoring: Scoring,
        queue: ItemQueue,
        views: Callable[[], Sequence[SourceView]],
        emit: Callable[[Sequence[Message]], None],
        context: StationContext,
    ) -> None:
        self._scorer = scorer
        self._scoring = scoring
        self._max_batch = context.config.scorer.max_batch
        self._queue = queue
        self._views = views
        self._emit = emit
        self._failures = context.failures
        self._stopping = context.stopping
        self._times = context.times
        self._log = LimitedLog(_log)
        self._adopted: SimpleQueue[Judging] = SimpleQueue()

    def adopt(self, judging: Judging) -> None:
        """Switches to other levels and another configuration from the next batch on; from any thread."""
        self._adopted.put(judging)

    def cancel(self) -> None:
        """Ends the batch that is being scored, and all further ones; from any thread."""
        self._scoring.cancel()

    @property
    def adopting(self) -> bool:
        """Whether what it is to go on by waits to be taken up."""
        return not self._adopted.empty()

    def run(self) -> None:
        """Scores until the queue is closed and empty. What fails costs the windows of a batch, never the thread."""
        try:
            warm_up(self._scorer, self._max_batch, lambda: self._stopping.asked)
            known: set[str] = set()
            while (items := self._queue.take(self._max_batch, _IDLE_S)) is not None:
                self._take_up()
                if items:
                    self._judge(items)
                if self._stopping.asked and not self._stopping.may_go_on(FLUSH_S):
                    self._queue.shed_all()
                before, known = known, {view.source for view in self._views()}
                self._scoring.forget(before - known)
        except Exception as e:  # noqa: BLE001 - reported
            self._failures.report(Station.SCORING, e)
        finally:
            self._queue.abandon()

    def _take_up(self) -> None:
        while not self._adopted.empty():
            adopted = self._adopted.get()
            if adopted.scorer is not None:
                self._scoring.exchange(adopted.scorer, learning=adopted.learning)
            self._scoring.adopt(adopted.thresholds, adopted.config, adopted.quiet)

    def _judge(self, items: list[Item]) -> None:
        self._failures.begins(Station.SCORING)
        taken = time.monotonic_ns()
        try:
            messages = self._scoring.judge(items)
            self._note_times(items, taken)
            self._emit(messages)
        except Exception as e:  # noqa: BLE001 - reported
            reason = Fault(e.reason) if isinstance(e, ScoreError) else Fault.SCORE_FAILED
            self._emit(self._scoring.give_up(items, reason))
            self._failures.report(Station.SCORING, e)
        else:
            self._failures.ends(Station.SCORING)
        self._stopping.scored()

    def _note_times(self, items: Sequence[Item], taken: int) -> None:
        """Counts how long the batch took; what was judged is published all the same where that fails."""
        if self._times is None:
            return
        try:
            self._times.judged(items, taken, self._scoring.scored, time.monotonic_ns())
        except Exception as e:  # noqa: BLE001 - reported
            text = f"how long a batch took is not counted: {type(e).__name__}: {e}"
            self._log.warning(DETECTOR, OwnFault.SCORING_FAILED, text)
