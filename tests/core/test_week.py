"""Hours of the week, over midnight and over the days on which clocks are set."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.core.site.unfit import UnfitError
from dyadwatch.core.site.week import DAYS, Day, WeekHours, minutes_of, zone_of
from dyadwatch.core.units import NS

BERLIN = ZoneInfo("Europe/Berlin")
MINUTES = st.integers(0, 24 * 60)
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])


def ns(when: datetime) -> int:
    return round(when.timestamp()) * NS


def by_definition(when: datetime, days: set[Day], begin: int, end: int) -> bool:
    """Whether the clock on the wall lies between the begin and the end of hours that began today or yesterday."""
    wall = when.replace(tzinfo=None)
    for back in (0, 1):
        day = wall.date() - timedelta(days=back)
        midnight = datetime(day.year, day.month, day.day)
        last = end if end > begin else end + 24 * 60
        since, until = midnight + timedelta(minutes=begin), midnight + timedelta(minutes=last)
        if DAYS[day.weekday()] in days and since <= wall < until:
            return True
    return False


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 12, 31)),
    st.sets(st.sampled_from(DAYS)),
    MINUTES,
    MINUTES,
    ZONES,
)
def test_they_hold_by_the_clock_on_the_wall(at: datetime, days: set[Day], begin: int, end: int, zone: str) -> None:
    when = at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    assert WeekHours(days, begin, end, ZoneInfo(zone)).hold(ns(when)) == by_definition(
        when.replace(microsecond=0), days, begin, end
    )


@given(st.integers(0, 14 * 24 * 60), st.sets(st.sampled_from(DAYS), min_size=1), MINUTES, MINUTES)
def test_over_the_nights_on_which_clocks_are_set(minute: int, days: set[Day], begin: int, end: int) -> None:
    for first in (date(2026, 3, 22), date(2026, 10, 18)):  # a week before Berlin sets its clocks, and a week after
        start = datetime(first.year, first.month, first.day, tzinfo=UTC)
        when = (start + timedelta(minutes=minute)).astimezone(BERLIN)
        assert WeekHours(days, begin, end, BERLIN).hold(ns(when)) == by_definition(when, days, begin, end)


@pytest.mark.parametrize(
    ("start", "end", "minutes"),
    [
        ("22:00", "06:00", 7 * 60),  # the night in which clocks go forward is an hour shorter
        ("02:00", "03:00", 0),  # and this hour is left out
        ("03:00", "04:00", 60),
    ],
)
def test_forward(start: str, end: str, minutes: int) -> None:
    hours = WeekHours(DAYS, minutes_of(start), minutes_of(end), BERLIN)
    since = datetime(2026, 3, 28, 12, tzinfo=UTC)
    held = sum(hours.hold(ns(since + timedelta(minutes=m))) for m in range(24 * 60))
    assert held == minutes


@pytest.mark.parametrize(("start", "end", "minutes"), [("22:00", "06:00", 9 * 60), ("02:00", "03:00", 120)])
def test_back(start: str, end: str, minutes: int) -> None:
    hours = WeekHours(DAYS, minutes_of(start), minutes_of(end), BERLIN)
    since = datetime(2026, 10, 24, 12, tzinfo=UTC)
    held = sum(hours.hold(ns(since + timedelta(minutes=m))) for m in range(24 * 60))
    assert held == minutes


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    friday = WeekHours([Day.FRI], minutes_of("22:00"), minutes_of("06:00"), BERLIN)
    saturday = datetime(2026, 11, 28, tzinfo=BERLIN)
    assert [friday.hold(ns(saturday + timedelta(hours=h))) for h in (-3, -1, 5, 7, 23)] == [
        False,
        True,
        True,
        False,
        False,
    ]
    whole = WeekHours([Day.SAT], 0, 24 * 60, BERLIN)
    assert [whole.hold(ns(saturday + timedelta(hours=h))) for h in (-1, 0, 23, 24)] == [False, True, True, False]


def test_a_moment_that_no_calendar_holds_is_in_none() -> None:
    assert not WeekHours(DAYS, 0, 24 * 60, BERLIN).hold(10**21)
    assert not WeekHours(DAYS, 0, 24 * 60, None).hold(-(10**21))


@pytest.mark.parametrize("text", ["24:01", "7", "7:5", "-1:00", "22.00", "", "25:00", "12:60", "12:00 "])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UnfitError, match=r"; expected a time such as 22:00, from 00:00 to 24:00$"):
        minutes_of(text)


def test_times_and_zones() -> None:
    assert [minutes_of(t) for t in ("00:00", "7:05", "07:05", "24:00")] == [0, 425, 425, 1440]
    assert zone_of("") is None
    assert zone_of("Europe/Berlin") == BERLIN


@pytest.mark.parametrize("name", ["Mars/Crater", "../etc/passwd", "Europe", "/etc/localtime"])
def test_what_is_no_time_zone(name: str) -> None:
    with pytest.raises(UnfitError, match=r"^'.*; expected a time zone that this machine knows, such as Europe/Berlin"):
        zone_of(name)
