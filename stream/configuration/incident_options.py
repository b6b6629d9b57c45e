"""Options of incidents: which events are one, how grave it is, and whom to call when."""

from __future__ import annotations

from dyadwatch.stream.configuration.option_types import Count, NotNegative, Positive, Section


class IncidentOptions(Section, frozen=True):
    """Which events are one incident, and how grave it is. See `dyadwatch docs incidents`."""

    linger_s: NotNegative = 3.0
    """Seconds that an incident whose last event closed waits for the next one. Lower: one happening may be reported as
    several incidents; higher: separate happenings run together."""
    near_m: NotNegative = 1.0
    """Metres between anybody of an open incident and anybody of a new event, up to which the two are one incident
    although they share nobody. Lower: a brawl may be reported as several incidents; higher: neighbours are drawn into
    one."""
    update_s: Positive = 5.0
    """Seconds between two updates of an open incident in which nothing else changes. Lower: more messages; higher: its
    peak is reported later."""
    alarm_above: NotNegative = 0.3
    """Evidence above the level that opens an event, from which on an incident is an alarm and no longer a notice; 0.3:
    a mean of 1.3 times its level. Lower: more alarms; higher: more remain notices."""
    alarm_after_s: NotNegative = 3.0
    """Seconds of events after which it is an alarm whatever its peak. Lower: more alarms; higher: more remain
    notices."""
    critical_above: NotNegative = 1.0
    """Evidence above the level that opens an event, from which on it is critical. Lower: more are; higher: fewer."""
    critical_after_s: NotNegative = 20.0
    """Seconds of events after which it is critical whatever its peak. Lower: more are; higher: fewer."""
    silent_s: Positive = 3.0
    """Seconds without a message, by the receiver's clock, after which the source itself is an incident: an alarm if it
    is in liveness.expected, else a notice. Lower: hiccups of the network are reported; higher: a dead camera is noticed
    later."""
    back_s: NotNegative = 1.0
    """Seconds that a source must be received, or usable, again before its incident closes. Lower: a source that comes
    and goes is reported many times; higher: it is reported later that it is back."""
    missing_s: NotNegative = 10.0
    """Seconds from the start after which a source of liveness.expected that never came is reported. Lower: slow starts
    are reported; higher: a camera that did not come back is noticed later."""
    blind_s: NotNegative = 30.0
    """Seconds that a source must be blind for, for another cause than that nobody is there, before that is reported.
    Lower: short troubles are reported; higher: an unwatched room is noticed later."""


class AttentionOptions(Section, frozen=True):
    """When people are called about an incident, and when they are left alone; by the detector's clock."""

    cooldown_s: NotNegative = 60.0
    """Seconds after a call about a source in which there is no other about it that is not graver. Lower: more calls;
    higher: what follows soon is reported later, or in a digest."""
    most_calls: Count = 12
    """Calls allowed in per_min minutes, over all sources. Only calls of the same or a higher severity count, so that
    notices never hold back an alarm. Lower: more is held back; higher: people may mute a detector that calls too
    often."""
    per_min: Positive = 60.0
    """Minutes in which most_calls count. Lower: more calls; higher: fewer."""
    digest_min: Positive = 10.0
    """Minutes after which the incidents that nobody was called about are reported together. Lower: more digests;
    higher: later ones."""
    escalate_min: NotNegative = 5.0
    """Minutes after which a call about an open incident that nobody acknowledged is made again, one severity graver; 0:
    never. Lower: more calls; higher: a call that was not heard is repeated later."""
