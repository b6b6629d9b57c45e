"""What can be odd about the bodies of a source; sentences are in `core/sense/sense_words.py`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from dyadwatch.core.finding import Finding


class Oddity(StrEnum):
    """What is odd, and the data that belong to it."""

    JOINTS_MISNAMED = "joints_misnamed"  # person, layout, joint, other: ends of a limb; length_m, usual_m, misfit
    ODD_LIMBS = "odd_limbs"  # the same, off by less or not for long
    ABSURD_SIZE = "absurd_size"  # person, height_m, likely: what was taken for what, or empty
    ODD_SIZE = "odd_size"  # the same
    UPSIDE_DOWN = "upside_down"  # person
    TURNED = "turned"  # axis, such as +z: it points from everybody's feet to the head; moved_m: while somebody walks
    NOBODY_UPRIGHT = "nobody_upright"  # axis, empty where it is no single one
    WALKS_LYING = "walks_lying"  # person, axis, moved_m; above_m: the ankles of others, where known
    FROZEN = "frozen"  # person, seconds
    STIFF = "stiff"  # the same, not yet for long enough to be called frozen
    ONE_BODY_TWICE = "one_body_twice"  # first, second: persons; apart_m
    ONE_PLACE = "one_place"  # first, second, apart_m, part: hips or shoulders
    FLAT = "flat"  # person, axis along which the body has no extent
    ODD_WIDTH = "odd_width"  # person, times: as wide as a body of that height, at shoulders and hips
    SIDES_FLIP = "sides_flip"  # person, times left and right were exchanged within ten seconds
    SIDES_CROSSED = "sides_crossed"  # person
    MIRRORED = "mirrored"  # person, part that points backward: face or toes
    JITTER = "jitter"  # person, noise_m from frame to frame, along each axis
    LIMBS_VARY = "limbs_vary"  # person, joint, other: ends of the limb that varies most; share of its length
    NAILED = "nailed"  # person, part: a joint, or hips or shoulders, that stays where it is while the body moves
    TILTED = "tilted"  # degrees, axis towards which everybody leans
    ALL_SMALL = "all_small"  # tallest_m of everybody, seconds
    MODEL_MISFIT = "model_misfit"  # minutes of pairs; share of them above score; by core.decision.misfit


# Those with which a score would mean nothing; with all others but those that are merely said it is doubtful.
BLINDING = frozenset(
    {
        Oddity.JOINTS_MISNAMED,
        Oddity.ABSURD_SIZE,
        Oddity.UPSIDE_DOWN,
        Oddity.TURNED,
        Oddity.FROZEN,
        Oddity.ONE_BODY_TWICE,
        Oddity.ONE_PLACE,
        Oddity.FLAT,
    }
)
# Those that are merely said: a score means as much as ever.
SAID = frozenset({Oddity.MIRRORED})
Odd = Finding[Oddity]


# What is said first, and of what it becomes once it is sure.
_BECOMES = {
    Oddity.ODD_LIMBS: {Oddity.JOINTS_MISNAMED},
    Oddity.ODD_SIZE: {Oddity.ABSURD_SIZE},
    Oddity.NOBODY_UPRIGHT: {Oddity.TURNED, Oddity.UPSIDE_DOWN, Oddity.JOINTS_MISNAMED},
    Oddity.STIFF: {Oddity.FROZEN},
    Oddity.NAILED: {Oddity.ONE_PLACE},
    Oddity.LIMBS_VARY: {Oddity.JOINTS_MISNAMED, Oddity.ODD_LIMBS, Oddity.FLAT},
    Oddity.ODD_WIDTH: {Oddity.JOINTS_MISNAMED, Oddity.FLAT},
    Oddity.MIRRORED: {Oddity.JOINTS_MISNAMED, Oddity.ODD_LIMBS},
    Oddity.SIDES_CROSSED: {Oddity.JOINTS_MISNAMED},
    Oddity.ALL_SMALL: {Oddity.ODD_SIZE, Oddity.ABSURD_SIZE},
}


def settled(found: Iterable[Odd]) -> tuple[Odd, ...]:
    """Findings of some time, the first of each code, without those that became another; blinding ones first."""
    by_code: dict[Oddity, Odd] = {}
    for odd in found:
        by_code.setdefault(odd.code, odd)
    kept = [odd for code, odd in by_code.items() if by_code.keys().isdisjoint(_BECOMES.get(code, ()))]
    return tuple(sorted(kept, key=lambda odd: odd.code not in BLINDING))


def is_blinding(odd: Odd) -> bool:
    """Whether a score would mean nothing."""
    return odd.code in BLINDING
