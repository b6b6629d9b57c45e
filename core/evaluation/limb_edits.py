"""Real windows with one limb of one person altered: what an explanation has to name.

A wrist is moved 0.3 m in a direction drawn at random, with the hand that hangs on it; or an arm, from the elbow down,
moves as the same arm of the same person does in a window of another clip, turned with the body that it hangs on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.perturbations import PairTest
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.limbs import Limb

_MOVED_M = 0.3
_HAND = ("wrist", "hand", "handtip", "thumb")
_ARM = ("elbow", *_HAND)


class Alteration(StrEnum):
    """What is done to a limb; the values are the names of measures."""

    MOVED = "wrist moved 0.3 m"
    EXCHANGED = "arm exchanged"


@dataclass(frozen=True)
class Altered:
    """Every window of a test with one limb altered.

    Arguments:
        windows: shape (N, 2, T, J, 3), in the order of the intact ones.
        person, limb: which one is altered, each of length N.
    """

    windows: NDArray[np.float32]
    person: NDArray[np.intp]
    limb: tuple[Limb, ...]


def altered(test: PairTest, what: Alteration, draw: int) -> Altered:
    """The same for the same draw.

    Raises:
        ClipError: when the layout has no arms, or not the joints that tell where a body is turned to.
    """
    wanted = [f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist", "hip")]
    missing = [joint for joint in wanted if joint not in test.layout.index]
    if missing:
        raise ClipError(f"layout {test.layout.name!r} has no {', '.join(missing)}; expected them to alter an arm")
    rng = np.random.default_rng([draw, list(Alteration).index(what)])
    count = len(test.intact)
    persons, sides = rng.integers(0, 2, (2, count))
    windows = test.intact.copy()
    for i, (person, right) in enumerate(zip(persons.tolist(), sides.tolist(), strict=True)):
        _ALTER[what](test, windows[i, person], i, person, "right" if right else "left", rng)
    limbs = tuple(Limb.RIGHT_ARM if right else Limb.LEFT_ARM for right in sides.tolist())
    return Altered(windows, persons.astype(np.intp), limbs)


def _move(
    test: PairTest, body: NDArray[np.float32], window: int, person: int, side: str, rng: np.random.Generator
) -> None:
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    body[:, _joints(test.layout, side, _HAND)] += (_MOVED_M * direction).astype(np.float32)


def _exchange(
    test: PairTest, body: NDArray[np.float32], window: int, person: int, side: str, rng: np.random.Generator
) -> None:
    others = np.flatnonzero(test.clip != test.clip[window])
    other = test.intact[int(rng.choice(others)), person]
    shoulder, arm = test.layout.index[f"{side}_shoulder"], _joints(test.layout, side, _ARM)
    turn = _heading(test.layout, body) - _heading(test.layout, other)
    x, y, z = np.moveaxis(other[:, arm] - other[:, [shoulder]], -1, 0)
    cos, sin = np.cos(turn), np.sin(turn)
    body[:, arm] = body[:, [shoulder]] + np.stack([cos * x - sin * z, y, sin * x + cos * z], axis=-1)


def _joints(layout: Layout, side: str, names: tuple[str, ...]) -> list[int]:
    return [layout.index[f"{side}_{n}"] for n in names if f"{side}_{n}" in layout.index]


def _heading(layout: Layout, body: NDArray[np.float32]) -> float:
    """Angle about the vertical of the line from left to right shoulder and hip, over the window; (T, J, 3)."""
    left, right = (
        sum(body[:, layout.index[f"{side}_{joint}"]].mean(axis=0) for joint in ("shoulder", "hip"))
        for side in ("left", "right")
    )
    line = np.asarray(right) - np.asarray(left)
    return float(np.arctan2(line[2], line[0]))


_ALTER: dict[Alteration, Callable[[PairTest, NDArray[np.float32], int, int, str, np.random.Generator], None]] = {
    Alteration.MOVED: _move,
    Alteration.EXCHANGED: _exchange,
}
