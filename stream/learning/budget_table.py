"""What budgets of false events would make of the hours that were recorded: typed, for the page and for commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.stream.memory.kept import Verdict

# From the fewest false events to the most.
BUDGETS = ("1/week", "1/day", "3/day", "12/day", "1/hour", "6/hour")
DAYS = (1, 7, 28)  # that may be looked back
MOST_ALARMS = 50  # of each kind that are listed


class BudgetAlarm(Struct, frozen=True, kw_only=True):
    """An alarm that levels raise or would raise.

    Arguments:
        source, pair: whom it is about.
        clock: that its times are read from.
        stamp: ns of that clock at which it opens.
        seconds: from its start to its close.
        evidence: the most, where 1 raises an alarm at these levels.
        incident: id of the incident that was told of it; empty for none.
        verdict: what people said that incident was; None where nobody did.
    """

    source: str
    pair: tuple[TrackId, TrackId]
    clock: str
    stamp: int
    seconds: float
    evidence: float
    incident: str = ""
    verdict: Verdict | None = None


class AlarmList(Struct, frozen=True, kw_only=True):
    """Alarms of one kind; `alarms` are the strongest `MOST_ALARMS` of `count`, in the order of time."""

    count: int = 0
    alarms: tuple[BudgetAlarm, ...] = ()


class BudgetOffer(Struct, frozen=True, kw_only=True):
    """What one budget would do.

    Arguments:
        budget: such as `1/day`.
        per_hour: the same, false events an hour.
        hours_missing: so many more without an event it takes to vouch for it; 0 where the hours suffice. Where they do
            not, the rest is empty.
        level: times the present levels; None where the hours do not suffice.
        events: left in the hours, without those that people judged real.
        per_hour_95: one-sided 95 % Poisson bound on events an hour.
        come, go, stay: alarms that come besides, that go, and that stay.
    """

    budget: str
    per_hour: float
    hours_missing: float = 0.0
    level: float | None = None
    events: int = 0
    per_hour_95: float | None = None
    come: AlarmList = AlarmList()
    go: AlarmList = AlarmList()
    stay: AlarmList = AlarmList()

    @property
    def certified(self) -> bool:
        """Whether the hours vouch for it."""
        return self.level is not None


class CurvePoint(Struct, frozen=True, kw_only=True):
    """How many events levels leave in the hours; `level` is times the present ones."""

    level: float
    events: int


class BudgetTable(Struct, frozen=True, kw_only=True):
    """What each budget would do.

    Arguments:
        id: of this answer.
        made: unix ns.
        days: that were looked back.
        model: that made the scores.
        version: number of the version in use; 0 where the configuration names a model.
        hours: judged by this model, of all sources, without what people judged real.
        sources: hours by source.
        budget: that the present levels vouch for; empty for none.
        events: that the present levels raise in the hours, without those that people judged real.
        per_hour_95: at most so many an hour, 95 % sure; None without hours.
        real: incidents that people judged real, and that are not counted.
        curve: from low levels to high ones; empty without hours.
        offers: one a budget, in the order of `BUDGETS`.
    """

    id: str
    made: int
    days: int
    model: str
    version: int = 0
    hours: float = 0.0
    sources: dict[str, float] = {}
    budget: str = ""
    events: int = 0
    per_hour_95: float | None = None
    real: int = 0
    curve: tuple[CurvePoint, ...] = ()
    offers: tuple[BudgetOffer, ...] = ()


class WorkedOut(Struct, frozen=True, kw_only=True):
    """The table, and for each budget that the hours vouch for the calibration, as plain values."""

    table: BudgetTable
    calibrations: dict[str, dict[str, Any]] = {}


# Works it out of the recordings of so many days; raises a DyadwatchError where it cannot.
WorkOut = Callable[[int], WorkedOut]
