"""Events held against the truth of a simulated scenario."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dyadwatch.core.units import NS
from dyadwatch.stream.messages import EventMessage
from dyadwatch.stream.publishers.simulator.scenario import Interval

# An event may come up to one window after the anomaly's last instant: the window still holds it.
GRACE_NS = 5 * NS // 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """One staged anomaly and the first event that reported it; `delay_s` from its start to the opening."""

    staged: Interval
    event: EventMessage | None

    @property
    def delay_s(self) -> float | None:
        """Seconds from the start of the anomaly to the moment the event opened."""
        return None if self.event is None else (self.event.stamp - self.staged.start) / NS


def match(truth: Sequence[Interval], events: Sequence[EventMessage]) -> tuple[list[Outcome], list[EventMessage]]:
    """Which staged anomalies were found, and which events were false alarms.

    An event belongs to an anomaly when it involves one of its people and opened, or was still open, between the
    anomaly's start and one window after its end. A false alarm is an event that belongs to none.

    Arguments:
        truth: the intervals of a scenario.
        events: all changes of all events, as told.

    Returns:
        (an outcome for each staged anomaly, the opening message of each false alarm).
    """
    opened = [e for e in events if e.type == "open"]
    closed = {e.id: e.stamp for e in events if e.type == "close"}
    outcomes: list[Outcome] = []
    explained: set[str] = set()
    for staged in (t for t in truth if t.anomalous):
        people = {str(p) for p in staged.people}
        mine = [
            e
            for e in opened
            if people & {str(p) for p in e.pair}
            and e.start <= staged.end + GRACE_NS
            and closed.get(e.id, e.stamp) >= staged.start
        ]
        explained |= {e.id for e in mine}
        outcomes.append(Outcome(staged, min(mine, key=lambda e: e.stamp, default=None)))
    return outcomes, [e for e in opened if e.id not in explained]
