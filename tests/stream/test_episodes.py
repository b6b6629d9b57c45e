"""Events counted on arrays are those that the alarm desk tells, window by window."""

from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.core.decision.episodes import AlarmTimes, episodes
from dyadwatch.core.decision.rules import Rule, ScorePart, Thresholds
from dyadwatch.core.decision.score_log import PairScores, ScoreLog
from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.units import NS
from dyadwatch.stream.alarms.alarm_tracker import AlarmTracker
from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.configuration.config import AlarmOptions
from dyadwatch.stream.items import Pair, PairEnded, Window
from dyadwatch.stream.messages import EventMessage
from dyadwatch.stream.scoring.scorer import Score

HOP_S, PAUSE_S = 0.2, 1.0
RULES = (Rule(ScorePart.RELATION, 0.4, 1.1), Rule(ScorePart.RELATION, 1.6, 0.9), Rule(ScorePart.UNUSUAL, 0.4, 1.3))
DOUBT = (Finding(Oddity.FROZEN),)
NOTHING = np.zeros((1, 1), np.float32)


def random_log(seed: int, tracks: int = 6, windows: int = 400) -> ScoreLog:
    """Scores that wander, of pairs that are out of sight now and then."""
    rng = np.random.default_rng(seed)
    out: list[PairScores] = []
    for k in range(tracks):
        steps = rng.choice([1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 5, 6, 20], windows)
        stamps = (np.cumsum(steps) * round(HOP_S * NS)).astype(np.int64)
        slow = np.cumsum(rng.normal(0, 0.25, (windows, 4)), axis=0)
        parts = 1.8 * np.sin(slow) ** 4 + np.abs(rng.normal(0, 0.1, (windows, 4)))
        out.append(
            PairScores("hall", (k, k + 1), "unix", stamps, parts.round(4), rng.random(windows) < 0.2 * (seed % 2))
        )
    return ScoreLog(tuple(out), HOP_S, PAUSE_S)


def told_by_the_desk(log: ScoreLog, thresholds: Thresholds, options: AlarmOptions) -> list[EventMessage]:
    told: list[EventMessage] = []
    for number, track in enumerate(log.tracks):
        desk = AlarmTracker(options, thresholds, ("",), "m 1", HOP_S, PAUSE_S)
        pair = Pair(track.pair, (number, number))
        assert track.doubtful is not None
        for stamp, parts, doubtful in zip(track.stamps.tolist(), track.parts, track.doubtful, strict=True):
            doubts = DOUBT if doubtful else ()
            window = Window("hall", pair, stamp, stamp, np.zeros((2, 1, 1, 3), np.float32), "unix", 0, doubts)
            score, relation, unusual, timing = parts.tolist()
            told += desk.scored(window, Score(score, relation, unusual, NOTHING, NOTHING, timing))
        told += desk.ended(PairEnded("hall", pair, int(track.stamps[-1]), "unix", PairEnd.LOST))
    return told


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("min_duration_s", "hold_s"), [(0.0, 2.0), (0.5, 0.0), (0.4, 0.6), (1.0, 1.0)])
def test_the_same_events_open_at_the_same_windows(seed: int, min_duration_s: float, hold_s: float) -> None:
    log, scale = random_log(seed), [0.7, 1.0, 1.25][seed % 3]
    thresholds = Thresholds(scale, 0.6 * scale, RULES)
    told = told_by_the_desk(log, thresholds, AlarmOptions(min_duration_s=min_duration_s, hold_s=hold_s))
    found = episodes(log, log.evidence(RULES), scale, 0.6, AlarmTimes(min_duration_s, hold_s))
    opened = [(e.pair, e.stamp) for e in told if e.type == "open"]
    assert len(opened) > 20
    assert [(log.tracks[log.track[i]].pair, log.stamps[i]) for i in found.opened] == opened
    assert [log.stamps[i] for i in found.last] == [e.end for e in told if e.type == "close"]
    assert found.peak / scale == pytest.approx([e.evidence for e in told if e.type == "close"], abs=1e-4)


def test_evidence_is_that_of_the_desk() -> None:
    log = random_log(3, tracks=2, windows=200)
    thresholds = Thresholds(1.0, 0.6, RULES)
    values: list[float] = []
    for number, track in enumerate(log.tracks):
        desk = AlarmTracker(AlarmOptions(), thresholds, ("",), "m 1", HOP_S, PAUSE_S)
        pair = Pair(track.pair, (number, number))
        for stamp, (score, relation, unusual, timing) in zip(track.stamps.tolist(), track.parts.tolist(), strict=True):
            window = Window("hall", pair, stamp, stamp, np.zeros((2, 1, 1, 3), np.float32), "unix", 0)
            desk.scored(window, Score(score, relation, unusual, NOTHING, NOTHING, timing))
            values.append(desk.evidence(pair))
    assert log.evidence(RULES) == pytest.approx(values, rel=1e-12)


def test_nothing_is_an_event_where_nothing_is_scored() -> None:
    log = ScoreLog((), HOP_S, PAUSE_S)
    assert len(episodes(log, log.evidence(RULES), 1.0, 0.6, AlarmTimes())) == 0
