"""What came near to an event is told once it is over; what became one is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import jsonschema
import numpy as np
import pytest

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.alarms.alarm_tracker import AlarmTracker
from dyadwatch.stream.alarms.near_miss import NearMisses
from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.configuration.config import AlarmOptions, Config
from dyadwatch.stream.items import Pair, PairEnded, Window
from dyadwatch.stream.message_schema import message_schema
from dyadwatch.stream.messages import NearMissMessage, encode_json
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.scoring.scorer import Score, Scorer

MS = 1_000_000
PAIR = Pair(("anna", 7), (0, 1))
THRESHOLDS = Thresholds(raise_at=3.0, clear_at=2.0)
JOINTS = ("head", "left_wrist")


def play(scores: Sequence[float], end: bool = False) -> list[NearMissMessage]:
    """Scores 200 ms apart from 10 s on, through the alarms, too; then perhaps the end of the pair."""
    desk = AlarmTracker(AlarmOptions(min_duration_s=0.5, hold_s=0.3), THRESHOLDS, JOINTS, "m 1")
    near = NearMisses(THRESHOLDS, JOINTS, "m 1")
    out: list[NearMissMessage] = []
    for i, value in enumerate(scores):
        at = (10_000 + 200 * i) * MS
        window = Window("hall", PAIR, at - 2000 * MS, at, np.zeros((2, 2, 2, 3), np.float32), "unix", 0)
        score = Score(value, 0.0, value, np.full((2, 2), value, np.float32), np.zeros((2, 2), np.float32))
        events = desk.scored(window, score)
        out += near.scored(window, score, desk.evidence(PAIR), events)
    if end:
        out += near.ended(PairEnded("hall", PAIR, 60_000 * MS, "unix", PairEnd.LOST))
        assert near.idle
    return out


@pytest.mark.parametrize(
    ("scores", "end", "peaks"),
    [
        ([1.9, 1.0], True, []),
        ([1, 2.0, 1], False, [2.0]),
        ([1, 2.5, 2.9, 2.2, 1], False, [2.9]),
        ([1, 4, 1, 2.5, 1], False, [4, 2.5]),  # high, but not for long enough
        ([1, 4, 4, 4, 4, 1, 1, 1, 1], True, []),  # an event
        ([1, 4, 4, 4, 4, 1, 1, 1, 2.4, 1], False, [2.4]),  # and one near miss after it
        ([1, 2.5], False, []),
        ([1, 2.5], True, [2.5]),
    ],
)
def test_peaks_that_opened_no_event_are_told(scores: list[float], end: bool, peaks: list[float]) -> None:
    assert [m.peak_score for m in play(scores, end)] == peaks


def test_it_says_when_who_and_why() -> None:
    (told,) = play([1, 2.5, 2.9, 2.2, 1])
    assert (told.source, told.pair, told.evidence, told.model) == ("hall", ("anna", 7), 0.9667, "m 1")
    assert [t // MS for t in (told.start, told.peak_stamp, told.end, told.stamp)] == [10_200, 10_400, 10_600, 10_800]
    assert told.joints[0].first == "head"
    assert told.explanation.startswith("anna's head moves unusually to 7's head")
    assert play([1, 2.5, 2.9, 2.2, 1])[0].id == told.id


def test_the_judge_tells_them_and_keeps_nothing_of_pairs_that_are_gone(
    scorer: Scorer, encounter: Callable[..., list[PoseFrame]]
) -> None:
    pipeline = Pipeline(scorer, Thresholds(raise_at=100.0, clear_at=1.0), Config())
    told = [m for m in pipeline.run(encounter()) if isinstance(m, NearMissMessage)]
    assert told
    schema = jsonschema.Draft202012Validator(message_schema("near_miss"))
    assert all(schema.is_valid(json.loads(encode_json(m))) for m in told)
    assert all(1.0 <= m.peak_score < 100 and m.start <= m.peak_stamp <= m.end <= m.stamp for m in told)
    assert all(judge.idle for judge in pipeline.judge._judges.values())
