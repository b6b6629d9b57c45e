"""How long what is under way may go on after a stop: five seconds in all, whatever does not move."""

from __future__ import annotations

from dyadwatch.stream.stations.stopping import (
    DRAIN_S,
    FLUSH_S,
    RECORDED_S,
    RECORDER_S,
    SCORED_S,
    SINKS_S,
    Stopping,
)


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def stopping(*, waits: bool = False) -> tuple[Stopping, Clock]:
    clock = Clock()
    return Stopping(waits=waits, clock=clock), clock


def test_model_sinks_and_disk_that_are_all_stuck_end_within_five_seconds() -> None:
    one, clock = stopping()
    one.ask()
    assert DRAIN_S < FLUSH_S < SCORED_S
    while one.may_go_on(SCORED_S):
        clock.now += 0.02
    clock.now += 0.2  # the engine is told to give up
    clock.now += SINKS_S
    clock.now += one.left_s(RECORDED_S, RECORDER_S)
    assert clock.now - 100.0 <= 4.7


def test_a_recorder_has_its_time_where_nothing_else_took_any() -> None:
    one, clock = stopping()
    assert one.left_s(RECORDED_S, RECORDER_S) == RECORDER_S, "no stop was asked for"
    one.ask()
    clock.now += 0.5
    assert one.left_s(RECORDED_S, RECORDER_S) == RECORDER_S
    clock.now += 3.0
    assert one.left_s(RECORDED_S, RECORDER_S) == 1.0
    clock.now += 60.0
    assert one.left_s(RECORDED_S, RECORDER_S) == 0.2


def test_asked_twice_nothing_is_waited_for() -> None:
    one, _ = stopping()
    one.ask()
    assert one.may_go_on(FLUSH_S)
    one.ask()
    assert not one.may_go_on(FLUSH_S)
    assert one.left_s(RECORDED_S, RECORDER_S) == 0.2


def test_where_nothing_may_be_lost_it_goes_on_while_scores_come() -> None:
    one, clock = stopping(waits=True)
    one.ask()
    for _ in range(14):
        clock.now += 2.0
        assert one.may_go_on(FLUSH_S)
        one.scored()
    clock.now += 3.5
    assert not one.may_go_on(FLUSH_S)
    assert one.left_s(RECORDED_S, RECORDER_S) == RECORDER_S
