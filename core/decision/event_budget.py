"""A budget of false events, as people say it: so many an hour, a day or a week."""

from __future__ import annotations

import re

from dyadwatch.core.errors import CalibrationError

_HOURS = {"hour": 1.0, "day": 24.0, "week": 168.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(hour|day|week)")


def per_hour(budget: str, name: str = "--budget") -> float:
    """Events an hour of a budget such as `1/day`.

    Arguments:
        name: what errors call it.

    Raises:
        CalibrationError: when it is no budget, or none at all.
    """
    found = _FORM.fullmatch(budget.strip().lower())
    count = float(found[1]) if found else 0.0
    if found is None or not count > 0:
        raise CalibrationError(f"{name} is {budget!r}; expected a number above 0 and hour, day or week, such as 1/day")
    return count / _HOURS[found[2]]
