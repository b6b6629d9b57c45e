"""Incidents held against the truth of a simulated scenario: one for each happening, and the right pair leads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dyadwatch.staged import GRACE_NS
from dyadwatch.stream.messages import IncidentMessage
from dyadwatch.stream.publishers.simulator.scenario import Interval


@dataclass(frozen=True, slots=True)
class Grouping:
    """How incidents stand to what was staged.

    Arguments:
        counts: for each staged anomaly that any tells of, how many do.
        led_right: for each incident that tells of any, whether the pair of one of them leads it.
    """

    counts: list[int]
    led_right: list[bool]


def group(truth: Sequence[Interval], incidents: Sequence[IncidentMessage]) -> Grouping:
    """Which incidents tell of which anomalies.

    An incident tells of an anomaly when it involves one of its people and its events overlap it, or begin within a
    window of its end. Incidents that were merged into others are reported by those.

    Arguments:
        truth: the intervals of a scenario.
        incidents: all changes of all incidents, as told; each must have closed.
    """
    closed = [m for m in incidents if m.type == "close" and m.merged_into is None]
    staged = [t for t in truth if t.anomalous]
    told = [[t for t in staged if _tells_of(m, t)] for m in closed]
    counts = [sum(t in of for of in told) for t in staged]
    return Grouping(
        [n for n in counts if n],
        [
            any({str(p) for p in m.pairs[0].pair} == {str(p) for p in t.people} for t in of)
            for m, of in zip(closed, told, strict=True)
            if of
        ],
    )


def _tells_of(incident: IncidentMessage, staged: Interval) -> bool:
    people = {str(p) for p in staged.people} & {str(p) for p in incident.people}
    end = incident.stamp if incident.end is None else incident.end
    return bool(people) and incident.start <= staged.end + GRACE_NS and end >= staged.start
