"""An event's explanation as a sentence, made of its other keys: the one place for all who tell of events."""

from __future__ import annotations

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.explanation.explainer import LimbFinding
from dyadwatch.core.explanation.sentences import (
    JointPair,
    limb_sentence,
    relation_sentence,
    sentence,
    timing_sentence,
)
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.stream.messages import EventMessage, IncidentPair, OddLimb

_ODD = 2.0  # surprise: of a pair that is so unusual a limb is named beside its relation


def names_limb(part: ScorePart, relation: float, unusual: float) -> bool:
    """Whether a limb has anything to do with an alarm; arguments as those of `raised_by_relation`."""
    return unusual >= _ODD or not raised_by_relation(part, relation, unusual)


def raised_by_relation(part: ScorePart, relation: float, unusual: float) -> bool:
    """Whether it is how the two go together that raised an alarm, and neither of them by himself.

    Arguments:
        part: of the score, whose mean raised it.
        relation, unusual: of the window with the highest score.
    """
    return part in (ScorePart.RELATION, ScorePart.TIMING) or (part is ScorePart.SCORE and relation > unusual)


def explained(event: EventMessage | IncidentPair, names: tuple[TrackId, TrackId] | None = None) -> str:
    """The sentence.

    Arguments:
        names: what the two are called, in the order of the pair; None: by their ids.
    """
    pair = names or event.pair
    limb = None if event.limb is None else finding_of(event.limb, event.pair)
    if event.rule.part is ScorePart.TIMING:
        return timing_sentence(pair, limb)
    if raised_by_relation(event.rule.part, event.relation, event.unusual):
        return relation_sentence(pair, limb, event.peak_score)
    if limb is not None:
        return limb_sentence(pair, limb, event.peak_score)
    parts = [JointPair(p.first, p.second, p.share, p.shift_m) for p in event.joints]
    return sentence(pair, parts, event.peak_score)


def limb_of(found: LimbFinding, ids: tuple[TrackId, TrackId]) -> OddLimb:
    """A finding as it is sent."""
    return OddLimb(
        person=ids[found.person],
        limb=found.limb,
        joint=found.joint,
        toward=found.toward,
        how=found.how,
        share=found.share,
        speed_m_s=found.speed_m_s,
        distance_m=found.distance_m,
        off_m=found.off_m,
        usual=found.usual,
    )


def finding_of(limb: OddLimb, ids: tuple[TrackId, TrackId]) -> LimbFinding:
    """The way back."""
    return LimbFinding(
        person=ids.index(limb.person),
        limb=limb.limb,
        joint=limb.joint,
        toward=limb.toward,
        how=limb.how,
        share=limb.share,
        speed_m_s=limb.speed_m_s,
        distance_m=limb.distance_m,
        off_m=limb.off_m,
        usual=limb.usual,
    )
