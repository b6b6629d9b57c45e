"""Which events are one incident: those of pairs that share people, or stand together, at the same time or nearly so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum

import numpy as np

from dyadwatch.core.units import NS
from dyadwatch.stream.alarms.incident import Incident, IncidentState, PairIds, PairStanding, Place
from dyadwatch.stream.codes import IncidentReason, PairEnd
from dyadwatch.stream.configuration.config import IncidentOptions
from dyadwatch.stream.items import Moment, PairEnded, Window
from dyadwatch.stream.messages import EventMessage, IncidentMessage

_BACK_NS = NS  # windows end a little before the frames they are made of; what is farther back is another time


class IncidentStep(Enum):
    """What happens to an incident."""

    OPENS = "opens"  # an event of it opens
    GOES_ON = "goes on"  # an event of it is published again, or closes while another is open
    CALMS = "calms"  # its last open event closes
    WAITED = "waited"  # no event of it for linger_s, or its clock stepped back
    ENDS = "ends"  # no more can come: its source ends, or its time does not go on
    MERGES = "merges"  # it becomes part of another


class Publish(Enum):
    """Whether a step is published."""

    NOTHING = "nothing"
    UPDATE = "update"
    WHEN_DUE = "when due"  # an update, incidents.update_s after the one before
    CLOSE = "close"


# (state, step) -> (state after, what is published)
TRANSITIONS: dict[tuple[IncidentState, IncidentStep], tuple[IncidentState, Publish]] = {
    (IncidentState.OPEN, IncidentStep.OPENS): (IncidentState.OPEN, Publish.UPDATE),
    (IncidentState.OPEN, IncidentStep.GOES_ON): (IncidentState.OPEN, Publish.WHEN_DUE),
    (IncidentState.OPEN, IncidentStep.CALMS): (IncidentState.LINGERING, Publish.WHEN_DUE),
    (IncidentState.OPEN, IncidentStep.WAITED): (IncidentState.OPEN, Publish.NOTHING),
    (IncidentState.OPEN, IncidentStep.ENDS): (IncidentState.CLOSED, Publish.CLOSE),
    (IncidentState.OPEN, IncidentStep.MERGES): (IncidentState.CLOSED, Publish.CLOSE),
    (IncidentState.LINGERING, IncidentStep.OPENS): (IncidentState.OPEN, Publish.UPDATE),
    (IncidentState.LINGERING, IncidentStep.GOES_ON): (IncidentState.LINGERING, Publish.NOTHING),
    (IncidentState.LINGERING, IncidentStep.CALMS): (IncidentState.LINGERING, Publish.NOTHING),
    (IncidentState.LINGERING, IncidentStep.WAITED): (IncidentState.CLOSED, Publish.CLOSE),
    (IncidentState.LINGERING, IncidentStep.ENDS): (IncidentState.CLOSED, Publish.CLOSE),
    (IncidentState.LINGERING, IncidentStep.MERGES): (IncidentState.CLOSED, Publish.CLOSE),
}
# A pair that ends for one of these leaves no time in which the incident could go on.
_NO_LINGER = {PairEnd.MERGED: IncidentReason.MERGE_CHANGED, PairEnd.MERGE_CHANGED: IncidentReason.MERGE_CHANGED}


class IncidentTracker:
    """The incidents of one source. What it tells depends on the events, and on the time of the items, alone.

    At any time no two open incidents share a person: an event that shares people with two makes them one, the elder.

    Arguments:
        options: the section `incidents` of the configuration.
    """

    def __init__(self, options: IncidentOptions) -> None:
        self._now = 0
        self._incidents: list[Incident] = []  # those not closed, the eldest first
        self.adopt(options)
        self._of: dict[PairIds, Incident] = {}  # pairs with an open event

    def adopt(self, options: IncidentOptions) -> None:
        """Switches to other options, incidents that are open too; no severity falls."""
        self._options = options
        self._linger = round(options.linger_s * NS)
        self._update = round(options.update_s * NS)
        for incident in self._incidents:
            incident.options = options

    @property
    def open(self) -> tuple[str, ...]:
        """Ids of the incidents that are not closed, those that linger too."""
        return tuple(incident.id for incident in self._incidents)

    def scored(self, window: Window, events: Sequence[EventMessage]) -> list[IncidentMessage]:
        """Takes a scored window of a pair, and the events that its score led to."""
        out = self._advance(window.end)
        incident = self._of.get(window.pair.ids)
        if incident is None and not events:
            return out
        standing = _standing(window)
        if incident is not None:
            incident.pairs[window.pair.ids].stood(standing)
        for event in events:
            out += self._take(event, standing)
        return out

    def ended(self, end: PairEnded, events: Sequence[EventMessage]) -> list[IncidentMessage]:
        """Takes the end of a pair, and the events that it closes."""
        out = self._advance(end.stamp)
        for event in events:
            incident = self._of.get(event.pair)
            out += self._take(event, None)
            if end.reason in _NO_LINGER and incident is not None and incident.state is IncidentState.LINGERING:
                out += self._step(incident, IncidentStep.ENDS, _NO_LINGER[end.reason])
        return out

    def moment(self, moment: Moment) -> list[IncidentMessage]:
        """Takes the time of the source where no window tells it, or its end."""
        out = self._advance(moment.stamp)
        if moment.ended is not None:
            for incident in list(self._incidents):
                out += self._step(incident, IncidentStep.ENDS, IncidentReason(moment.ended))
        return out

    def _advance(self, now: int) -> list[IncidentMessage]:
        """Closes what has waited for long enough, and what waits in a time that is over."""
        stepped = now < self._now - _BACK_NS
        if now <= self._now and not stepped:
            return []
        self._now = now
        reason = IncidentReason.CLOCK_STEP if stepped else IncidentReason.CALM_AGAIN
        out: list[IncidentMessage] = []
        for incident in [i for i in self._incidents if i.state is IncidentState.LINGERING]:
            if stepped or now - incident.since > self._linger:
                out += self._step(incident, IncidentStep.WAITED, reason)
        return out

    def _take(self, event: EventMessage, standing: PairStanding | None) -> list[IncidentMessage]:
        incident = self._of.get(event.pair)
        if event.type == "open" or (incident is None and event.type == "update"):
            return self._opened(event, standing)
        if incident is None:
            return []
        incident.note(event)
        if event.type == "close":
            del self._of[event.pair]
        step = IncidentStep.GOES_ON if incident.open_events else IncidentStep.CALMS
        return self._step(incident, step, IncidentReason.STILL_GOING_ON)

    def _opened(self, event: EventMessage, standing: PairStanding | None) -> list[IncidentMessage]:
        joined = [i for i in self._incidents if i.people & set(event.pair)]
        if not joined and standing is not None:
            joined = [i for i in self._incidents if self._near(i, standing.place)]
        if not joined:
            incident = Incident(event, self._options)
            self._note(incident, event, standing)
            incident.rises()
            self._incidents.append(incident)
            return [incident.tell("open", IncidentReason.OPENED, self._now)]
        elder, *others = joined
        out: list[IncidentMessage] = []
        for other in others:
            out += self._step(other, IncidentStep.MERGES, IncidentReason.MERGED, elder.id)
            elder.absorb(other)
            self._of.update((r.pair, elder) for r in other.pairs.values() if r.open is not None)
        known = event.pair in elder.pairs
        resumed = elder.state is IncidentState.LINGERING
        self._note(elder, event, standing)
        if others:
            reason = IncidentReason.ABSORBED
        elif resumed or known:
            reason = IncidentReason.RESUMED
        else:
            reason = IncidentReason.PAIR_JOINED
        return out + self._step(elder, IncidentStep.OPENS, reason)

    def _note(self, incident: Incident, event: EventMessage, standing: PairStanding | None) -> None:
        """Takes an event that opens into its incident."""
        record = incident.note(event)
        self._of[event.pair] = incident
        if standing is not None:
            record.stood(standing)

    def _near(self, incident: Incident, place: Place) -> bool:
        """Whether somebody of a new event stands near somebody of an open one."""
        return any(
            math.hypot(x - u, z - w) <= self._options.near_m
            for record in incident.pairs.values()
            if record.open is not None and record.place is not None
            for x, z in record.place
            for u, w in place
        )

    def _step(
        self, incident: Incident, step: IncidentStep, reason: IncidentReason, merged_into: str | None = None
    ) -> list[IncidentMessage]:
        after, publish = TRANSITIONS[incident.state, step]
        if incident.state is not IncidentState.LINGERING and after is IncidentState.LINGERING:
            incident.since = self._now
        incident.state = after
        if after is IncidentState.CLOSED:
            self._incidents.remove(incident)
            for pair in [pair for pair, of in self._of.items() if of is incident]:
                del self._of[pair]
            return [incident.tell("close", reason, self._now, merged_into)]
        if publish is Publish.NOTHING:
            return []
        if incident.rises():
            return [incident.tell("update", IncidentReason.SEVERITY_ROSE, self._now)]
        if publish is Publish.UPDATE or self._now - incident.published_at >= self._update:
            return [incident.tell("update", reason, self._now)]
        return []


def _standing(window: Window) -> PairStanding:
    """Where the two are: the middle of the joints of each, on the floor."""
    middle = window.joints[..., (0, 2)].mean(axis=2, dtype=np.float64)  # (2, T, 2)
    (x, z), (u, w) = middle[:, -1].tolist()
    step = middle[0] - middle[1]
    return PairStanding(((x, z), (u, w)), float(np.sqrt(np.einsum("td,td->t", step, step)).mean()))
