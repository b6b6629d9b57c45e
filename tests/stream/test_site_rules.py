"""Zones and schedules: what they weigh, what is counted and told, and that they open no event."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Circumstance, SiteRuleKind
from dyadwatch.stream.configuration.config import Config, LivenessOptions, ScheduleOptions, ZoneOptions
from dyadwatch.stream.configuration.config_file import parse_config
from dyadwatch.stream.configuration.site_rules import InForce, SiteRules
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.health.source_watch import SourceView
from dyadwatch.stream.health.status_board import OwnState, StatusBoard
from dyadwatch.stream.items import Pair, Window
from dyadwatch.stream.judging.scoring_account import ScoringAccount
from dyadwatch.stream.messages import EventMessage, Message, ScoreMessage
from dyadwatch.stream.pipeline import Pipeline, events_of
from dyadwatch.stream.scoring.scorer import Scorer

THRESHOLDS = Thresholds(6.0, 4.0)
MONDAY_NOON = round(datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()) * NS
Encounter = Callable[..., list[PoseFrame]]
SQUARE = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]
HALL = [(-9.0, -9.0), (9.0, -9.0), (9.0, 9.0), (-9.0, 9.0)]


def window(first: tuple[float, float] = (0.5, 1), second: tuple[float, float] = (1.5, 1), **more: Any) -> Window:
    """Of two who stand there at its end, and were somewhere else before."""
    joints = np.full((2, 3, 4, 3), 50, np.float32)
    joints[:, -1] = [[(x, 0.3 * j, z) for j in range(4)] for x, z in (first, second)]
    told = {"source": "hall", "end": MONDAY_NOON, "clock": "unix"} | more
    return Window(told["source"], told.get("pair", Pair((1, 2), (1, 2))), told["end"] - NS, told["end"], joints,
                  told["clock"], 0)  # fmt: skip


def zone(**more: Any) -> ZoneOptions:
    return ZoneOptions(**{"name": "mat", "corners": SQUARE, "ignore": True} | more)


def noon(**more: Any) -> ScheduleOptions:
    told = {"name": "noon", "start": "11:00", "end": "13:00", "time_zone": "UTC", "ignore": True}
    return ScheduleOptions(**told | more)


@pytest.mark.parametrize(
    ("inside", "second", "within"),
    [
        ("middle", (1.5, 1), True),
        ("middle", (3.3, 1), True),
        ("middle", (3.7, 1), False),
        ("either", (3.7, 1), True),
        ("both", (3.3, 1), False),
        ("both", (1.5, 1), True),
    ],
)
def test_whom_a_zone_is_about(inside: str, second: tuple[float, float], within: bool) -> None:
    rules = SiteRules(Config(zones={"hall": [zone(inside=inside)]}))
    expected = (0.0, Circumstance.ZONE_IGNORED) if within else (1.0, None)
    assert rules.weigh(window(second=second)) == rules.weigh(window(second, (0.5, 1))) == expected
    assert rules.weigh(window(second=second, source="yard")) == (1.0, None)


@given(st.lists(st.floats(0.1, 10), max_size=4), st.lists(st.floats(0.1, 10), max_size=4))
def test_factors_are_multiplied(zones: list[float], schedules: list[float]) -> None:
    config = Config(
        zones={"hall": [zone(name=str(i), ignore=False, factor=f) for i, f in enumerate(zones)]},
        schedules={"*": [noon(name=str(i), ignore=False, factor=f) for i, f in enumerate(schedules)]},
    )
    weight, ignored = SiteRules(config).weigh(window())
    assert ignored is None
    assert weight == pytest.approx(1 / math.prod([*zones, *schedules]))


def test_what_ignores_prevails_and_schedules_for_all_come_beside_those_of_a_source() -> None:
    config = Config(
        zones={"hall": [zone(ignore=False, factor=0.5)]},
        schedules={"hall": [noon(name="own", ignore=False, factor=4.0)], "*": [noon()]},
    )
    rules = SiteRules(config)
    assert rules.weigh(window()) == (0.0, Circumstance.SCHEDULE_IGNORED)
    evening = window(end=MONDAY_NOON + 8 * 3600 * NS)
    assert rules.weigh(evening) == (2.0, None)
    assert rules.weigh(window(source="yard")) == (0.0, Circumstance.SCHEDULE_IGNORED)


def test_the_time_is_that_of_the_source_where_it_is_unix_time_else_that_of_the_detector() -> None:
    config = Config(schedules={"*": [noon()]})
    night = MONDAY_NOON + 12 * 3600 * NS
    assert SiteRules(config, lambda: night).weigh(window())[0] == 0
    assert SiteRules(config, lambda: MONDAY_NOON).weigh(window(end=night))[0] == 1
    assert SiteRules(config, lambda: MONDAY_NOON).weigh(window(end=5 * NS, clock="media"))[0] == 0
    assert SiteRules(config, lambda: night).weigh(window(end=5 * NS, clock="media"))[0] == 1
    assert SiteRules(config).weigh(window(end=5 * NS, clock="media"))[0] == 1, "files have no clock of the detector"


def test_what_holds_just_now_is_counted_by_pairs() -> None:
    rules = SiteRules(Config(zones={"hall": [zone()]}, schedules={"hall": [noon(ignore=False, factor=2.0)]}))
    pairs = [Pair((1, k), (1, k)) for k in (2, 3, 4)]
    for pair, second in zip(pairs, [(1.0, 1.0), (1.4, 1.0), (9.0, 9.0)], strict=True):
        rules.weigh(window(second=second, pair=pair))
    told = {(r.kind, r.options.name): r.pairs for r in rules.in_force()["hall"]}
    assert told == {(SiteRuleKind.SCHEDULE, "noon"): 3, (SiteRuleKind.ZONE, "mat"): 2}
    for pair in pairs:
        rules.ended("hall", pair)
    rules.ended("hall", pairs[0])
    assert rules.in_force() == {}


def told_by(scorer: Scorer, frames: list[PoseFrame], config: Config) -> tuple[list[Message], Pipeline]:
    pipeline = Pipeline(scorer, THRESHOLDS, config)
    return pipeline.run(frames), pipeline


def test_a_pair_that_is_ignored_is_scored_counted_and_opens_no_event(scorer: Scorer, encounter: Encounter) -> None:
    plain, _ = told_by(scorer, encounter(), Config())
    assert [e.type for e in events_of(plain) if e.type != "update"] == ["open", "close"] * 2
    ignored, pipeline = told_by(scorer, encounter(), Config(zones={"hall": [zone(corners=HALL)]}))
    scores = [m for m in ignored if isinstance(m, ScoreMessage)]
    assert len(scores) == len(ignored) == sum(isinstance(m, ScoreMessage) for m in plain)
    assert {(m.weight, m.evidence) for m in scores} == {(0.0, 0.0)}
    assert pipeline.counters.of("hall")["zone_ignored"] == len(scores)
    assert pipeline.judge.judged.site == {}, "the pair has ended"


@pytest.mark.parametrize(("factor", "events"), [(0.5, 1), (1.0, 2), (1.3, 1), (1.5, 0)])
def test_a_factor_is_another_level(factor: float, events: int, scorer: Scorer, encounter: Encounter) -> None:
    config = Config(zones={"hall": [zone(corners=HALL, ignore=False, factor=factor)]})
    told, _ = told_by(scorer, encounter(), config)
    plain, _ = told_by(scorer, encounter(), Config())
    levels = Pipeline(scorer, Thresholds(6.0 * factor, 4.0 * factor), Config()).run(encounter())
    assert [(e.type, e.stamp) for e in events_of(told)] == [(e.type, e.stamp) for e in events_of(levels)]
    assert sum(e.type == "open" for e in events_of(told)) == events
    before = [m.evidence for m in plain if isinstance(m, ScoreMessage)]
    assert [m.evidence for m in told if isinstance(m, ScoreMessage)] == pytest.approx(
        [e / factor for e in before], abs=3e-4
    )


def test_an_event_that_is_open_is_followed_into_a_zone_that_is_ignored(scorer: Scorer, encounter: Encounter) -> None:
    """The two walk half a metre a second; the hit at 3 s opens the event, 1 s later they are in the zone."""
    frames = [
        replace(f, joints=f.joints + np.array([0.5 * i / 30, 0, 0], np.float32)) for i, f in enumerate(encounter())
    ]
    entered = [(2.0, -9.0), (9.0, -9.0), (9.0, 9.0), (2.0, 9.0)]
    plain, _ = told_by(scorer, frames, Config())
    told, _ = told_by(scorer, frames, Config(zones={"hall": [zone(corners=entered)]}))

    def first(messages: list[Message]) -> list[EventMessage]:
        id = events_of(messages)[0].id
        return [e for e in events_of(messages) if e.id == id]

    assert first(told) == first(plain)
    assert sum(e.type == "open" for e in events_of(plain)) == 2
    assert sum(e.type == "open" for e in events_of(told)) == 1, "the second hit is in the zone"


VIEW = SourceView(
    "hall", None, False, False, 2, 1, 9, "unix", MONDAY_NOON, None, heard=0, used=0, late=0, fps=30, offset=0,
    skew_ppm=0, warnings=(),
)  # fmt: skip


def test_the_status_tells_zones_with_pairs_in_them_and_schedules_that_hold() -> None:
    rules = SiteRules(Config(schedules={"*": [noon(ignore=False, factor=2.0)]}))
    board = StatusBoard(Counters(), LivenessOptions(), "m", "cpu")
    own = OwnState(schedules=rules.schedules_at)
    in_zone = ScoringAccount(
        site={"hall": (InForce(SiteRuleKind.ZONE, zone(), 2), InForce(SiteRuleKind.SCHEDULE, noon(), 3))}
    )
    (status,) = board.messages([VIEW], in_zone, own)
    assert [rule.text for rule in status.site] == [
        "2 pairs are ignored: zone 'mat'",
        "1 pair is held to levels 2 times as high: schedule 'noon'",
    ]
    assert [(r.about, r.ignore, r.factor, r.pairs) for r in status.site] == [
        (SiteRuleKind.ZONE, True, None, 2),
        (SiteRuleKind.SCHEDULE, False, 2.0, 1),
    ]
    (later,) = board.messages([replace(VIEW, stamp=MONDAY_NOON + 2 * 3600 * NS)], ScoringAccount(), own)
    assert later.site == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zones: {hall: [{name: a, corners: [[0, 0], [1, 0]], ignore: true}]}", "zones.hall[0].corners is 2 corners; "
         "expected 3 to 64, each [x, z] in metres"),
        ("zones: {hall: [{name: a, corners: [[0, 0], [1, z]], ignore: true}]}", "zones.hall[0].corners[1][1] is z; "
         "expected a number"),
        ("zones: {a: [], hall: [{name: a, corners: [[0, 0], [1, 0], [1, 1]], factor: 20}]}", "zones.hall[0].factor is "
         "20; expected a number from 0.1 to 10 or null"),
        ("zones: {hall: [{name: a, corners: [[0, 0], [1, 0], [1, 1]]}]}", "zones.hall[0].ignore is false without a "
         "factor; expected one of the two"),
        ("zones: {hall: [{name: a, corners: [[0, 0], [1, 0], [1, 1]], factor: 2, ignore: true}]}",
         "zones.hall[0].ignore is true beside a factor; expected one of the two"),
        ("schedules: {hall: [{name: a, start: 25:00, end: 3:00, ignore: true}]}", "schedules.hall[0].start is '25:00'; "
         "expected a time such as 22:00, from 00:00 to 24:00"),
        ("schedules: {hall: [{name: a, start: 2:00, end: 3:00, ignore: true, days: []}]}", "schedules.hall[0].days is "
         "[]; expected at least one day, or no such key for all"),
        ("schedules: {hall: [{name: a, start: 2:00, end: 3:00, ignore: true, days: [moo]}]}",
         "schedules.hall[0].days[0] is moo; expected one of mon, tue, wed, thu, fri, sat, sun"),
        ("schedules: {hall: [{name: a, start: 2:00, end: 3:00, ignore: true}, {name: a, start: 2:00, end: 3:00, "
         "factor: 3}]}", "schedules.hall[1].name is a; expected a name of its own for each"),
        ("merge: {groups: {house: [hall, yard]}}\nzones: {hall: [{name: a, corners: [[0, 0], [1, 0], [1, 1]], "
         "factor: 2}]}", "zones of a source is hall; expected house, its group in merge.groups, which has the pairs"),
        ("zones: {'*': []}", "zones of a source is '*'; expected names of sources or groups"),
        ("zones: [1]", "zones is a list; expected a mapping of names, each to a list, each a mapping of name (text), "),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused_where_it_stands(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(text, "site.yaml")
    line = 2 if text.startswith("merge") else 1
    assert str(raised.value).startswith(f"site.yaml line {line}: {said}")
