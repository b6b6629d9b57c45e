"""When scores become an event: raise and clear thresholds, minimum duration, hold. All in event time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from dyadwatch.core.explain import leading_joint_pairs, sentence
from dyadwatch.stream.codes import EventReason
from dyadwatch.stream.config import AlarmOptions
from dyadwatch.stream.items import Pair, PairEnded, Window
from dyadwatch.stream.messages import EventMessage, JointPairPart
from dyadwatch.stream.scorer import Score
from dyadwatch.stream.texts import EVENT

_NS = 1_000_000_000


class State(Enum):
    """What a pair's alarm is doing."""

    CALM = "calm"  # nothing
    RISING = "rising"  # above raise_at, not yet for min_duration_s
    OPEN = "open"  # an event is open, the score not below clear_at
    FADING = "fading"  # an event is open, the score below clear_at, not yet for hold_s


class Level(Enum):
    """Where a score lies between the two thresholds."""

    LOW = "low"
    BETWEEN = "between"
    HIGH = "high"


# (state, level) -> (state while its time runs, the time it takes, state once that time is over)
_TABLE: dict[tuple[State, Level], tuple[State, str, State]] = {
    (State.CALM, Level.LOW): (State.CALM, "", State.CALM),
    (State.CALM, Level.BETWEEN): (State.CALM, "", State.CALM),
    (State.CALM, Level.HIGH): (State.RISING, "min_duration", State.OPEN),
    (State.RISING, Level.LOW): (State.CALM, "", State.CALM),
    (State.RISING, Level.BETWEEN): (State.CALM, "", State.CALM),
    (State.RISING, Level.HIGH): (State.RISING, "min_duration", State.OPEN),
    (State.OPEN, Level.LOW): (State.FADING, "hold", State.CALM),
    (State.OPEN, Level.BETWEEN): (State.OPEN, "", State.OPEN),
    (State.OPEN, Level.HIGH): (State.OPEN, "", State.OPEN),
    (State.FADING, Level.LOW): (State.FADING, "hold", State.CALM),
    (State.FADING, Level.BETWEEN): (State.OPEN, "", State.OPEN),
    (State.FADING, Level.HIGH): (State.OPEN, "", State.OPEN),
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The score that raises an alarm, and the lower one below which it may clear."""

    raise_at: float
    clear_at: float

    def level(self, score: float) -> Level:
        """Where `score` lies."""
        return Level.HIGH if score >= self.raise_at else Level.LOW if score < self.clear_at else Level.BETWEEN


@dataclass(slots=True)
class _PairAlarm:
    state: State = State.CALM
    since: int = 0  # event time at which the present state was entered
    start: int = 0  # end of the first window above raise_at
    last_up: int = 0  # end of the last window not below clear_at
    told: int = 0  # when the open event was last told
    scored: int = 0  # end of the last window
    peak: Score | None = None
    peak_stamp: int = 0
    last: Score | None = None


class AlarmDesk:
    """The alarms of all pairs of one source.

    Arguments:
        options: the section `alarm` of the configuration.
        thresholds: from the calibration file or the configuration.
        joints: joint names of the model's layout.
        model: name of the model, told with every event.
        pause_s: a longer time between two windows of a pair does not count as time above the threshold.
    """

    def __init__(
        self,
        options: AlarmOptions,
        thresholds: Thresholds,
        joints: Sequence[str],
        model: str,
        pause_s: float = 1.0,
    ) -> None:
        self._times = {
            "": 0,
            "min_duration": round(options.min_duration_s * _NS),
            "hold": round(options.hold_s * _NS),
        }
        self._update = round(options.update_s * _NS)
        self._pause = round(pause_s * _NS)
        self._thresholds = thresholds
        self._joints = joints
        self._model = model
        self._alarms: dict[Pair, _PairAlarm] = {}

    @property
    def open_events(self) -> int:
        """Number of events open just now."""
        return sum(a.state in (State.OPEN, State.FADING) for a in self._alarms.values())

    def scored(self, window: Window, score: Score) -> list[EventMessage]:
        """Takes the score of a pair's next window; returns what there is to tell."""
        alarm = self._alarms.setdefault(window.pair, _PairAlarm())
        level = self._thresholds.level(score.score)
        if alarm.state is State.RISING and window.end - alarm.scored > self._pause:
            alarm.state = State.CALM  # nobody saw whether the score stayed up in between
        before, now = alarm.state, window.end
        alarm.scored = now
        waiting, time, after = _TABLE[before, level]
        if waiting is not before:
            alarm.since = now
        alarm.state = after if now - alarm.since >= self._times[time] else waiting
        alarm.last = score
        if level is Level.HIGH and before is State.CALM:
            alarm.start, alarm.peak = now, None
        if alarm.state is not State.CALM and (alarm.peak is None or score.score > alarm.peak.score):
            alarm.peak, alarm.peak_stamp = score, now
        if level is not Level.LOW:
            alarm.last_up = now
        was_open, is_open = (s in (State.OPEN, State.FADING) for s in (before, alarm.state))
        if is_open and not was_open:
            return [self._tell("open", window, alarm, now, EventReason.ABOVE_RAISE_AT)]
        if was_open and not is_open:
            return [self._tell("close", window, alarm, now, EventReason.CALM_AGAIN)]
        if is_open and now - alarm.told >= self._update:
            return [self._tell("update", window, alarm, now, EventReason.STILL_GOING_ON)]
        return []

    def ended(self, end: PairEnded) -> list[EventMessage]:
        """Forgets a pair; an event that is open closes with the reason why the pair ended."""
        alarm = self._alarms.pop(end.pair, None)
        if alarm is None or alarm.state not in (State.OPEN, State.FADING):
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
        alarm.told = now
        peak, last = alarm.peak, alarm.last
        assert peak is not None, "an event is told only once it was scored"
        assert last is not None, "an event is told only once it was scored"
        parts = leading_joint_pairs(peak.joint_pairs, peak.shift, self._joints)
        ids = item.pair.ids
        name = f"{item.source}|{ids[0]}|{ids[1]}|{alarm.start}"
        return EventMessage(
            type=kind,
            id=hashlib.blake2b(name.encode(), digest_size=8).hexdigest(),
            source=item.source,
            pair=ids,
            clock=item.clock,
            start=alarm.start,
            end=alarm.last_up if kind == "close" else None,
            stamp=now,
            score=last.score,
            relation=peak.relation,
            unusual=peak.unusual,
            peak_score=peak.score,
            peak_stamp=alarm.peak_stamp,
            threshold=self._thresholds.raise_at,
            reason=reason,
            text=EVENT[reason],
            joints=tuple(
                JointPairPart(first=p.first, second=p.second, share=p.share, shift_m=p.shift_m) for p in parts
            ),
            explanation=sentence(ids, parts, peak.score),
            model=self._model,
        )
