"""Hours of the week in which something is delivered, written as `mon-fri 21:00-07:00`, by the clock of the machine."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dyadwatch.core.site.unfit import UnfitError
from dyadwatch.core.site.week import DAYS, Day, WeekHours, minutes_of

EXPECTED = "hours such as 21:00-07:00, sat,sun 00:00-24:00 or mon-fri 08:00-18:30"
_HOURS = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:[-,][a-z]{3})*)\s+)?(?P<from>\d{2}:\d{2})-(?P<until>\d{2}:\d{2})", re.IGNORECASE
)


def parse_hours(text: str) -> WeekHours:
    """Reads one span; one that ends before it begins goes on into the next day.

    Raises:
        ValueError: it is none; the message says what was expected.
    """
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise ValueError(EXPECTED)
    try:
        return WeekHours(_days(found["days"]), minutes_of(found["from"]), minutes_of(found["until"]), None)
    except UnfitError:
        raise ValueError(EXPECTED) from None


def in_hours(spans: Sequence[WeekHours], unix_ns: int) -> bool:
    """Whether a moment lies in one of them; always where there are none."""
    return not spans or any(span.hold(unix_ns) for span in spans)


def _days(text: str | None) -> set[Day]:
    if text is None:
        return set(DAYS)
    out: set[Day] = set()
    for part in text.lower().split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise ValueError(EXPECTED)
        begin = DAYS.index(Day(first))
        length = (DAYS.index(Day(last)) - begin) % 7 + 1 if last else 1
        out |= {DAYS[(begin + i) % 7] for i in range(length)}
    return out
