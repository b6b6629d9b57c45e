"""Hours of the week in which something is delivered: `mon-fri 21:00-07:00`, by the local clock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXPECTED = "hours such as 21:00-07:00, sat,sun 00:00-24:00 or mon-fri 08:00-18:30"
_HOURS = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:[-,][a-z]{3})*)\s+)?(?P<from>\d{2}:\d{2})-(?P<until>\d{2}:\d{2})", re.IGNORECASE
)
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Hours:
    """A span of minutes on some days; one that ends before it begins goes on into the next day.

    Arguments:
        days: on which it begins, Monday is 0.
        begin, end: minutes after midnight, 0 to 1440.
    """

    days: frozenset[int]
    begin: int
    end: int

    def holds(self, moment: datetime) -> bool:
        """Whether a local time lies in it; its end does not."""
        minute, day = moment.hour * 60 + moment.minute, moment.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        return (day in self.days and minute >= self.begin) or ((day - 1) % 7 in self.days and minute < self.end)


def parse_hours(text: str) -> Hours:
    """Reads one span.

    Raises:
        ValueError: it is none; the message says what was expected.
    """
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise ValueError(EXPECTED)
    return Hours(_days(found["days"]), _minutes(found["from"]), _minutes(found["until"]))


def in_hours(spans: Sequence[Hours], moment: datetime) -> bool:
    """Whether a local time lies in one of them; always where there are none."""
    return not spans or any(span.holds(moment) for span in spans)


def _days(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    out: set[int] = set()
    for part in text.lower().split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise ValueError(EXPECTED)
        begin = DAYS.index(first)
        length = (DAYS.index(last) - begin) % 7 + 1 if last else 1
        out |= {(begin + i) % 7 for i in range(length)}
    return frozenset(out)


def _minutes(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > _DAY:
        raise ValueError(EXPECTED)
    return hour * 60 + minute
