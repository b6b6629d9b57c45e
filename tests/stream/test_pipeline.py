from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from numpy.typing import NDArray

from dyadwatch.core.decision.rules import PairEvidence, Rule, ScorePart, Thresholds
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import Fault
from dyadwatch.stream.configuration.config import Config, SinkOptions, WindowOptions, WireOptions
from dyadwatch.stream.judging.scoring_account import ScoringAccount
from dyadwatch.stream.messages import EventMessage, IncidentMessage, Message, ScoreMessage, decode_json, encode_json
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.pipeline import Pipeline, events_of, incidents_of
from dyadwatch.stream.scoring.scorer import Score, Scorer
from dyadwatch.stream.texts import REASONS

THRESHOLDS = Thresholds(6.0, 4.0)
# A blow by its unusual movement, coming close by the relation.
RULES = Thresholds(1.0, 0.6, (Rule(ScorePart.UNUSUAL, 0.4, 6.0), Rule(ScorePart.RELATION, 1.6, 1.0)))
CONFIG = Config(windows=WindowOptions(hop=3))  # a window every 0.2 s
Encounter = Callable[..., list[PoseFrame]]
LEGS = Layout.custom(["left_knee", "right_knee"])
MANY = Layout.custom([f"{'spot' * 14}{i}" for i in range(11)])


def play(pipeline: Pipeline, frames: list[PoseFrame]) -> list[Message]:
    return pipeline.run(frames)


def scores_of(messages: list[Message]) -> list[ScoreMessage]:
    """Scores without the one value that depends on how fast the machine is."""
    return [structs.replace(m, latency_ms=0.0) for m in messages if isinstance(m, ScoreMessage)]


@pytest.fixture(scope="session")
def pipeline(scorer: Scorer) -> Callable[..., Pipeline]:
    return lambda config=None: Pipeline(scorer, THRESHOLDS, config or CONFIG)


def test_frames_become_scores_and_events(pipeline: Callable[..., Pipeline], encounter: Encounter) -> None:
    frames = encounter()
    messages = play(pipeline(), frames)
    start = frames[0].stamp
    events = [(e.type, round((e.stamp - start) / 1e9, 2)) for e in events_of(messages) if e.type != "update"]
    assert events == [("open", 3.0), ("close", 6.2), ("open", 7.0), ("close", 10.4)]
    assert {m.pair for m in messages if isinstance(m, ScoreMessage)} == {("ann", "bob")}
    first = events_of(messages)[0]
    assert (first.start - start, first.source, first.model) == (3_000_000_000, "hall", "tiny 1")
    assert first.explanation.startswith("ann's left wrist is 1.00 m closer to bob's right wrist; ")
    assert [m for m in messages if decode_json(encode_json(m)) != m] == []
    ends = [m.end for m in messages if isinstance(m, ScoreMessage)]
    assert np.diff(ends).tolist() == [200_000_000] * (len(ends) - 1)


@pytest.mark.parametrize("hop", [1, 3])
def test_every_score_comes_with_the_evidence_of_its_pair_so_far(scorer: Scorer, encounter: Encounter, hop: int) -> None:
    config = Config(windows=WindowOptions(hop=hop))
    messages = Pipeline(scorer, RULES, config).run([*encounter(), *encounter("yard")])
    by_source = {name: PairEvidence(RULES, hop / 15) for name in ("hall", "yard")}
    for m in scores_of(messages):
        assert m.evidence == round(by_source[m.source].push(m.end, m.parts).value, 4)
    assert max(m.evidence for m in scores_of(messages)) > 1


def test_an_event_opens_with_the_first_window_whose_evidence_is_enough(scorer: Scorer, encounter: Encounter) -> None:
    messages = Pipeline(scorer, RULES, CONFIG).run(encounter())
    at, enough = next((i, m) for i, m in enumerate(messages) if isinstance(m, ScoreMessage) and m.evidence >= 1)
    opened = events_of(messages)[0]
    assert (opened.type, opened.stamp, opened.evidence) == ("open", enough.end, enough.evidence)
    assert opened.start < opened.stamp
    assert (opened.rule.part, opened.rule.over_s, opened.threshold) in {("unusual", 0.4, 6.0), ("relation", 1.6, 1.0)}
    assert messages[at + 1] is opened


def test_the_same_frames_give_the_same_messages(pipeline: Callable[..., Pipeline], encounter: Encounter) -> None:
    for ids in (True, False):
        one, two = (play(pipeline(), encounter(ids=ids)) for _ in range(2))
        assert events_of(one) == events_of(two) != []
        assert scores_of(one) == scores_of(two)


@settings(max_examples=8)
@given(
    shifts=st.lists(st.floats(0, 0.13), min_size=1, max_size=9),
    doubled=st.sets(st.integers(0, 359), max_size=40),
)
def test_reordered_and_doubled_frames_change_nothing(
    pipeline: Callable[..., Pipeline], encounter: Encounter, shifts: list[float], doubled: set[int]
) -> None:
    frames = encounter()
    clean, faulty = pipeline(), pipeline()
    due = sorted(
        [(f.seq / 30 + shifts[f.seq % len(shifts)], f.seq) for f in frames] + [(i / 30 + 0.3, i) for i in doubled]
    )
    expected, got = play(clean, frames), play(faulty, [frames[i] for _, i in due])
    assert scores_of(got) == scores_of(expected)
    assert events_of(got) == events_of(expected)
    assert faulty.counters.snapshot() == ({"hall": {"duplicate": len(doubled)}} if doubled else {})


def test_sources_do_not_disturb_each_other(pipeline: Callable[..., Pipeline], encounter: Encounter) -> None:
    """A source at another rate, one full of faults and one with a foreign layout beside a good one."""
    good, other = encounter("hall"), encounter("yard", fps=60)
    wild = [replace(f, source="wild", stamp=f.stamp * (i % 7) // 3, seq=f.seq % 50) for i, f in enumerate(good)]
    mixed = [f for i, g in enumerate(good) for f in (wild[i], other[2 * i], g, other[2 * i + 1])]
    together = play(pipeline(), mixed)
    for name, frames in (("hall", good), ("yard", other)):
        alone = play(pipeline(), frames)
        assert [m for m in scores_of(together) if m.source == name] == scores_of(alone)
        assert [e for e in events_of(together) if e.source == name] == events_of(alone)


def test_the_names_of_ids_do_not_matter(pipeline: Callable[..., Pipeline], encounter: Encounter) -> None:
    with_ids, without = (scores_of(play(pipeline(), encounter(ids=ids))) for ids in (True, False))
    assert [s.score for s in with_ids] == [s.score for s in without]
    assert {s.pair for s in without} == {(1, 2)}


@pytest.mark.parametrize("fps", [10, 15, 25, 50, 60, 120])
def test_events_hardly_depend_on_the_rate_of_the_source(
    pipeline: Callable[..., Pipeline], encounter: Encounter, fps: float
) -> None:
    expected = [e for e in events_of(play(pipeline(), encounter())) if e.type != "update"]
    events = [e for e in events_of(play(pipeline(), encounter(fps=fps))) if e.type != "update"]
    if fps >= 25:  # below, a blow of a tenth of a second falls between frames
        assert [e.type for e in events] == [e.type for e in expected]
        for e, x in zip(events, expected, strict=True):
            assert abs(e.stamp - x.stamp) <= 400_000_000
    ends = [m.end for m in scores_of(play(pipeline(), encounter(fps=fps)))]
    assert np.diff(ends).tolist() == [200_000_000] * (len(ends) - 1)


def test_the_stream_may_end_in_the_middle_of_an_event(pipeline: Callable[..., Pipeline], encounter: Encounter) -> None:
    one = pipeline()
    for f in encounter(seconds=5.0):
        one.push(f)
    assert one.judge.judged.open_events.get("hall", 0) == 1
    assert len(one.judge.judged.incidents["hall"]) == 1
    close, over = one.finish()
    assert isinstance(close, EventMessage)
    assert isinstance(over, IncidentMessage)
    assert (close.type, close.reason) == (over.type, over.reason) == ("close", "end_of_stream")
    assert one.judge.judged.incidents == {}
    assert one.judge.judged.open_events.get("hall", 0) == 0


def test_scores_may_be_left_out(pipeline: Callable[..., Pipeline], encounter: Encounter) -> None:
    quiet = play(pipeline(structs.replace(CONFIG, sinks=SinkOptions(scores=False))), encounter())
    loud = play(pipeline(), encounter())
    assert quiet == [m for m in loud if not isinstance(m, ScoreMessage)]
    assert events_of(quiet)
    assert incidents_of(quiet)


def test_more_sources_than_allowed_are_counted(
    pipeline: Callable[..., Pipeline], encounter: Encounter, caplog: pytest.LogCaptureFixture
) -> None:
    full = pipeline(Config(wire=WireOptions(max_sources=1)))
    full.push(encounter("hall")[0])
    for f in encounter("yard")[:3]:
        before = time.monotonic_ns()
        assert full.push(f) == []
        assert full.intake.tracked >= before, "no stage of the frame took a negative time"
    assert full.counters.snapshot() == {DETECTOR: {"too_many_sources": 3}}
    assert caplog.messages == [f"{DETECTOR}: too_many_sources: {REASONS[Fault.TOO_MANY_SOURCES]}"]


def test_a_forgotten_source_makes_room(pipeline: Callable[..., Pipeline], encounter: Encounter) -> None:
    full = pipeline(Config(wire=WireOptions(max_sources=1)))
    for f in encounter("hall", seconds=5.0):
        full.push(f)
    (close,) = events_of(full.judge.judge(full.intake.forget("hall")))
    assert close.reason == "source_forgotten"
    assert events_of(play(full, encounter("yard"))) != []
    assert full.counters.snapshot() == {}


def test_nothing_is_kept_of_pairs_that_are_gone(pipeline: Callable[..., Pipeline], encounter: Encounter) -> None:
    """Sources that come and go for weeks cost no memory, whether they are forgotten with pairs in sight or without."""
    one = pipeline()
    for name, seconds, in_sight in (("hall", 5.0, 1), ("yard", 12.0, 0)):
        for f in encounter(name, seconds=seconds):
            one.push(f)
        assert one.intake.lines[name].scene.pair_count == in_sight
        assert one.judge.judged.windows[name] > 0
        one.judge.judge(one.intake.forget(name))
        one.judge.forget([name])
        assert [v for v in vars(one.judge).values() if isinstance(v, dict) and v] == []
        assert one.judge.judged == ScoringAccount()


def test_faults_are_logged_and_circumstances_only_counted(
    pipeline: Callable[..., Pipeline], encounter: Encounter, caplog: pytest.LogCaptureFixture
) -> None:
    frames = encounter(seconds=2.0)
    for f in frames[40:]:
        f.joints[0] = np.nan
    with caplog.at_level(logging.WARNING):
        one = pipeline()
        play(one, [f for f in frames for _ in range(2)])
    assert one.counters.of("hall") == {"duplicate": 60, "person_unseen": 20}
    assert caplog.messages == [f"hall: duplicate: {REASONS[Fault.DUPLICATE]}"]


def test_the_log_names_the_likely_cause_of_what_publishers_get_wrong(
    pipeline: Callable[..., Pipeline], encounter: Encounter, caplog: pytest.LogCaptureFixture
) -> None:
    frames = encounter(seconds=0.2)
    one = pipeline()
    for f in frames:
        one.push(replace(f, source="counts", seq=0))
        one.push(replace(f, source="seconds", stamp=f.stamp // 1_000_000_000))
        one.push(replace(f, source="legs", layout=LEGS, joints=f.joints[:, :2], confidence=f.confidence[:, :2]))
        one.push(replace(f, source="many", layout=MANY))
    told = {m.split(":")[0]: m for m in reversed(caplog.messages)}  # the first of each
    unfit = (
        "the joints do not fit the model: layout 'custom' cannot feed a model of layout 'upper11': no joint for head, "
    )
    assert told["legs"] == (
        f"legs: layout_unfit: {unfit}neck, pelvis, left_shoulder, right_shoulder, left_elbow, right_elbow, left_wrist, "
        "right_wrist, left_hip, right_hip (it has left_knee, right_knee)"
    )
    assert told["many"].startswith(f"many: layout_unfit: {unfit}neck")
    assert len(told["many"]) == len("many: layout_unfit: the joints do not fit the model: ") + 500
    assert told["counts"] == (
        "counts: late: a frame came after its turn; it is dropped: it was long on its way (see clock.reorder_s), or "
        "its number (seq) does not rise by one with every frame"
    )
    assert told["seconds"] == (
        "seconds: stamp_not_increasing: a stamp is not later than the one before; the frame is dropped: stamps look "
        "like seconds (1700000000); expected nanoseconds"
    )


class Broken:
    """A scorer whose every third window has no number for a score."""

    def __init__(self, scorer: Scorer) -> None:
        self.info, self.shape, self._scorer, self._n = scorer.info, scorer.shape, scorer, 0
        self.explainer = scorer.explainer

    def score(self, windows: list[NDArray[np.float32]]) -> list[Score]:
        out = []
        for s in self._scorer.score(windows):
            self._n += 1
            out.append(replace(s, score=float("nan")) if self._n % 3 == 0 else s)
        return out


def test_a_score_that_is_no_number_is_left_out_and_counted(scorer: Scorer, encounter: Encounter) -> None:
    whole = scores_of(play(Pipeline(scorer, THRESHOLDS, CONFIG), encounter()))
    broken = Pipeline(cast(Any, Broken(scorer)), THRESHOLDS, CONFIG)
    assert scores_of(play(broken, encounter())) == [s for i, s in enumerate(whole, 1) if i % 3]
    assert broken.counters.of("hall") == {"score_not_finite": len(whole) // 3}
