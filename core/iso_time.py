"""Moments as people read them: ISO 8601 with date and zone, the same wherever a time is printed or taken."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from dyadwatch.core.units import NS

_US = 1000
_MS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_DATE = re.compile(r"(\d{1,20}) ns")


def moment(ns: int) -> str:
    """Unix ns in local time with its offset, cut to the millisecond: `2026-11-21T14:30:00.123+01:00`.

    What no calendar holds is reported as a number: `9223372036854775807 ns`.
    """
    try:
        return (_EPOCH + timedelta(microseconds=ns // _US)).astimezone().isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return f"{ns} ns"


def moment_after(ns: int) -> str:
    """The first millisecond after a moment, for the end of a span that is to include it."""
    return moment((ns // _MS + 1) * _MS)


def clock_moment(stamp: int, clock: str) -> str:
    """A stamp of a source: a moment on the clock `unix`, seconds to a tenth on any other."""
    return moment(stamp) if clock == "unix" else f"{stamp // (NS // 10) / 10:.1f} s"


def parse_moment(text: str) -> tuple[int, bool]:
    """Unix ns of an ISO date and time, or of anything that `moment` prints, and whether it names its zone.

    Without a zone it is taken as UTC.

    Raises:
        ValueError: it is neither.
    """
    if (number := _NO_DATE.fullmatch(text)) is not None:
        return int(number[1]), True
    when = datetime.fromisoformat(text)
    named = when.tzinfo is not None
    return ((when if named else when.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1) * _US, named


def utc_moment(ns: int) -> str:
    """Unix ns in UTC, cut to the millisecond: `2026-11-21T13:30:00.123Z`."""
    try:
        return (_EPOCH + timedelta(microseconds=ns // _US)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"{ns} ns"
