"""Hours of the week by the clock on the wall: from 22:00 to 06:00 on Fridays, in Berlin."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from dyadwatch.core.site.unfit import UnfitError

_CLOCK = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MIN = 24 * 60
_US = 1000


class Day(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


DAYS: tuple[Day, ...] = tuple(Day)


def minutes_of(text: str) -> int:
    """Minutes after midnight of a time such as `22:00`; `24:00` is the end of the day.

    Raises:
        UnfitError: it is none.
    """
    found = _CLOCK.fullmatch(text)
    minutes = int(found[1]) * 60 + int(found[2]) if found else -1
    if not 0 <= minutes <= _DAY_MIN:
        raise UnfitError(repr(text)[:20], "a time such as 22:00, from 00:00 to 24:00")
    return minutes


def zone_of(name: str) -> ZoneInfo | None:
    """A time zone by its name in the IANA data base; None for an empty name, which is that of the machine.

    Raises:
        UnfitError: this machine knows none of that name.
    """
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # a name that is unknown, a folder, or no path at all
        raise UnfitError(
            repr(name)[:60],
            "a time zone that this machine knows, such as Europe/Berlin (where it knows none, install tzdata), or '' "
            "for its own",
        ) from None


class WeekHours:
    """Hours of some days of the week, by the clock on the wall in a time zone.

    Where clocks are set forward, the hour that is left out never is; where they are set back, the hour that comes twice
    is there both times.

    Arguments:
        days: on which it begins.
        begin, end: minutes after midnight; where `end` is not after `begin` it is on the next day.
        zone: None for that of the machine.
    """

    def __init__(self, days: Collection[Day], begin: int, end: int, zone: ZoneInfo | None) -> None:
        self._days = frozenset(DAYS.index(day) for day in days)
        self._begin, self._end, self._zone = begin, end, zone

    def hold(self, unix_ns: int) -> bool:
        """Whether a moment is within them; one that no calendar holds is not."""
        try:
            when = (_EPOCH + timedelta(microseconds=unix_ns // _US)).astimezone(self._zone)
        except (OverflowError, ValueError, OSError):
            return False
        day, minute = when.weekday(), when.hour * 60 + when.minute
        if self._begin < self._end:
            return day in self._days and self._begin <= minute < self._end
        begun, left = minute >= self._begin, minute < self._end
        return (begun and day in self._days) or (left and (day - 1) % 7 in self._days)
