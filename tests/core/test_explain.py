from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dyadwatch.core.explanation.explainer import How, LimbFinding
from dyadwatch.core.explanation.sentences import (
    JointPair,
    leading_joint_pairs,
    limb_sentence,
    relation_sentence,
    sentence,
    timing_sentence,
)
from dyadwatch.core.skeletons.limbs import Limb

JOINTS = ("head", "left_wrist", "right_wrist")


def parts(*rows: tuple[float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_the_largest_come_first_and_no_joint_of_a_person_twice() -> None:
    weights = parts((0, 4, 3), (2, 0, 0), (0, 0, 1))
    shift = np.arange(-4, 5, dtype=np.float32).reshape(3, 3) / np.float32(10)
    assert leading_joint_pairs(weights, shift, JOINTS) == [
        JointPair("head", "left_wrist", 0.4, -0.3),
        JointPair("left_wrist", "head", 0.2, -0.1),
        JointPair("right_wrist", "right_wrist", 0.1, 0.4),
    ]
    assert len(leading_joint_pairs(weights, shift, JOINTS, top=1)) == 1


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_without_contributions_there_is_nothing_to_name(value: float) -> None:
    nothing = np.full((3, 3), value, np.float32)
    assert leading_joint_pairs(nothing, nothing, JOINTS) == []


def test_pairs_that_contribute_nothing_are_not_named() -> None:
    assert len(leading_joint_pairs(parts((0, 1, 0), (0, 0, 0), (0, 0, 0)), np.zeros((3, 3), np.float32), JOINTS)) == 1


@given(hnp.arrays(np.float32, (3, 3), elements=st.floats(0, 100, width=32)), st.integers(1, 5))
def test_shares_fall_and_swapping_the_persons_swaps_the_names(weights: np.ndarray, top: int) -> None:
    found = leading_joint_pairs(weights, -weights, JOINTS, top)
    assert len(found) <= min(top, 3)
    assert sorted((p.share for p in found), reverse=True) == [p.share for p in found]
    assert sum(p.share for p in found) <= 1.001
    if len(set(weights.ravel().tolist())) == 9:  # no ties
        swapped = leading_joint_pairs(weights.T, -weights.T, JOINTS, top)
        assert [(p.second, p.first, p.share, p.shift_m) for p in swapped] == [
            (p.first, p.second, p.share, p.shift_m) for p in found
        ]


@pytest.mark.parametrize(
    ("shift_m", "words"),
    [
        (-0.42, "is 0.42 m closer to"),
        (0.424, "is 0.42 m farther from"),
        (0.04, "moves unusually to"),
        (-0.05, "is 0.05 m closer to"),
    ],
)
def test_a_sentence_says_who_which_joint_and_how_far(shift_m: float, words: str) -> None:
    said = sentence(("anna", 7), [JointPair("left_wrist", "head", 0.5, shift_m)], 3.0)
    assert said == f"anna's left wrist {words} 7's head; rarer than 1 normal window in 1,000"


def test_a_sentence_names_two_pairs_of_joints_at_most() -> None:
    three = [JointPair("head", "head", 0.3, 1), JointPair("left_wrist", "head", 0.2, 1), JointPair("a", "b", 0.1, 1)]
    assert sentence((1, 2), three, 2.0) == (
        "1's head is 1.00 m farther from 2's head; 1's left wrist is 1.00 m farther from 2's head; "
        "rarer than 1 normal window in 100"
    )


def test_a_sentence_without_joints() -> None:
    assert sentence((1, 2), [], 2.0) == "1 and 2: rarer than 1 normal window in 100"


@pytest.mark.parametrize(
    ("score", "count"),
    [
        (-1.0, "1"),
        (0.0, "1"),
        (0.5, "3"),
        (1.0, "10"),
        (1.98, "100"),
        (2.99, "1,000"),
        (3.3, "2,000"),
        (3.999, "10,000"),
        (4.0, "10,000"),
        (99.0, "10,000"),
    ],
)
def test_rarity_has_one_significant_digit(score: float, count: str) -> None:
    assert sentence((1, 2), [], score) == f"1 and 2: rarer than 1 normal window in {count}"


def finding(how: How, usual: float | None) -> LimbFinding:
    return LimbFinding(1, Limb.RIGHT_ARM, "right_wrist", "head", how, 0.9, 3.14, 0.21, 0.3, usual)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            finding(How.FAST, 1.2),
            "right wrist of 2 moved at 3.1 m/s, 0.2 m from the head of anna; in normal pairs it stays below 1.2 m/s",
        ),
        (
            finding(How.NEAR, 0.5),
            "right wrist of 2 came within 0.21 m of the head of anna; in normal pairs it stays 0.50 m away",
        ),
        (
            finding(How.FAR, 0.1),
            "right wrist of 2 stayed 0.21 m from the head of anna; in normal pairs it comes within 0.10 m",
        ),
        (
            finding(How.PLACE, None),
            "right arm of 2 was not where normal pairs have it: the right wrist was off by 0.30 m, "
            "0.2 m from the head of anna",
        ),
    ],
)
def test_a_limb_in_words(found: LimbFinding, said: str) -> None:
    assert limb_sentence(("anna", 2), found, None) == said
    assert limb_sentence(("anna", 2), found, 2.0) == f"{said}; rarer than 1 normal window in 100"


def test_timing_in_words() -> None:
    words = "1 and 2 were out of step: a fifth of a second earlier or later one would fit the other"
    assert timing_sentence((1, 2), None) == words
    assert timing_sentence((1, 2), finding(How.NEAR, 0.5)) == (
        f"{words}; right wrist of 2 came within 0.21 m of the head of 1; in normal pairs it stays 0.50 m away"
    )


def test_a_relation_in_words() -> None:
    assert relation_sentence((1, 2), None, 2.0) == (
        "1 and 2 did not answer each other's movements as normal pairs do; rarer than 1 normal window in 100"
    )
    assert relation_sentence((1, 2), finding(How.NEAR, 0.5), None) == (
        "1 and 2 did not answer each other's movements as normal pairs do; "
        "right wrist of 2 came within 0.21 m of the head of 1; in normal pairs it stays 0.50 m away"
    )
