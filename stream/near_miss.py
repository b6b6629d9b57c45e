"""What came near to an event and was none: kept, so that a threshold can be chosen by what it would have told."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from dyadwatch.core.explain import leading_joint_pairs, sentence
from dyadwatch.stream.alarm import Thresholds
from dyadwatch.stream.items import Pair, PairEnded, Window
from dyadwatch.stream.messages import EventMessage, JointPairPart, NearMissMessage
from dyadwatch.stream.scorer import Score


@dataclass(slots=True)
class _Rise:
    """A pair's score while it is not below the lower threshold, and no event is open."""

    clock: str
    start: int  # end of the first such window
    end: int  # and of the latest
    peak: Score
    peak_stamp: int


class NearMisses:
    """The near misses of one source: peaks at or above `clear_at` without an event.

    Arguments:
        thresholds: of the alarms.
        joints: joint names of the model's layout.
        model: name of the model, told with each.
    """

    def __init__(self, thresholds: Thresholds, joints: Sequence[str], model: str) -> None:
        self._thresholds = thresholds
        self._joints = joints
        self._model = model
        self._rises: dict[Pair, _Rise] = {}
        self._open: set[Pair] = set()  # pairs with an open event

    @property
    def idle(self) -> bool:
        """Whether nothing is known of any pair."""
        return not self._rises and not self._open

    def scored(self, window: Window, score: Score, events: Sequence[EventMessage]) -> list[NearMissMessage]:
        """Takes a score, and the events that it led to; returns the near miss that is over."""
        pair = window.pair
        if any(e.type == "open" for e in events):
            self._rises.pop(pair, None)
            self._open.add(pair)
        if pair in self._open:
            if any(e.type == "close" for e in events):
                self._open.discard(pair)
            return []
        rise = self._rises.get(pair)
        if score.score < self._thresholds.clear_at:
            return [] if rise is None else [self._tell(window.source, pair, self._rises.pop(pair), window.end)]
        if rise is None:
            self._rises[pair] = _Rise(window.clock, window.end, window.end, score, window.end)
        else:
            rise.end = window.end
            if score.score > rise.peak.score:
                rise.peak, rise.peak_stamp = score, window.end
        return []

    def ended(self, end: PairEnded) -> list[NearMissMessage]:
        """Forgets a pair; what was rising is over."""
        self._open.discard(end.pair)
        rise = self._rises.pop(end.pair, None)
        return [] if rise is None else [self._tell(end.source, end.pair, rise, end.stamp)]

    def _tell(self, source: str, pair: Pair, rise: _Rise, now: int) -> NearMissMessage:
        parts = leading_joint_pairs(rise.peak.joint_pairs, rise.peak.shift, self._joints)
        name = f"near miss|{source}|{pair.ids[0]}|{pair.ids[1]}|{rise.start}"
        return NearMissMessage(
            id=hashlib.blake2b(name.encode(), digest_size=8).hexdigest(),
            source=source,
            pair=pair.ids,
            clock=rise.clock,
            start=rise.start,
            end=rise.end,
            stamp=now,
            peak_score=rise.peak.score,
            peak_stamp=rise.peak_stamp,
            threshold=self._thresholds.raise_at,
            joints=tuple(
                JointPairPart(first=p.first, second=p.second, share=p.share, shift_m=p.shift_m) for p in parts
            ),
            explanation=sentence(pair.ids, parts, rise.peak.score),
            model=self._model,
        )
