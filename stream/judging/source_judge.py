"""What is judged of one source: its alarms, incidents and near misses, and whether the model suits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dyadwatch.core.decision.drift import DriftWatch, QuietScores
from dyadwatch.core.decision.misfit import MisfitWatch
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.decision.score_log import longest_pause_s
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.stream.alarms.alarm_tracker import AlarmTracker, Explain, OnPeak
from dyadwatch.stream.alarms.incident import in_shadow
from dyadwatch.stream.alarms.incident_tracker import IncidentTracker
from dyadwatch.stream.alarms.near_miss import NearMisses
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.items import Item, Moment, Pair, PairEnded, Window
from dyadwatch.stream.messages import EventMessage, IncidentMessage, Message, NearMissMessage, ScoreMessage
from dyadwatch.stream.scoring.learning import Listener
from dyadwatch.stream.scoring.scorer import Score, Scorer


@dataclass(frozen=True)
class JudgingBasis:
    """What all sources are judged by.

    Arguments:
        thresholds: when a score raises and clears an alarm.
        config: the whole configuration.
        quiet: the scores of the calibration, which those of quiet times are compared with; None where they are unknown.
        model: name and version, as messages name it.
        joints: of the model's layout, in its order.
        hop_s: seconds from one window of a pair to its next.
        explain: which limb is odd in a window; None where the model cannot say.
        learning: scores are published and nobody is judged: no event opens, and nothing comes near to one.
        on_peak: takes the window with the highest score of every event that is published; None where none is wanted.
    """

    thresholds: Thresholds
    config: Config
    quiet: QuietScores | None
    model: str
    joints: Sequence[str]
    hop_s: float
    explain: Explain | None
    learning: bool
    on_peak: OnPeak | None

    @classmethod
    def of(
        cls,
        scorer: Scorer,
        thresholds: Thresholds,
        config: Config,
        quiet: QuietScores | None,
        on_peak: OnPeak | None,
        *,
        learning: bool,
    ) -> JudgingBasis:
        """The basis that a loaded model and a configuration make."""
        return cls(
            thresholds,
            config,
            None if learning else quiet,
            scorer.info.title,
            scorer.shape.layout.joints,
            config.windows.hop / scorer.info.fps,
            scorer.explainer,
            learning,
            on_peak,
        )


class SourceJudge:
    """Takes the scored windows of one source, and its ends of pairs; returns what there is to tell.

    What belongs to pairs lasts as long as they do, so that a source without any costs next to nothing.

    Arguments:
        basis: what it is judged by.

    Attributes:
        windows: scored since the source came.
        scored: monotonic ns of the last score, and how old its data was by then, ns; None before the first.
        listener: adds up what there is to learn from, while nobody is judged.
        drift: whether the calibration still holds.
        misfit: whether the model was made for such a source.
    """

    def __init__(self, basis: JudgingBasis) -> None:
        self._basis = basis
        self._pairs: set[Pair] = set()
        self._alarms: AlarmTracker | None = None  # while there are pairs
        self._incidents: IncidentTracker | None = None  # while one is open
        self._near: NearMisses | None = None
        self.reset()

    def reset(self) -> None:
        """Forgets what was counted of the source; what is open of its pairs ends with them."""
        self.windows = 0
        self.scored: tuple[int, int] | None = None
        self.listener: Listener | None = None
        self.drift: DriftWatch | None = None
        self.misfit: MisfitWatch | None = None

    def adopt(self, basis: JudgingBasis) -> None:
        """Switches to another basis. What is open goes on; where levels are others, evidence begins anew."""
        before, self._basis = self._basis, basis
        if basis.quiet != before.quiet:
            self.drift = None
        if self._alarms is not None:
            self._alarms.adopt(basis.config.alarm, basis.thresholds)
        if self._incidents is not None:
            self._incidents.adopt(basis.config.incidents)
        if self._near is not None:
            self._near.adopt(basis.thresholds, basis.model)

    def exchange(self, basis: JudgingBasis) -> None:
        """Switches to the scores of another model: evidence begins anew, and what is open goes on."""
        self.listener = self.drift = self.misfit = None
        self.adopt(basis)
        if self._alarms is not None:
            self._alarms.exchange(basis.model, basis.explain, opens=not basis.learning)

    @property
    def idle(self) -> bool:
        """Whether nothing is open, and nothing known of any pair."""
        return self._alarms is None and self._incidents is None and self._near is None

    @property
    def open_events(self) -> int | None:
        """Number of events open now; None where there is no pair."""
        return None if self._alarms is None else self._alarms.open_events

    @property
    def open_incidents(self) -> tuple[str, ...]:
        """Ids of the incidents open now."""
        return () if self._incidents is None else self._incidents.open

    def take(self, window: Window, score: Score, weight: float, done: int) -> list[Message]:
        """Takes the score of a window.

        Arguments:
            window: the next of any pair of the source.
            score: of it, finite.
            weight: what it counts for by the rules of the site; 0 where they ignore the pair.
            done: monotonic ns when it was scored.
        """
        basis = self._basis
        self.windows += 1
        self.scored = (done, done - window.arrived)
        alarms = self._alarms_with(window)
        window = self._fitting(window, score, weight)
        events = alarms.scored(window, score, weight)
        if weight and not window.doubtful and not alarms.open_events:
            self._note_quiet(window, score)
        evidence = alarms.evidence(window.pair)
        out: list[Message] = []
        if basis.config.sinks.scores:
            out.append(self._score_message(window, score, evidence, weight, done))
        out += events
        if not basis.learning:
            out += self._near_miss(window, score, evidence, events)
        return out + self._incidents_with(window, events)

    def pass_by(self, item: PairEnded | Moment) -> list[Message]:
        """Takes what has no score: the end of a pair, or how far the source's time has come."""
        events: list[EventMessage] = []
        missed: list[NearMissMessage] = []
        if isinstance(item, PairEnded):
            events = self._ended(item)
            missed = [] if self._near is None else self._near.ended(item)
        if self._near is not None and self._near.idle:
            self._near = None
        return [*events, *missed, *self._incidents_with(item, events)]

    def _alarms_with(self, window: Window) -> AlarmTracker:
        basis = self._basis
        if basis.learning:
            if self.listener is None:
                self.listener = Listener()
            self.listener.take(window, self._pairs)
        if self._alarms is None:
            self._alarms = AlarmTracker(
                basis.config.alarm,
                basis.thresholds,
                basis.joints,
                basis.model,
                basis.hop_s,
                longest_pause_s(basis.hop_s),
                basis.explain,
                opens=not basis.learning,
                on_peak=basis.on_peak,
            )
        self._pairs.add(window.pair)
        return self._alarms

    def _fitting(self, window: Window, score: Score, weight: float) -> Window:
        """The window, which is doubtful where the model was not made for its source."""
        looks = not self._basis.learning and Oddity.MODEL_MISFIT not in self._basis.config.sense.ignore
        if not looks or not weight or window.doubtful:
            return window
        if self.misfit is None:
            self.misfit = MisfitWatch(self._basis.hop_s)
        self.misfit.take(window.end, score.score)
        return window if self.misfit.found is None else replace(window, findings=(self.misfit.found,))

    def _note_quiet(self, window: Window, score: Score) -> None:
        """Takes a window of a time without an event, to see whether the calibration still holds."""
        if self._basis.quiet is None:
            return
        if self.drift is None:
            self.drift = DriftWatch(self._basis.quiet, self._basis.hop_s)
        self.drift.take(window.end, score.score)

    def _near_miss(
        self, window: Window, score: Score, evidence: float, events: Sequence[EventMessage]
    ) -> list[NearMissMessage]:
        if self._near is None:
            self._near = NearMisses(self._basis.thresholds, self._basis.joints, self._basis.model)
        return self._near.scored(window, score, evidence, events)

    def _incidents_with(self, item: Item, events: Sequence[EventMessage]) -> list[IncidentMessage]:
        """What an item and the events that it led to make of incidents."""
        if self._incidents is None:
            if not events:
                return []
            self._incidents = IncidentTracker(self._basis.config.incidents)
        match item:
            case Window():
                out = self._incidents.scored(item, events)
            case PairEnded():
                out = self._incidents.ended(item, events)
            case Moment():
                out = self._incidents.moment(item)
        if not self._incidents.open:
            self._incidents = None
        return in_shadow(out) if self._basis.config.alarm.shadow else out

    def _ended(self, end: PairEnded) -> list[EventMessage]:
        """Ends a pair; alarms know nothing but pairs, all of which end before their source does."""
        if self._alarms is None:
            return []
        out = self._alarms.ended(end)
        self._pairs.discard(end.pair)
        if not self._pairs:
            self._alarms = None
        return out

    def _score_message(self, window: Window, score: Score, evidence: float, weight: float, done: int) -> ScoreMessage:
        return ScoreMessage(
            source=window.source,
            pair=window.pair.ids,
            start=window.start,
            end=window.end,
            score=score.score,
            relation=score.relation,
            unusual=score.unusual,
            timing=score.timing,
            evidence=round(evidence, 4),
            doubtful=window.doubtful,
            learning=self._basis.learning,
            weight=round(weight, 6),
            model=self._basis.model,
            latency_ms=round((done - window.arrived) / 1e6, 3),
        )
