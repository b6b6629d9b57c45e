"""The second half of the live path: windows of all sources are scored in batches, and judged source by source."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from dyadwatch.core.decision.drift import QuietScores
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.stream.alarms.alarm_tracker import OnPeak
from dyadwatch.stream.codes import Fault, Reason
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.site_rules import SiteRules
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.items import Item, Moment, PairEnded, Window
from dyadwatch.stream.judging.scoring_account import ScoringAccount
from dyadwatch.stream.judging.source_judge import JudgingBasis, SourceJudge
from dyadwatch.stream.messages import Message
from dyadwatch.stream.scoring.scorer import Score, Scorer


class ScoredWindow(NamedTuple):
    """A window with its score, all of which is finite."""

    window: Window
    score: Score


def scored_items(scorer: Scorer, items: Sequence[Item], drops: DropLog) -> list[ScoredWindow | PairEnded | Moment]:
    """The items in their order, windows with their scores; those whose score is no number are counted and left out.

    Raises:
        ScoreError: the engine failed on the windows.
    """
    scores = iter(scorer.score([i.joints for i in items if isinstance(i, Window)]))
    out: list[ScoredWindow | PairEnded | Moment] = []
    for item in items:
        if not isinstance(item, Window):
            out.append(item)
        elif math.isfinite(sum((score := next(scores)).parts)):
            out.append(ScoredWindow(item, score))
        else:
            drops.add(item.source, Fault.SCORE_NOT_FINITE)
    return out


class Scoring:
    """Scores windows and keeps the alarms. All but `judged` belongs to the one thread that judges.

    Arguments:
        scorer: the loaded model.
        thresholds: when a score raises and clears an alarm.
        config: the whole configuration.
        losses: where windows without a usable score are counted.
        learning: scores are published and nobody is judged: no event opens, and nothing comes near to one.
        quiet: the scores of its calibration, which those of quiet times are compared with; None where they are unknown.
        wall: unix ns by the detector's clock, for the schedules of sources with another; None where frames are read.
        on_peak: takes the window with the highest score of every event that is published; None where none is wanted.

    Attributes:
        judged: what other threads may know of every source.
        site: zones and schedules.
        scored: monotonic ns at which the model had scored the latest batch.
    """

    def __init__(
        self,
        scorer: Scorer,
        thresholds: Thresholds,
        config: Config,
        losses: DropLog,
        *,
        learning: bool = False,
        quiet: QuietScores | None = None,
        wall: Callable[[], int] | None = None,
        on_peak: OnPeak | None = None,
    ) -> None:
        self._scorer = scorer
        self._wall = wall
        self._learning = learning
        self._losses = losses
        self._judges: dict[str, SourceJudge] = {}
        self._on_peak = on_peak
        self._basis = JudgingBasis.of(scorer, thresholds, config, quiet, on_peak, learning=learning)
        self.site = SiteRules(config, wall)
        self.judged = ScoringAccount()
        self.scored = 0

    def adopt(self, thresholds: Thresholds, config: Config, quiet: QuietScores | None = None) -> None:
        """Switches to other thresholds, and to what the configuration says of alarms, incidents, zones and schedules.

        Events and incidents that are open go on. Where levels are others, evidence begins anew.
        """
        self._basis = JudgingBasis.of(self._scorer, thresholds, config, quiet, self._on_peak, learning=self._learning)
        self.site = SiteRules(config, self._wall)
        for judge in self._judges.values():
            judge.adopt(self._basis)
        self._publish()

    def exchange(self, scorer: Scorer, *, learning: bool) -> None:
        """Scores by another model from the next batch on; `adopt` says by what its scores are judged.

        Events and incidents that are open go on. Pairs stay, and so do the windows that wait: none is cut anew.

        Arguments:
            scorer: loaded and warm, of windows of the same shape.
            learning: whether nobody is judged by it.
        """
        if scorer is self._scorer and learning == self._learning:
            return
        assert scorer.shape == self._scorer.shape, "the windows that wait are of the present model's shape"
        self._scorer, self._learning = scorer, learning
        old = self._basis
        self._basis = JudgingBasis.of(scorer, old.thresholds, old.config, old.quiet, self._on_peak, learning=learning)
        for judge in self._judges.values():
            judge.exchange(self._basis)

    def cancel(self) -> None:
        """Ends the batch that is being scored, from any thread, and all further ones."""
        self._scorer.cancel()

    def judge(self, items: Sequence[Item]) -> list[Message]:
        """Scores all windows among the items in as few batches as possible; returns what there is to tell, in order.

        Raises:
            ScoreError: the engine failed on the windows. Nothing of the items was taken up.
        """
        scored = scored_items(self._scorer, items, self._losses)
        done = self.scored = time.monotonic_ns()
        out: list[Message] = []
        for item in scored:
            if isinstance(item, ScoredWindow):
                window = item.window
                out += self._judge_of(window.source).take(window, item.score, self._weigh(window), done)
            else:
                out += self._pass_by(item)
        if items:
            self._publish()
        return out

    def give_up(self, items: Sequence[Item], reason: Reason = Fault.SCORE_FAILED) -> list[Message]:
        """Counts the windows among items that cannot be scored, and ends the pairs that end with them."""
        out: list[Message] = []
        for item in items:
            if isinstance(item, Window):
                self._losses.add(item.source, reason)
            else:
                out += self._pass_by(item)
        self._publish()
        return out

    def forget(self, sources: Iterable[str]) -> None:
        """Drops what is counted of sources that are watched no more."""
        for source in sources:
            judge = self._judges.get(source)
            if judge is not None:
                judge.reset()
                if judge.idle:
                    del self._judges[source]
                self._publish()

    def _judge_of(self, source: str) -> SourceJudge:
        judge = self._judges.get(source)
        if judge is None:
            judge = self._judges[source] = SourceJudge(self._basis)
        return judge

    def _weigh(self, window: Window) -> float:
        """What the score of a window weighs by the rules of the site; what they ignore is counted."""
        weight, ignored = self.site.weigh(window)
        if ignored is not None:
            self._losses.add(window.source, ignored)
        return weight

    def _pass_by(self, item: PairEnded | Moment) -> list[Message]:
        if isinstance(item, PairEnded):
            self.site.ended(item.source, item.pair)
        judge = self._judges.get(item.source)
        if judge is None:
            return []
        out = judge.pass_by(item)
        if judge.idle and not judge.windows:  # it was forgotten before its pairs had ended
            del self._judges[item.source]
        return out

    def _publish(self) -> None:
        judges = self._judges.items()
        self.judged = ScoringAccount(
            windows={source: j.windows for source, j in judges if j.windows},
            open_events={source: j.open_events for source, j in judges if j.open_events is not None},
            scored={source: j.scored for source, j in judges if j.scored is not None},
            incidents={source: j.open_incidents for source, j in judges if j.open_incidents},
            heard={source: j.listener.heard for source, j in judges if j.listener is not None},
            site=self.site.in_force(),
            drifts={source: j.drift.found for source, j in judges if j.drift and j.drift.found},
            misfits={source: j.misfit.found for source, j in judges if j.misfit and j.misfit.found},
        )
