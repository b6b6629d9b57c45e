"""What makes a window unusual, in words: who, with which limb, toward what (after Hoi2Anomaly, arXiv 2503.10508).

The one place where these sentences are made: of events, of what `detect` prints, of training reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.explanation.explainer import How, LimbFinding
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.words import rarity

_SHIFT_WORTH_SAYING_M = 0.05


@dataclass(frozen=True, slots=True)
class JointPair:
    """Joint names of the first and second person, their share 0..1 and their shift in metres (negative: closer)."""

    first: str
    second: str
    share: float
    shift_m: float


def leading_joint_pairs(
    joint_pairs: NDArray[np.float32], shift: NDArray[np.float32], joints: Sequence[str], top: int = 3
) -> list[JointPair]:
    """The joint pairs that contribute most, largest first; each joint of a person is named at most once.

    Arguments:
        joint_pairs: contributions >= 0, shape (J, J), rows are the first person's joints.
        shift: metres, shape (J, J).
        joints: the J names.
        top: how many at most.
    """
    total = float(joint_pairs.sum())
    if not total > 0:
        return []
    left = joint_pairs.astype(np.float64)
    out: list[JointPair] = []
    for _ in range(min(top, len(joints))):
        i, j = divmod(int(left.argmax()), len(joints))
        if not left[i, j] > 0:
            break
        share, moved = float(joint_pairs[i, j]) / total, float(shift[i, j])
        out.append(JointPair(joints[i], joints[j], round(share, 4), round(moved, 3)))
        left[i, :] = 0
        left[:, j] = 0
    return out


def sentence(pair: tuple[TrackId, TrackId], parts: Sequence[JointPair], score: float | None) -> str:
    """One sentence for a person: who, which joints, how they differ from normal, and for a score how rare that is."""
    words = [f"{pair[0]}'s {_words(p.first)} {_change(p.shift_m)} {pair[1]}'s {_words(p.second)}" for p in parts[:2]]
    return _with_rarity(pair, "; ".join(words), score)


def limb_sentence(pair: tuple[TrackId, TrackId], found: LimbFinding, score: float | None) -> str:
    """The same of a limb: whose, what it does toward what of the other, and what normal pairs do."""
    return _with_rarity(pair, _limb_words(pair, found), score)


def relation_sentence(pair: tuple[TrackId, TrackId], found: LimbFinding | None, score: float | None) -> str:
    """The same where it is that the two do not belong together; with the limb that is odd besides, if any."""
    words = f"{pair[0]} and {pair[1]} did not answer each other's movements as normal pairs do"
    return _with_rarity(pair, words if found is None else f"{words}; {_limb_words(pair, found)}", score)


def timing_sentence(pair: tuple[TrackId, TrackId], found: LimbFinding | None) -> str:
    """The same where one of the two is early or late; how rare that is their score does not say."""
    words = f"{pair[0]} and {pair[1]} were out of step: a fifth of a second earlier or later one would fit the other"
    return words if found is None else f"{words}; {_limb_words(pair, found)}"


def _limb_words(pair: tuple[TrackId, TrackId], found: LimbFinding) -> str:
    me, other = pair[found.person], pair[1 - found.person]
    it, toward = f"{_words(found.joint)} of {me}", f"the {_words(found.toward)} of {other}"
    usual = found.usual or 0.0
    if found.how is How.FAST:
        words = (
            f"{it} moved at {found.speed_m_s:.1f} m/s, {found.distance_m:.1f} m from {toward}; in normal pairs it "
            f"stays below {usual:.1f} m/s"
        )
    elif found.how is How.NEAR:
        words = f"{it} came within {found.distance_m:.2f} m of {toward}; in normal pairs it stays {usual:.2f} m away"
    elif found.how is How.FAR:
        words = f"{it} stayed {found.distance_m:.2f} m from {toward}; in normal pairs it comes within {usual:.2f} m"
    else:
        words = (
            f"{_words(found.limb)} of {me} was not where normal pairs have it: the {_words(found.joint)} was off by "
            f"{found.off_m:.2f} m, {found.distance_m:.1f} m from {toward}"
        )
    return words


def _with_rarity(pair: tuple[TrackId, TrackId], words: str, score: float | None) -> str:
    if score is None:
        return words
    rare = f"rarer than 1 normal window in {rarity(score)}"
    return f"{words}; {rare}" if words else f"{pair[0]} and {pair[1]}: {rare}"


def _words(joint: str) -> str:
    return joint.replace("_", " ")


def _change(shift_m: float) -> str:
    if abs(shift_m) < _SHIFT_WORTH_SAYING_M:
        return "moves unusually to"
    return f"is {abs(shift_m):.2f} m {'closer to' if shift_m < 0 else 'farther from'}"
