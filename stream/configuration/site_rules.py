"""Zones and schedules of a site: what a pair's scores weigh where it stands, and when.

A weight of 1 is the usual; half of it asks for twice the score before an event opens; 0 opens none. Where several rules
hold, their factors are multiplied, and one that ignores prevails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from dyadwatch.core.site.floor import Point, Polygon
from dyadwatch.core.site.unfit import UnfitError
from dyadwatch.core.site.week import WeekHours, minutes_of, zone_of
from dyadwatch.stream.codes import Circumstance, SiteRuleKind
from dyadwatch.stream.configuration.config import Config, ScheduleOptions, SiteRule, ZoneOptions
from dyadwatch.stream.items import Pair, Window

T = TypeVar("T")
U = TypeVar("U")

ALL = "*"
_IGNORED = {SiteRuleKind.ZONE: Circumstance.ZONE_IGNORED, SiteRuleKind.SCHEDULE: Circumstance.SCHEDULE_IGNORED}


class Zone(NamedTuple):
    """A zone, ready for use."""

    options: ZoneOptions
    place: Polygon

    def holds(self, first: Point, second: Point) -> bool:
        """Whether it is about two people who stand at these points."""
        if self.options.inside == "middle":
            return self.place.holds((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)
        within = (self.place.holds(*first), self.place.holds(*second))
        return any(within) if self.options.inside == "either" else all(within)


class Schedule(NamedTuple):
    """A schedule, ready for use."""

    options: ScheduleOptions
    hours: WeekHours


def compiled(rule: SiteRule) -> Zone | Schedule:
    """A rule, ready for use.

    Raises:
        UnfitError: corners, times, days or the time zone are none; names the key.
    """
    if isinstance(rule, ZoneOptions):
        return Zone(rule, _of("corners", Polygon, rule.corners))
    assert isinstance(rule, ScheduleOptions)
    start, end = _of("start", minutes_of, rule.start), _of("end", minutes_of, rule.end)
    if not rule.days:
        raise UnfitError("[]", "at least one day, or no such key for all", "days")
    return Schedule(rule, WeekHours(rule.days, start, end, _of("time_zone", zone_of, rule.time_zone)))


def _of(key: str, make: Callable[[T], U], value: T) -> U:
    """What is made of the value of a key.

    Raises:
        UnfitError: naming the key.
    """
    try:
        return make(value)
    except UnfitError as e:
        raise e.of(key) from None


class InForce(NamedTuple):
    """A rule that holds for some pairs now.

    Arguments:
        kind: zone or schedule.
        options: of the rule.
        pairs: how many it is about.
    """

    kind: SiteRuleKind
    options: SiteRule
    pairs: int


class SiteRules:
    """The rules of all sources. It belongs to the thread that judges, but for `schedules_at`.

    Arguments:
        config: zones and schedules; found to be sound.
        wall: unix ns by the detector's clock, for sources whose own is not unix time; None where there is no such
            clock, as for files: schedules then hold for sources on unix time alone.
    """

    def __init__(self, config: Config, wall: Callable[[], int] | None = None) -> None:
        self._wall = wall
        self._zones = {
            source: tuple(Zone(z, Polygon(z.corners)) for z in zones) for source, zones in config.zones.items()
        }
        schedules = {source: tuple(map(_schedule, found)) for source, found in config.schedules.items()}
        self._for_all = schedules.pop(ALL, ())
        self._schedules = {source: (*found, *self._for_all) for source, found in schedules.items()}
        self._now: dict[str, dict[Pair, tuple[InForce, ...]]] = {}

    def weigh(self, window: Window) -> tuple[float, Circumstance | None]:
        """What the score of a window weighs, 0 to 10, and why it weighs nothing, where it does."""
        zones, schedules = self._zones.get(window.source, ()), self._of(window.source)
        if not zones and not schedules:
            return 1.0, None
        found = [InForce(SiteRuleKind.SCHEDULE, s.options, 1) for s in schedules if self._is_time(s, window)]
        if zones:
            first, second = _places(window)
            found += [InForce(SiteRuleKind.ZONE, z.options, 1) for z in zones if z.holds(first, second)]
        self._now.setdefault(window.source, {})[window.pair] = tuple(found)
        weight = 1.0
        for rule in found:
            if rule.options.ignore:
                return 0.0, _IGNORED[rule.kind]
            weight /= rule.options.factor or 1.0
        return weight, None

    def ended(self, source: str, pair: Pair) -> None:
        """Forgets a pair."""
        pairs = self._now.get(source)
        if pairs is not None:
            pairs.pop(pair, None)
            if not pairs:
                del self._now[source]

    def in_force(self) -> Mapping[str, tuple[InForce, ...]]:
        """The rules that hold for pairs in view, by source, with how many each is about."""
        out: dict[str, tuple[InForce, ...]] = {}
        for source, pairs in self._now.items():
            counts = Counter((r.kind, r.options.name) for rules in pairs.values() for r in rules)
            known = {(r.kind, r.options.name): r.options for rules in pairs.values() for r in rules}
            out[source] = tuple(InForce(kind, known[kind, name], n) for (kind, name), n in sorted(counts.items()))
        return out

    def schedules_at(self, source: str, unix_ns: int) -> Sequence[ScheduleOptions]:
        """The schedules of a source that hold at a moment; for any thread."""
        return [s.options for s in self._of(source) if s.hours.hold(unix_ns)]

    def _of(self, source: str) -> tuple[Schedule, ...]:
        return self._schedules.get(source, self._for_all)

    def _is_time(self, schedule: Schedule, window: Window) -> bool:
        if window.clock == "unix":
            return schedule.hours.hold(window.end)
        return self._wall is not None and schedule.hours.hold(self._wall())


def _schedule(options: ScheduleOptions) -> Schedule:
    found = compiled(options)
    assert isinstance(found, Schedule)
    return found


def _places(window: Window) -> tuple[Point, Point]:
    """Where the two stand at the end of a window: the middle of the joints of each, on the floor."""
    (x, z), (u, w) = window.joints[:, -1][..., (0, 2)].mean(axis=1, dtype=float).tolist()
    return (x, z), (u, w)
