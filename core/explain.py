"""Which joints of whom make a window unusual, in numbers and in words (after Hoi2Anomaly, arXiv 2503.10508)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.pose import TrackId
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
    if score is not None:
        rare = f"rarer than 1 normal window in {rarity(score)}"
        words.append(rare if words else f"{pair[0]} and {pair[1]}: {rare}")
    return "; ".join(words)


def _words(joint: str) -> str:
    return joint.replace("_", " ")


def _change(shift_m: float) -> str:
    if abs(shift_m) < _SHIFT_WORTH_SAYING_M:
        return "moves unusually to"
    return f"is {abs(shift_m):.2f} m {'closer to' if shift_m < 0 else 'farther from'}"
