from __future__ import annotations

from dyadwatch.stream.health.pace import Pace

S = 1_000_000_000
AHEAD = 1_700_000_000 * S  # how far the source's clock lies from ours


def late(pace: Pace, second: float, way_s: float = 0.0, *, stamp_s: float | None = None) -> float:
    """Seconds by which a frame of this second comes late that was on its way for so long."""
    arrived = round((1000 + second + way_s) * S)
    stamp = AHEAD + round((second if stamp_s is None else stamp_s) * S)
    return (arrived - pace.due(1, stamp, arrived)) / S


def live(seconds: int) -> Pace:
    pace = Pace()
    for k in range(seconds * 10):
        assert late(pace, k / 10, 0.02 + 0.01 * (k % 3)) < 0.05
    return pace


def test_what_waited_is_late_by_as_long_as_it_waited_and_for_as_long_as_that_goes_on() -> None:
    pace = live(30)
    assert 19.9 < late(pace, 30.0, 20.0) < 20.1
    assert [round(late(pace, 31.0 + k, 20.0 - k)) for k in range(20)] == [20 - k for k in range(20)]
    assert late(pace, 51.0, 0.02) < 0.1


def test_nothing_is_said_before_the_pace_is_known() -> None:
    pace = Pace()
    assert late(pace, 0.0) == 0
    assert late(pace, 5.0, 3.0) == 0


def test_a_recording_replayed_slowly_or_fast_is_not_late() -> None:
    for speed in (0.25, 0.5, 4.0):
        pace = Pace()
        assert max(late(pace, k / 10, stamp_s=k / 10 * speed) for k in range(600)) < 0.01


def test_a_clock_that_is_set_is_no_delay() -> None:
    for step_s in (3600.0, -3600.0):
        pace = live(30)
        assert max(late(pace, 30 + k / 10, 0.02, stamp_s=30 + k / 10 + step_s) for k in range(300)) < 0.1


def test_a_new_epoch_begins_afresh() -> None:
    pace = live(30)
    arrived = 1030 * S
    assert pace.due(2, 5 * S, arrived) == arrived
