from __future__ import annotations

from dyadwatch.stream.station_health import StationHealth


def test_a_failure_is_told_until_the_station_works_again_or_a_while_has_passed() -> None:
    now = 100.0
    health = StationHealth(lambda: now)
    assert health.trouble() is None
    health.begins("scoring")
    health.failed("scoring", ValueError("no such output"))
    assert health.trouble() == "scoring fails: ValueError: no such output"
    health.ends("scoring")
    assert health.trouble() is None
    health.failed("status", KeyError("x"))
    now += 5.1
    assert health.trouble() is None


def test_work_that_does_not_come_back_is_told() -> None:
    now = 100.0
    health = StationHealth(lambda: now)
    health.begins("scoring")
    now += 4.9
    assert health.trouble() is None
    now += 7.1
    assert health.trouble() == "scoring has not come back for 12 s"
    health.ends("scoring")
    assert health.trouble() is None
