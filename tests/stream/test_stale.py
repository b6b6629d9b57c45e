"""A judge that compares quiet times with those of the calibration, and what the status says of it; and shadow mode."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.decision.drift import Drift, DriftFound, QuietScores
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.configuration.config import (
    AlarmOptions,
    Config,
    LivenessOptions,
    SenseOptions,
    WindowOptions,
    ZoneOptions,
)
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.health.source_watch import SourceView
from dyadwatch.stream.health.status_board import StatusBoard
from dyadwatch.stream.items import Pair, PairEnded, Window
from dyadwatch.stream.judging.scoring import Scoring
from dyadwatch.stream.judging.scoring_account import ScoringAccount
from dyadwatch.stream.messages import EventMessage, IncidentMessage, ScoreMessage
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.scoring.scorer import Scorer

HOP_S = 4.0
CONFIG = Config(windows=WindowOptions(hop=60))  # of the tiny model's 15 a second
NEAR = QuietScores(median=0.5, decile=1.0, above_median=0.5, above_decile=0.1)
WHOLE_FLOOR = ZoneOptions(name="all", corners=[(-9, -9), (9, -9), (9, 9), (-9, 9)], ignore=True)


def hours(judge: Scoring, count: float, apart: float, person: Callable[..., NDArray[np.float32]], since: float) -> None:
    """Two people stand so far apart; the tiny model scores three times how much nearer than a metre they are."""
    still = np.repeat(np.stack([person(0.0), person(apart)])[:, None], judge._scorer.shape.frames, axis=1)
    pair = Pair((1, 2), (1, 2))
    windows = [
        Window("hall", pair, round((end - 1) * NS), round(end * NS), still, "unix", 0)
        for end in since + np.arange(0, count * 3600, HOP_S)
    ]
    for i in range(0, len(windows), 32):
        judge.judge(windows[i : i + 32])


@pytest.mark.parametrize(
    ("config", "learning", "thresholds", "stale"),
    [
        (CONFIG, False, Thresholds(50.0, 40.0), True),
        (CONFIG, True, Thresholds(50.0, 40.0), False),
        (CONFIG, False, Thresholds(1.0, 0.5), False),  # an event is open all the time
        (Config(windows=CONFIG.windows, zones={"hall": [WHOLE_FLOOR]}), False, Thresholds(50.0, 40.0), False),
    ],
)
def test_quiet_times_that_score_higher_are_told(
    config: Config,
    learning: bool,
    thresholds: Thresholds,
    stale: bool,
    scorer: Scorer,
    person: Callable[..., NDArray[np.float32]],
) -> None:
    judge = Scoring(scorer, thresholds, config, DropLog(Counters()), learning=learning, quiet=NEAR)
    hours(judge, 1.5, 1.0, person, 3600.0)
    found = judge.judged.drifts.get("hall")
    assert (found is not None) == stale
    if found is not None:
        assert (found.drift, found.share, found.expected) == (Drift.HIGHER, 1.0, 0.1)
        judge.forget(["hall"])
        assert judge.judged.drifts == {}


@pytest.mark.parametrize(("ignore", "found"), [([], True), ([Oddity.MODEL_MISFIT], False)])
def test_a_model_that_finds_a_source_impossible_opens_no_event_by_itself(
    ignore: list[Oddity], found: bool, scorer: Scorer, person: Callable[..., NDArray[np.float32]]
) -> None:
    config = Config(windows=CONFIG.windows, sense=SenseOptions(ignore=ignore))
    judge = Scoring(scorer, Thresholds(2.9, 2.0), config, DropLog(Counters()))
    hours(judge, 0.5, 0.0, person, 3600.0)  # the tiny model scores 3
    assert ("hall" in judge.judged.misfits) == found
    assert judge.judged.open_events["hall"] == 1, "what was open goes on"
    ended = PairEnded("hall", Pair((1, 2), (1, 2)), 5400 * NS, "unix", PairEnd.LOST)
    judge.judge([ended])
    still = np.repeat(np.stack([person(0.0), person(0.0)])[:, None], scorer.shape.frames, axis=1)
    told = judge.judge([Window("hall", Pair((3, 4), (3, 4)), 5403 * NS, 5404 * NS, still, "unix", 0)])
    (score,) = [m for m in told if isinstance(m, ScoreMessage)]
    assert score.doubtful == found
    assert any(isinstance(m, EventMessage) for m in told) != found


def test_the_status_says_that_the_calibration_is_stale_and_what_speaks_for_it(caplog: pytest.LogCaptureFixture) -> None:
    view = SourceView(
        "hall", None, False, False, 2, 1, 9, "unix", 9, None, heard=0, used=0, late=0, fps=30, offset=0, skew_ppm=0,
        warnings=(),
    )  # fmt: skip
    board = StatusBoard(Counters(), LivenessOptions(), "m", "cpu")
    found = DriftFound(Drift.HIGHER, 3.21, 0.38, 0.1, 1.02)
    (status,) = board.messages([view], ScoringAccount(drifts={"hall": found}))
    assert status.calibration is not None
    assert status.calibration.text == (
        "calibration stale: in 3.2 h of quiet pairs 38% of the windows score above 1.02, and 10% when it was made; "
        "calibrate again (dyadwatch calibrate), or train on what is normal now"
    )
    assert (status.calibration.code, status.calibration.hours, status.calibration.share) == (Drift.HIGHER, 3.21, 0.38)
    assert [r.message for r in caplog.records] == [f"hall: higher: {status.calibration.text}"]
    assert board.messages([view], ScoringAccount())[0].calibration is None


def test_in_shadow_incidents_are_marked_and_the_same_else(
    scorer: Scorer, encounter: Callable[..., list[PoseFrame]]
) -> None:
    plain, shadow = (
        Pipeline(scorer, Thresholds(6.0, 4.0), Config(alarm=AlarmOptions(shadow=on))).run(encounter())
        for on in (False, True)
    )
    marked = [m.shadow for m in shadow if isinstance(m, IncidentMessage)]
    assert marked == [True] * len(marked) != []
    assert not any(m.shadow for m in plain if isinstance(m, IncidentMessage))
    assert [m for m in shadow if isinstance(m, EventMessage)] == [m for m in plain if isinstance(m, EventMessage)]
