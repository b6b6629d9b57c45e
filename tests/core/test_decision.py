"""Evidence: running means of the parts of a score, each against a level of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.core.decision.rules import Evidence, PairEvidence, Rule, ScorePart, Thresholds, running_means

SURPRISE = st.floats(0, 8)
PARTS = st.lists(st.tuples(SURPRISE, SURPRISE, SURPRISE, SURPRISE), max_size=40)
RULES = st.lists(
    st.builds(Rule, st.sampled_from(ScorePart), st.sampled_from([0.0, 0.4, 1.0, 1.6]), st.floats(0.5, 5)),
    min_size=1,
    max_size=4,
).map(tuple)
HOP_S = st.sampled_from([1 / 15, 0.1, 0.2, 0.5])
SHORT = Rule(ScorePart.UNUSUAL, 0.4, 2.0)
LONG = Rule(ScorePart.RELATION, 1.6, 1.0)


def played(thresholds: Thresholds, parts: Sequence[Sequence[float]], hop_s: float = 0.2) -> list[Evidence]:
    """The evidence after each window; their stamps are 1, 2, 3 ..."""
    pair = PairEvidence(thresholds, hop_s)
    return [pair.push(i, p) for i, p in enumerate(parts, 1)]


def scored(*values: float) -> list[tuple[float, ...]]:
    """Windows of which only the score says something."""
    return [(v, 0.0, 0.0, 0.0) for v in values]


@pytest.mark.parametrize(
    ("over_s", "hop_s", "windows"),
    [(0.0, 0.2, 1), (0.05, 0.2, 1), (0.4, 0.2, 2), (1.6, 0.2, 8), (0.4, 1 / 15, 6), (0.4, 1.0, 1)],
)
def test_a_span_is_so_many_windows(over_s: float, hop_s: float, windows: int) -> None:
    assert Rule(ScorePart.SCORE, over_s, 1.0).windows(hop_s) == windows


@given(PARTS, st.sampled_from(ScorePart), st.sampled_from([0.0, 0.4, 1.6]), HOP_S)
def test_live_and_in_training_the_means_are_the_same(
    parts: list[tuple[float, ...]], part: ScorePart, over_s: float, hop_s: float
) -> None:
    rule = Rule(part, over_s, 2.0)
    column = np.asarray([p[list(ScorePart).index(part)] for p in parts], np.float64)
    found = played(Thresholds(1.0, 0.6, (rule,)), parts, hop_s)
    expected = running_means(column, rule.windows(hop_s))
    np.testing.assert_allclose([e.mean for e in found], expected, atol=1e-9)
    np.testing.assert_allclose([e.value for e in found], expected / 2, atol=1e-9)


@given(PARTS, RULES, st.sampled_from([0.5, 1.0, 2.0]), HOP_S)
def test_the_evidence_is_the_highest_mean_in_units_of_its_level(
    parts: list[tuple[float, ...]], rules: tuple[Rule, ...], raise_at: float, hop_s: float
) -> None:
    together = played(Thresholds(raise_at, raise_at / 2, rules), parts, hop_s)
    alone = [played(Thresholds(raise_at, raise_at / 2, (rule,)), parts, hop_s) for rule in rules]
    for i, evidence in enumerate(together):
        assert evidence.value == max(each[i].value for each in alone)
        assert evidence.value == pytest.approx(evidence.mean / evidence.rule.raise_at)
        assert evidence in [each[i] for each in alone]


@given(PARTS, PARTS, RULES)
def test_what_comes_later_changes_nothing(
    before: list[tuple[float, ...]], after: list[tuple[float, ...]], rules: tuple[Rule, ...]
) -> None:
    thresholds = Thresholds(1.0, 0.6, rules)
    assert played(thresholds, before + after)[: len(before)] == played(thresholds, before)


@given(st.lists(SURPRISE, min_size=1, max_size=30), st.integers(1, 9))
def test_means_are_of_the_last_windows_and_zeros_before_them(values: list[float], windows: int) -> None:
    padded = [0.0] * (windows - 1) + values
    expected = [sum(padded[i : i + windows]) / windows for i in range(len(values))]
    np.testing.assert_allclose(running_means(np.asarray(values), windows), expected, atol=1e-9)


@given(st.lists(SURPRISE, min_size=1, max_size=30), st.floats(0.5, 5))
def test_a_rule_of_no_span_is_each_window_and_so_is_a_plain_threshold(values: list[float], level: float) -> None:
    plain = played(Thresholds(level, level / 2), scored(*values))
    assert [e.value for e in plain] == [v / level for v in values]
    assert plain == played(Thresholds(1.0, 0.5, (Rule(ScorePart.SCORE, 0.0, level),)), scored(*values))


def test_a_blow_shows_in_the_short_mean_and_silence_in_the_long_one() -> None:
    thresholds = Thresholds(1.0, 0.6, (SHORT, LONG))
    blow = played(thresholds, [(0, 0.2, 0.2)] * 8 + [(0, 0.2, 3.0)] * 2)
    assert (blow[-1].rule, blow[-1].mean, blow[-1].value) == (SHORT, 3.0, 1.5)
    silence = played(thresholds, [(0, 1.2, 0.2)] * 8)
    assert silence[-1].rule == LONG
    assert [e.value >= 1 for e in silence] == [False] * 6 + [True] * 2  # 7 of 8 windows of 1.2 are 1.05 on average


def test_raise_at_scales_the_levels_of_rules() -> None:
    (evidence,) = played(Thresholds(2.0, 1.2, (Rule(ScorePart.SCORE, 0.0, 1.5),)), scored(4.5))
    assert (evidence.value, evidence.mean, evidence.rule.raise_at) == (1.5, 4.5, 3.0)


@pytest.mark.parametrize(
    ("values", "since"),
    [
        ((0.5, 0.9, 1.5, 2.0), 3),  # above half the level from the third on
        ((2.0, 2.0, 2.0), 1),
        ((1.5, 0.0, 2.0), 3),  # calm again between
        ((1.9, 0.4, 2.0), 1),  # a dip that leaves something of the rise
        ((*[1.2] * 50, 0.0, 2.0), 52),  # long, and yet ended by a calm as long as the span
        ((*[1.2] * 50, 0.9, 2.0), 1),
        ((0.1, 0.2), 2),  # nothing rises
    ],
)
def test_when_it_began(values: tuple[float, ...], since: int) -> None:
    assert played(Thresholds(2.0, 1.0), scored(*values))[-1].since == since


def test_a_calm_of_its_span_ends_a_rise_of_a_longer_rule() -> None:
    rule = Rule(ScorePart.SCORE, 0.8, 2.0)  # four windows
    for calm, since in ((3, 1), (4, 46)):
        values = scored(*[3.0] * 41, *[0.0] * calm, 4.0)
        assert played(Thresholds(1.0, 0.6, (rule,)), values)[-1].since == since


def test_what_rises_after_an_event_began_after_it() -> None:
    pair = PairEvidence(Thresholds(2.0, 1.0), 0.2)
    assert pair.push(1, (4, 0, 0)).since == 1
    pair.settle()
    assert pair.push(2, (4, 0, 0)).since == 2


@pytest.mark.parametrize(
    ("thresholds", "text"),
    [
        (Thresholds(3.0, 2.0), "score of 3.00, cleared below 67% of that"),
        (
            Thresholds(1.0, 0.6, (SHORT, LONG)),
            "unusual of 2.00 over 0.4 s or relation of 1.00 over 1.6 s, cleared below 60% of that",
        ),
        (Thresholds(2.0, 1.2, (LONG,)), "relation of 2.00 over 1.6 s, cleared below 60% of that"),
    ],
)
def test_what_people_read(thresholds: Thresholds, text: str) -> None:
    assert str(thresholds) == text
