"""Persons on clocks of their own meet in one frame, at the moment both were so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.publishers.live import LiveFrame, Refusals
from dyadwatch.stream.publishers.performers import Performers

NOW = 1_700_000_000 * NS
LATE = 4_000_000


def merged(refusals: Refusals | None = None, **options: float) -> Performers:
    chosen = {"fps": 25.0, "delay_s": 0.1} | options
    refusals = refusals or Refusals(logging.getLogger("dyadwatch.test"))
    return Performers("stage", ["ann", "bob"], UPPER11, refusals=refusals, **chosen)


def play(
    people: Performers, make: Callable[..., PoseFrame], until_s: float, *, bob_until_s: float = 1e9, start: int = 0
) -> list[LiveFrame]:
    """Ann at 30 fps on a clock that began at 100 s, Bob at 50 fps on one that began now; both walk 1 m a second."""
    out: list[LiveFrame] = []
    for ms in range(start, round(until_s * 1000)):
        t, wall = ms / 1000, NOW + ms * 1_000_000
        if ms % 33 == 0:
            people.add(0, make(t, 100 * NS + ms * 1_000_000), wall + LATE)
        if ms % 20 == 7 and t < bob_until_s:
            people.add(1, make(10 + t, ms * 1_000_000), wall + LATE)
        out += people.due(wall)
    return out


@pytest.fixture
def make(person: Callable[..., np.ndarray], frame: Callable[..., PoseFrame]) -> Callable[..., PoseFrame]:
    return lambda x, stamp: frame(0, [person(x)], stamp=stamp)


def test_both_are_where_they_were_at_the_same_moment(make: Callable[..., PoseFrame]) -> None:
    live = play(merged(), make, 3)
    frames = [f.frame for f in live]
    assert {f.fps for f in live} == {25.0}
    assert [f.seq for f in frames] == list(range(len(frames)))
    assert {b.stamp - a.stamp for a, b in pairwise(frames)} == {40_000_000}
    assert {f.stamp % 40_000_000 for f in frames} == {0}
    assert frames[-1].stamp >= NOW + 2.85 * NS
    full = [f for f in frames if f.people == 2]
    assert len(full) >= 68, "all but the first few"
    for f in full:
        t = (f.stamp - NOW - LATE) / NS
        assert abs(f.joints[0, 2, 0] - t) < 1e-3
        assert abs(f.joints[1, 2, 0] - t - 10) < 1e-3
        assert (f.ids, f.clock, f.source) == (("ann", "bob"), "unix", "stage")


def test_who_is_not_heard_of_is_not_there_and_nobody_is_silence(make: Callable[..., PoseFrame]) -> None:
    people = merged()
    frames = [f.frame for f in play(people, make, 3, bob_until_s=1.0)]
    assert {f.ids for f in frames if f.stamp > NOW + 1.1 * NS} == {("ann",)}
    assert list(people.due(NOW + 10 * NS)) == []
    later = [f.frame for f in play(people, make, 21, start=20_000)]
    assert later[0].stamp > NOW + 19 * NS
    assert later[0].seq == frames[-1].seq + 1
    assert {f.people for f in later[5:]} == {2}


def test_nobody_is_made_up_across_a_gap(make: Callable[..., PoseFrame]) -> None:
    people = merged(delay_s=0.9)
    play(people, make, 1)
    frames = [f.frame for f in play(people, make, 4, start=1700)]
    inside = [f.people for f in frames if NOW + 1.1 * NS < f.stamp < NOW + 1.65 * NS]
    assert set(inside) <= {0}
    assert [f.people for f in frames if f.stamp > NOW + 1.8 * NS].count(2) > 20


def test_jumps_are_left_out_and_told(make: Callable[..., PoseFrame], caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(logging.getLogger("dyadwatch.test"))
    people = merged(refusals)
    play(people, make, 1)
    people.add(0, make(0, 115 * NS), NOW + NS)
    people.add(0, make(0, 99 * NS), NOW + NS)
    assert refusals.counts() == {"stage": {"stamp_jump": 2}}
    people.add(0, make(0, 100 * NS + NS // 2), NOW + NS)
    assert refusals.counts()["stage"]["stamp_not_increasing"] == 1
    for k in range(8):
        people.add(0, make(0, (900 + k) * NS // 30), NOW + NS + k * NS // 30)
    assert refusals.counts()["stage"]["clock_step"] == 1
    assert people.clocks()["ann"].steps == 1
    assert "stage: clock_step: ann: the clock was set; it is measured afresh" in caplog.text
    assert "stage: stamp_jump: ann: a stamp is a second or more off its clock; the pose is left out" in caplog.text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"fps": 0}, "fps is 0; expected 1 to 240"),
        ({"delay_s": 2}, "delay is 2; expected 0 to 1 second"),
    ],
)
def test_bad_options_are_named(options: dict[str, float], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        merged(None, **options)


def test_bad_names_are_named() -> None:
    refusals = Refusals(logging.getLogger("dyadwatch.test"))
    with pytest.raises(ConfigError, match="names are ann, ann; expected each person's own, once"):
        Performers("stage", ["ann", "ann"], UPPER11, fps=30, delay_s=0.1, refusals=refusals)
    with pytest.raises(ConfigError, match="source is 'a b'; expected 1-64 characters"):
        Performers("a b", ["ann"], UPPER11, fps=30, delay_s=0.1, refusals=refusals)
