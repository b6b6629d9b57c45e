"""Times as they are printed are times as they are taken, in every zone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.core.iso_time import clock_moment, moment, moment_after, parse_moment

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia"]
LAST = 253_402_214_400 * 10**9  # the year 9999 but for its last day, which is over in some zones


@pytest.fixture(params=ZONES)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_what_is_printed_is_understood_as_what_it_was(zone: str) -> None:
    @given(ns=st.integers(0, LAST) | st.integers(1_600_000_000 * 10**9, 1_900_000_000 * 10**9))
    def same(ns: int) -> None:
        assert parse_moment(moment(ns)) == (ns // 10**6 * 10**6, True)
        assert parse_moment(moment_after(ns)) == (ns // 10**6 * 10**6 + 10**6, True)

    same()


def test_what_no_calendar_holds_is_a_number() -> None:
    assert moment(2**63 - 1).startswith("2262-04-11T") or moment(2**63 - 1) == f"{2**63 - 1} ns"
    assert moment(2**64 * 100) == f"{2**64 * 100} ns"
    assert parse_moment(f"{2**63 - 1} ns") == (2**63 - 1, True)


@pytest.mark.parametrize("zone", ["Europe/Berlin"], indirect=True)
def test_the_date_and_the_offset_are_told(zone: str) -> None:
    assert moment(1_700_000_000_250_999_999) == "2023-11-14T23:13:20.250+01:00"
    assert clock_moment(1_690_000_000_250_999_999, "unix") == "2023-07-22T06:26:40.250+02:00"
    assert clock_moment(61_590_000_000, "media") == "61.5 s"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-11-14T22:13:20", (1_700_000_000 * 10**9, False)),
        ("2023-11-14T22:13:20Z", (1_700_000_000 * 10**9, True)),
        ("2023-11-14 22:13:20.250Z", (1_700_000_000_250 * 10**6, True)),
        ("2023-11-14T23:13:20.25+01:00", (1_700_000_000_250 * 10**6, True)),
        ("2023-11-15", (1_700_006_400 * 10**9, False)),
    ],
)
def test_times_with_and_without_a_zone(text: str, expected: tuple[int, bool]) -> None:
    assert parse_moment(text) == expected


@pytest.mark.parametrize("text", ["", "noon", "22:13", "2023-11-14T25:00", "ns", "-1 ns"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_moment(text)
