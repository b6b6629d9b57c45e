"""What came near to an event and was none: kept, so that a threshold can be chosen by what it would have told."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.explanation.sentences import leading_joint_pairs, sentence
from dyadwatch.stream.items import Pair, PairEnded, Window
from dyadwatch.stream.messages import EventMessage, JointPairPart, NearMissMessage
from dyadwatch.stream.scoring.scorer import Score


@dataclass(slots=True)
class _Rise:
    """A pair while its evidence is not below what clears an alarm, and no event is open."""

    clock: str
    start: int  # end of the first such window
    end: int  # and of the latest
    evidence: float  # the most
    peak: Score  # of the window with the most evidence
    peak_stamp: int


class NearMisses:
    """The near misses of one source: evidence that would not clear an alarm, and no event.

    Arguments:
        thresholds: of the alarms.
        joints: joint names of the model's layout.
        model: name of the model, reported with each.
    """

    def __init__(self, thresholds: Thresholds, joints: Sequence[str], model: str) -> None:
        self._thresholds = thresholds
        self._joints = joints
        self._model = model
        self._rises: dict[Pair, _Rise] = {}
        self._open: set[Pair] = set()  # pairs with an open event

    def adopt(self, thresholds: Thresholds, model: str) -> None:
        """Switches to other thresholds, and to the scores of a model, which may be another."""
        self._thresholds, self._model = thresholds, model

    @property
    def idle(self) -> bool:
        """Whether nothing is known of any pair."""
        return not self._rises and not self._open

    def scored(
        self, window: Window, score: Score, evidence: float, events: Sequence[EventMessage]
    ) -> list[NearMissMessage]:
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
        if evidence < self._thresholds.clear:
            return [] if rise is None else [self._tell(window.source, pair, self._rises.pop(pair), window.end)]
        if rise is None:
            self._rises[pair] = _Rise(window.clock, window.end, window.end, evidence, score, window.end)
        else:
            rise.end = window.end
            if evidence > rise.evidence:
                rise.evidence, rise.peak, rise.peak_stamp = evidence, score, window.end
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
            evidence=round(rise.evidence, 4),
            joints=tuple(
                JointPairPart(first=p.first, second=p.second, share=p.share, shift_m=p.shift_m) for p in parts
            ),
            explanation=sentence(pair.ids, parts, rise.peak.score),
            model=self._model,
        )
