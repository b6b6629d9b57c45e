from __future__ import annotations

from dyadwatch.core.finding import Finding
from dyadwatch.stream.codes import Blindness, Station
from dyadwatch.stream.health.station_health import StationHealth


def test_a_failure_is_told_until_the_station_works_again_or_a_while_has_passed() -> None:
    now = 100.0
    health = StationHealth(lambda: now)
    assert health.trouble() is None
    health.begins(Station.SCORING)
    health.failed(Station.SCORING, ValueError("no such output"))
    assert health.trouble() == Finding(Blindness.STATION_FAILED, station="scoring", error="ValueError: no such output")
    health.ends(Station.SCORING)
    assert health.trouble() is None
    health.failed(Station.STATUS, KeyError("x"))
    now += 5.1
    assert health.trouble() is None


def test_work_that_does_not_come_back_is_told() -> None:
    now = 100.0
    health = StationHealth(lambda: now)
    health.begins(Station.SCORING)
    now += 4.9
    assert health.trouble() is None
    now += 7.1
    assert health.trouble() == Finding(Blindness.STATION_STUCK, station="scoring", seconds=12.0)
    health.ends(Station.SCORING)
    assert health.trouble() is None
