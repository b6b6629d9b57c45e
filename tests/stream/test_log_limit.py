from __future__ import annotations

import logging

import pytest

from dyadwatch.stream.log_limit import LimitedLog


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    told = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return told


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limited(clock: Clock) -> LimitedLog:
    return LimitedLog(logging.getLogger("dyadwatch.test"), every_s=10.0, max_kinds=3, clock=clock)


def test_first_time_at_once_then_at_a_bounded_rate(
    limited: LimitedLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(4):
        limited.warning("hall", "version", "v is 2; expected 1")
    assert lines(caplog) == ["hall: version: v is 2; expected 1"]
    clock.now += 9.99
    limited.warning("hall", "version", "v is 2; expected 1")
    assert lines(caplog) == []
    clock.now += 0.01
    limited.warning("hall", "version", "v is 3; expected 1")
    assert lines(caplog) == ["hall: version: v is 3; expected 1 (4 more like it since the last line)"]
    clock.now += 10
    limited.warning("hall", "version", "v is 4; expected 1")
    assert lines(caplog) == ["hall: version: v is 4; expected 1"]


def test_each_source_and_reason_has_its_own_limit(limited: LimitedLog, caplog: pytest.LogCaptureFixture) -> None:
    limited.warning("hall", "version", "a")
    limited.warning("yard", "version", "b")
    limited.warning("hall", "late", "c")
    assert lines(caplog) == ["hall: version: a", "yard: version: b", "hall: late: c"]


def test_made_up_sources_share_one_limit(limited: LimitedLog, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(50):
        limited.warning(f"s{i}", "version", "v is 2")
    assert len(lines(caplog)) == 4  # three kinds of their own, and one line for all the others
    limited.flush()
    assert lines(caplog) == ["_others: version: 46 more since the last line"]


def test_flush_tells_the_rest_once(limited: LimitedLog, caplog: pytest.LogCaptureFixture) -> None:
    limited.warning("hall", "late", "a")
    limited.warning("hall", "late", "a")
    lines(caplog)
    limited.flush()
    limited.flush()
    assert lines(caplog) == ["hall: late: 1 more since the last line"]


def test_a_new_text_of_a_kind_is_told_at_once_up_to_a_bound(
    limited: LimitedLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ("no seq", "no seq", "no stamp", "no shape", "no seq", "no v", "no source"):
        limited.warning("hall", "bad_key", text)
    assert lines(caplog) == [f"hall: bad_key: {text}" for text in ("no seq", "no stamp", "no shape", "no v")]
    clock.now += 10
    limited.warning("hall", "bad_key", "no stamp")
    assert lines(caplog) == ["hall: bad_key: no stamp (3 more like it since the last line)"]


def test_texts_that_differ_in_numbers_only_are_one(limited: LimitedLog, caplog: pytest.LogCaptureFixture) -> None:
    for metres in (1710.0, 1711.5, 1.2e9, -3):
        limited.warning("hall", "absurd_body", f"a person spans {metres:.4g} m")
    assert lines(caplog) == ["hall: absurd_body: a person spans 1710 m"]
