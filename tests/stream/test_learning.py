"""Without a model named for the people who are seen nobody is judged: scores are told, time and pairs are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Blindness, Learning, SourceState
from dyadwatch.stream.configuration.config import Config, LearningOptions, LivenessOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.health.source_watch import SourceView
from dyadwatch.stream.health.status_board import StatusBoard
from dyadwatch.stream.ingest import Ingest
from dyadwatch.stream.items import Pair, Window
from dyadwatch.stream.judging.scoring import Scoring
from dyadwatch.stream.judging.scoring_account import ScoringAccount
from dyadwatch.stream.messages import EventMessage, IncidentMessage, Message, NearMissMessage, ScoreMessage
from dyadwatch.stream.scoring.learning import Heard, Listener
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.texts import text_of

LOW = Thresholds(6.0, 4.0)  # two events in an encounter
Encounter = Callable[..., list[PoseFrame]]


def judged(scorer: Scorer, frames: list[PoseFrame], *, learning: bool) -> tuple[list[Message], Scoring]:
    losses = DropLog(Counters())
    intake, judge = Ingest(scorer.shape, Config(), losses), Scoring(scorer, LOW, Config(), losses, learning=learning)
    return [m for frame in frames for m in judge.judge(intake.push(frame, 0))], judge


def test_while_learning_scores_are_told_and_nothing_else(scorer: Scorer, encounter: Encounter) -> None:
    known, _ = judged(scorer, encounter(), learning=False)
    told, judge = judged(scorer, encounter(), learning=True)
    assert {type(m) for m in known} >= {ScoreMessage, EventMessage, IncidentMessage}
    assert {type(m) for m in told} == {ScoreMessage}
    assert all(m.learning for m in told if isinstance(m, ScoreMessage))
    scores = [structs.replace(m, latency_ms=0, learning=False) for m in told if isinstance(m, ScoreMessage)]
    expected = [structs.replace(m, latency_ms=0) for m in known if isinstance(m, ScoreMessage)]
    assert scores == expected
    assert max(m.evidence for m in scores) >= 1, "nothing was held back"
    assert not any(isinstance(m, NearMissMessage) for m in told)
    heard = judge.judged.heard["hall"]
    assert (heard.pairs, heard.ns) == (1, scores[-1].end - scores[0].start)
    judge.forget(["hall"])
    assert judge.judged.heard == {}


def window(end: float, pair: int = 0, *, doubtful: bool = False) -> Window:
    found = (Finding(Oddity.ODD_SIZE),) if doubtful else ()
    ids = Pair((1, 2 + pair), (1, 2 + pair))
    joints = np.zeros((2, 1, 1, 3), np.float32)
    return Window("hall", ids, round((end - 1) * NS), round(end * NS), joints, "unix", 0, found)


@example([(1.0, 0, False), (1.6, 0, False)])  # a pause shorter than a window
@given(st.lists(st.tuples(st.floats(1, 100), st.integers(0, 3), st.booleans()), max_size=40))
def test_no_moment_counts_twice_and_none_that_is_doubtful(found: list[tuple[float, int, bool]]) -> None:
    listener, known = Listener(), set[Pair]()
    windows = [window(end, pair, doubtful=doubtful) for end, pair, doubtful in sorted(found)]
    for w in windows:
        listener.take(w, known)
        if not w.doubtful:
            known.add(w.pair)
    sound = [w for w in windows if not w.doubtful]
    assert listener.heard.pairs == len({w.pair for w in sound})
    assert listener.heard.ns <= sum(w.end - w.start for w in sound)
    if sound:
        assert NS <= listener.heard.ns <= sound[-1].end - sound[0].start


def test_two_pairs_at_a_time_are_heard_once_and_a_pause_is_not() -> None:
    listener, known = Listener(), set[Pair]()
    for end in (1.0, 1.2, 1.4, 60.0, 60.2):
        for pair in (0, 1):
            w = window(end, pair)
            listener.take(w, known)
            known.add(w.pair)
    assert listener.heard == Heard(round(2.6 * NS), 2)  # 1 s and 0.4 s; after the pause 1 s and 0.2 s


VIEW = SourceView(
    "hall", None, False, False, 2, 1, 9, "unix", 9, None, heard=0, used=0, late=0, fps=30, offset=0, skew_ppm=0,
    warnings=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("blind", "state"),
    [(None, SourceState.LEARNING), (Finding(Blindness.ONE_PERSON), SourceState.BLIND)],
)
def test_the_status_says_since_when_how_much_and_how_much_longer(
    blind: Finding[Blindness] | None, state: SourceState, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    options = LearningOptions(folder="learning", enough_min=10)
    board = StatusBoard(Counters(), LivenessOptions(), "m", "cpu", learning=options)
    view = replace(VIEW, blind=blind)
    (first,) = board.messages([view], ScoringAccount())
    assert first.state is state
    assert first.learning is not None
    assert (first.learning.code, first.learning.minutes, first.learning.more_minutes) == (Learning.GATHERING, 0, 10)
    (later,) = board.messages([view], ScoringAccount(heard={"hall": Heard(150 * NS, 3)}))
    assert later.learning is not None
    assert (later.learning.minutes, later.learning.pairs, later.learning.more_minutes) == (2.5, 3, 7.5)
    assert later.learning.since == first.learning.since > 0
    assert later.learning.text.startswith("nobody is judged: 2.5 minutes of 3 pairs heard since 20")
    assert later.learning.text.endswith(", recorded in learning; 7.5 more make a first model")
    enough = ScoringAccount(heard={"hall": Heard(601 * NS, 3)})
    said = [board.messages([view], enough)[0].learning for _ in range(2)][1]
    assert said is not None
    assert (said.code, said.more_minutes) == (Learning.ENOUGH, 0)
    assert said.text.endswith(
        "a first model: dyadwatch up proposes one (dyadwatch learn status), and so does dyadwatch learn run"
    )
    assert [r.message for r in caplog.records] == [f"hall: {said.text}"], "told once"


def test_who_is_judged_is_not_learning() -> None:
    (status,) = StatusBoard(Counters(), LivenessOptions(), "m", "cpu").messages([VIEW], ScoringAccount())
    assert (status.state, status.learning) == (SourceState.WATCHING, None)


def test_what_is_not_recorded_is_told() -> None:
    enough = Finding(Learning.ENOUGH, since=0, minutes=11.0, pairs=1, more_minutes=0.0, folder="")
    assert text_of(enough).endswith("1 pair heard since 1970-01-01 00:00, not recorded; see learning.folder")
