"""When the evidence of a pair becomes an event: raise, clear, minimum duration, hold. All in event time."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.decision.rules import Evidence, PairEvidence, Thresholds
from dyadwatch.core.explanation.explainer import LimbFinding
from dyadwatch.core.explanation.sentences import leading_joint_pairs
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.alarms.explained import explained, limb_of, names_limb
from dyadwatch.stream.codes import EventReason
from dyadwatch.stream.configuration.config import AlarmOptions
from dyadwatch.stream.items import Pair, PairEnded, Window
from dyadwatch.stream.messages import EventMessage, EventRule, JointPairPart
from dyadwatch.stream.scoring.scorer import Score
from dyadwatch.stream.texts import EVENT

# from a window (2, T, J, 3) to the limb that explains it best
Explain = Callable[[NDArray[np.float32]], LimbFinding]
# takes source, pair, end of the window in ns of the source's clock, and its joints (2, T, J, 3)
OnPeak = Callable[[str, tuple[TrackId, TrackId], int, NDArray[np.float32]], None]


class AlarmState(Enum):
    """What a pair's alarm is doing."""

    CALM = "calm"  # nothing
    RISING = "rising"  # enough evidence, not yet for min_duration_s
    OPEN = "open"  # an event is open, the evidence not below what clears it
    FADING = "fading"  # an event is open, the evidence below that, not yet for hold_s


class Level(Enum):
    """Where the evidence lies: below what clears an alarm, at or above what raises one, or between."""

    LOW = "low"
    BETWEEN = "between"
    HIGH = "high"


# (state, level) -> (state while its time runs, the time it takes, state once that time is over)
TRANSITIONS: dict[tuple[AlarmState, Level], tuple[AlarmState, str, AlarmState]] = {
    (AlarmState.CALM, Level.LOW): (AlarmState.CALM, "", AlarmState.CALM),
    (AlarmState.CALM, Level.BETWEEN): (AlarmState.CALM, "", AlarmState.CALM),
    (AlarmState.CALM, Level.HIGH): (AlarmState.RISING, "min_duration", AlarmState.OPEN),
    (AlarmState.RISING, Level.LOW): (AlarmState.CALM, "", AlarmState.CALM),
    (AlarmState.RISING, Level.BETWEEN): (AlarmState.CALM, "", AlarmState.CALM),
    (AlarmState.RISING, Level.HIGH): (AlarmState.RISING, "min_duration", AlarmState.OPEN),
    (AlarmState.OPEN, Level.LOW): (AlarmState.FADING, "hold", AlarmState.CALM),
    (AlarmState.OPEN, Level.BETWEEN): (AlarmState.OPEN, "", AlarmState.OPEN),
    (AlarmState.OPEN, Level.HIGH): (AlarmState.OPEN, "", AlarmState.OPEN),
    (AlarmState.FADING, Level.LOW): (AlarmState.FADING, "hold", AlarmState.CALM),
    (AlarmState.FADING, Level.BETWEEN): (AlarmState.OPEN, "", AlarmState.OPEN),
    (AlarmState.FADING, Level.HIGH): (AlarmState.OPEN, "", AlarmState.OPEN),
}


def level_of(evidence: Evidence, thresholds: Thresholds) -> Level:
    """Where the evidence lies."""
    if evidence.value >= 1:
        return Level.HIGH
    return Level.LOW if evidence.value < thresholds.clear else Level.BETWEEN


@dataclass(frozen=True, slots=True)
class _Seen:
    """A window with its score; kept for what is published of it."""

    stamp: int
    score: Score
    joints: NDArray[np.float32]


@dataclass(slots=True)
class _PairAlarm:
    evidence: PairEvidence
    recent: deque[_Seen]  # the windows that may have led to the alarm
    state: AlarmState = AlarmState.CALM
    since: int = 0  # event time at which the present state was entered
    start: int = 0  # when the evidence began to rise
    last_up: int = 0  # end of the last window whose evidence was not below what clears
    published: int = 0  # when the open event was last told
    scored: int = 0  # end of the last window
    now: Evidence | None = None
    leading: Evidence | None = None  # the most evidence of the event
    peak: _Seen | None = None
    found: tuple[int, LimbFinding] | None = None  # end of the window that was explained last, and how
    last: Score | None = None


class AlarmTracker:
    """The alarms of all pairs of one source.

    Arguments:
        options: the section `alarm` of the configuration.
        thresholds: from the calibration file or the configuration.
        joints: joint names of the model's layout.
        model: name of the model, reported with every event.
        hop_s: seconds from one window of a pair to its next.
        pause_s: a longer time between two windows of a pair does not count as time above the threshold.
        explain: called for windows that are reported, and never for others; None where the model cannot say.
        opens: False: the evidence is reported, and no event opens.
        on_peak: takes the window with the highest score of every event that is published; None where none is wanted.
    """

    def __init__(
        self,
        options: AlarmOptions,
        thresholds: Thresholds,
        joints: Sequence[str],
        model: str,
        hop_s: float = 0.2,
        pause_s: float = 1.0,
        explain: Explain | None = None,
        *,
        opens: bool = True,
        on_peak: OnPeak | None = None,
    ) -> None:
        self._alarms: dict[Pair, _PairAlarm] = {}
        self._pause = round(pause_s * NS)
        self._joints = joints
        self._model = model
        self._hop_s = hop_s
        self._explain = explain
        self._opens = opens
        self._thresholds = thresholds
        self._on_peak = on_peak
        self.adopt(options, thresholds)

    def adopt(self, options: AlarmOptions, thresholds: Thresholds) -> None:
        """Switches to other options. Where levels are others, evidence begins anew, and events that are open go on."""
        self._times = {
            "": 0,
            "min_duration": round(options.min_duration_s * NS),
            "hold": round(options.hold_s * NS),
        }
        self._update = round(options.update_s * NS)
        before, self._thresholds = self._thresholds, thresholds
        self._remembered = max(rule.windows(self._hop_s) for rule in thresholds.by_rule) + 1
        for alarm in self._alarms.values() if thresholds != before else ():
            alarm.evidence = self._evidence()
            alarm.recent = deque(alarm.recent, maxlen=self._remembered)

    def exchange(self, model: str, explain: Explain | None, *, opens: bool) -> None:
        """Switches to the scores of another model: evidence begins anew, and events that are open go on."""
        self._model, self._explain, self._opens = model, explain, opens
        for alarm in self._alarms.values():
            alarm.evidence = self._evidence()

    @property
    def open_events(self) -> int:
        """Number of events open now."""
        return sum(a.state in (AlarmState.OPEN, AlarmState.FADING) for a in self._alarms.values())

    def evidence(self, pair: Pair) -> float:
        """How near the pair's last window brought an alarm; 1 raises it."""
        alarm = self._alarms.get(pair)
        return 0.0 if alarm is None or alarm.now is None else alarm.now.value

    def scored(self, window: Window, score: Score, weight: float = 1.0) -> list[EventMessage]:
        """Takes the score of a pair's next window; returns what there is to tell.

        Arguments:
            weight: what the score counts for in the evidence; 0 counts for nothing, but an open event goes on by what
                is there.
        """
        alarm, now = self._alarm(window), window.end
        if not weight and alarm.state in (AlarmState.OPEN, AlarmState.FADING):
            weight = 1.0
        parts = score.parts if weight == 1 else tuple(part * weight for part in score.parts)
        evidence = alarm.evidence.push(now, parts)
        alarm.now, alarm.last = evidence, score
        alarm.recent.append(_Seen(now, score, window.joints))
        level = level_of(evidence, self._thresholds)
        if (
            (window.doubtful or not self._opens)
            and level is Level.HIGH
            and alarm.state in (AlarmState.CALM, AlarmState.RISING)
        ):
            level = Level.BETWEEN  # what is doubtful opens no event by itself
        before = alarm.state
        alarm.scored = now
        waiting, time, after = TRANSITIONS[before, level]
        if waiting is not before:
            alarm.since = now
        alarm.state = after if now - alarm.since >= self._times[time] else waiting
        if level is Level.HIGH and before is AlarmState.CALM:
            alarm.start, alarm.peak, alarm.leading = evidence.since, None, None
        if alarm.state is not AlarmState.CALM:
            self._keep_peak(alarm, evidence)
        if level is not Level.LOW:
            alarm.last_up = now
        was_open, is_open = (s in (AlarmState.OPEN, AlarmState.FADING) for s in (before, alarm.state))
        if is_open and not was_open:
            return [self._tell("open", window, alarm, now, EventReason.ENOUGH_EVIDENCE)]
        if was_open and not is_open:
            alarm.evidence.settle()
            return [self._tell("close", window, alarm, now, EventReason.CALM_AGAIN)]
        if is_open and now - alarm.published >= self._update:
            return [self._tell("update", window, alarm, now, EventReason.STILL_GOING_ON)]
        return []

    def _alarm(self, window: Window) -> _PairAlarm:
        """The pair's alarm; after a pause nobody knows what was in between, and the evidence begins anew."""
        alarm = self._alarms.get(window.pair)
        if alarm is None:
            alarm = self._alarms[window.pair] = _PairAlarm(self._evidence(), deque(maxlen=self._remembered))
        elif window.end - alarm.scored > self._pause:
            alarm.evidence = self._evidence()
            alarm.recent.clear()
            if alarm.state is AlarmState.RISING:
                alarm.state = AlarmState.CALM
        return alarm

    def _evidence(self) -> PairEvidence:
        return PairEvidence(self._thresholds, self._hop_s)

    @staticmethod
    def _keep_peak(alarm: _PairAlarm, evidence: Evidence) -> None:
        """The window with the highest score since the evidence began to rise, and the most evidence."""
        if alarm.leading is None or evidence.value > alarm.leading.value:
            alarm.leading = evidence
        for seen in alarm.recent if alarm.peak is None else [alarm.recent[-1]]:
            if seen.stamp >= alarm.start and (alarm.peak is None or seen.score.score > alarm.peak.score.score):
                alarm.peak = seen

    def ended(self, end: PairEnded) -> list[EventMessage]:
        """Forgets a pair; an event that is open closes with the reason why the pair ended."""
        alarm = self._alarms.pop(end.pair, None)
        if alarm is None or alarm.state not in (AlarmState.OPEN, AlarmState.FADING):
            return []
        return [self._tell("close", end, alarm, end.stamp, EventReason(end.reason))]

    def _tell(
        self,
        kind: Literal["open", "update", "close"],
        item: Window | PairEnded,
        alarm: _PairAlarm,
        now: int,
        reason: EventReason,
    ) -> EventMessage:
        alarm.published = now
        peak, last, leading = alarm.peak, alarm.last, alarm.leading
        assert peak is not None, "an event is told only once it was scored"
        assert last is not None, "an event is told only once it was scored"
        assert leading is not None, "an event is told only once it was scored"
        score, ids = peak.score, item.pair.ids
        if self._on_peak is not None:
            self._on_peak(item.source, ids, peak.stamp, peak.joints)
        parts = leading_joint_pairs(score.joint_pairs, score.shift, self._joints)
        limb = None
        if self._explain is not None and names_limb(leading.rule.part, score.relation, score.unusual):
            if alarm.found is None or alarm.found[0] != peak.stamp:
                alarm.found = peak.stamp, self._explain(peak.joints)
            limb = limb_of(alarm.found[1], ids)
        name = f"{item.source}|{ids[0]}|{ids[1]}|{alarm.start}"
        event = EventMessage(
            type=kind,
            id=hashlib.blake2b(name.encode(), digest_size=8).hexdigest(),
            source=item.source,
            pair=ids,
            clock=item.clock,
            start=alarm.start,
            end=alarm.last_up if kind == "close" else None,
            stamp=now,
            score=last.score,
            relation=score.relation,
            unusual=score.unusual,
            peak_score=score.score,
            peak_stamp=peak.stamp,
            threshold=leading.rule.raise_at,
            evidence=round(leading.value, 4),
            rule=EventRule(part=leading.rule.part, over_s=leading.rule.over_s, mean=round(leading.mean, 4)),
            reason=reason,
            text=EVENT[reason],
            joints=tuple(
                JointPairPart(first=p.first, second=p.second, share=p.share, shift_m=p.shift_m) for p in parts
            ),
            limb=limb,
            explanation="",
            model=self._model,
        )
        return msgspec.structs.replace(event, explanation=explained(event))
