"""Whom to call about which incident, and when to leave people alone.

In processing time; incidents themselves are not changed by it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from dyadwatch.core.units import NS
from dyadwatch.core.words import counted
from dyadwatch.stream.codes import SEVERITIES, AttentionKind, Severity
from dyadwatch.stream.configuration.config import AttentionOptions
from dyadwatch.stream.memory.kept import Action, ActionKind, Before
from dyadwatch.stream.messages import AttentionMessage, IncidentMessage
from dyadwatch.stream.texts import ATTENTION

_MOST_HELD = 100  # ids that a digest names
_EVERYTHING = "@detector"  # the source of what is about no source


class Stand(Enum):
    """How it stands with people and one open incident."""

    HELD = "held"  # nobody was called
    CALLED = "called"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"


class CallStep(Enum):
    """What happens to it."""

    CALLS = "calls"  # it opened or became graver, and nothing holds a call back
    HOLDS = "holds"  # likewise, and something does
    ACKNOWLEDGES = "acknowledges"  # somebody did
    SNOOZES = "snoozes"
    WAKES = "wakes"  # its snooze is over
    DUE = "due"  # nobody acknowledged it for escalate_min
    CLEARS = "clears"  # it closed


# (stand, step) -> (stand after; what is reported, None for nothing)
TRANSITIONS: dict[tuple[Stand, CallStep], tuple[Stand, AttentionKind | None]] = {
    (Stand.HELD, CallStep.CALLS): (Stand.CALLED, AttentionKind.CALL),
    (Stand.HELD, CallStep.HOLDS): (Stand.HELD, None),
    (Stand.HELD, CallStep.ACKNOWLEDGES): (Stand.ACKNOWLEDGED, AttentionKind.ACKNOWLEDGED),
    (Stand.HELD, CallStep.SNOOZES): (Stand.SNOOZED, AttentionKind.SNOOZED),
    (Stand.HELD, CallStep.WAKES): (Stand.HELD, None),
    (Stand.HELD, CallStep.DUE): (Stand.HELD, None),
    (Stand.HELD, CallStep.CLEARS): (Stand.HELD, None),
    (Stand.CALLED, CallStep.CALLS): (Stand.CALLED, AttentionKind.CALL),
    (Stand.CALLED, CallStep.HOLDS): (Stand.CALLED, None),
    (Stand.CALLED, CallStep.ACKNOWLEDGES): (Stand.ACKNOWLEDGED, AttentionKind.ACKNOWLEDGED),
    (Stand.CALLED, CallStep.SNOOZES): (Stand.SNOOZED, AttentionKind.SNOOZED),
    (Stand.CALLED, CallStep.WAKES): (Stand.CALLED, None),
    (Stand.CALLED, CallStep.DUE): (Stand.CALLED, AttentionKind.ESCALATED),
    (Stand.CALLED, CallStep.CLEARS): (Stand.CALLED, AttentionKind.CLEARED),
    (Stand.ACKNOWLEDGED, CallStep.CALLS): (Stand.CALLED, AttentionKind.CALL),
    (Stand.ACKNOWLEDGED, CallStep.HOLDS): (Stand.ACKNOWLEDGED, None),
    (Stand.ACKNOWLEDGED, CallStep.ACKNOWLEDGES): (Stand.ACKNOWLEDGED, None),
    (Stand.ACKNOWLEDGED, CallStep.SNOOZES): (Stand.SNOOZED, AttentionKind.SNOOZED),
    (Stand.ACKNOWLEDGED, CallStep.WAKES): (Stand.ACKNOWLEDGED, None),
    (Stand.ACKNOWLEDGED, CallStep.DUE): (Stand.ACKNOWLEDGED, None),
    (Stand.ACKNOWLEDGED, CallStep.CLEARS): (Stand.ACKNOWLEDGED, AttentionKind.CLEARED),
    (Stand.SNOOZED, CallStep.CALLS): (Stand.CALLED, AttentionKind.CALL),
    (Stand.SNOOZED, CallStep.HOLDS): (Stand.SNOOZED, None),
    (Stand.SNOOZED, CallStep.ACKNOWLEDGES): (Stand.ACKNOWLEDGED, AttentionKind.ACKNOWLEDGED),
    (Stand.SNOOZED, CallStep.SNOOZES): (Stand.SNOOZED, AttentionKind.SNOOZED),
    (Stand.SNOOZED, CallStep.WAKES): (Stand.CALLED, AttentionKind.CALL),
    (Stand.SNOOZED, CallStep.DUE): (Stand.SNOOZED, None),
    (Stand.SNOOZED, CallStep.CLEARS): (Stand.SNOOZED, AttentionKind.CLEARED),
}


@dataclass(slots=True)
class _Case:
    """One open incident as people are called about it."""

    incident: IncidentMessage
    stand: Stand = Stand.HELD
    severity: Severity = Severity.NOTICE  # that people were called with; it rises by escalation too
    since: int = 0  # unix ns at which they were last called
    until: int = 0  # and up to which it is snoozed


class Attention:
    """Decides which incidents people are called about.

    Nobody is called twice about one source within `cooldown_s`, nor more than `most_calls` times in `per_min` minutes,
    nor about a source that is snoozed. What is held back is counted, and told in a digest. A call that is graver than
    those before is never held back: calls are counted by those that were at least as grave.

    Arguments:
        options: the section `attention` of the configuration.
    """

    def __init__(self, options: AttentionOptions) -> None:
        self._before = Before()
        self.adopt(options)
        self._cases: dict[str, _Case] = {}
        self._calls: deque[tuple[int, Severity]] = deque()  # of the last per_min minutes
        self._of_source: dict[str, dict[Severity, int]] = {}  # source -> severity -> ns of the last call
        self._snoozed: dict[str, tuple[int, Severity]] = {}  # source -> until, and what it holds back at most
        self._held: dict[str, Severity] = {}  # ids of what is held back since the last digest
        self._more_held = 0  # beyond those
        self._held_since = 0

    def adopt(self, options: AttentionOptions) -> None:
        """Switches to other options."""
        self._options = options
        self._cooldown = round(options.cooldown_s * NS)
        self._per = round(options.per_min * 60 * NS)
        self._escalate = round(options.escalate_min * 60 * NS)
        self._digest = round(options.digest_min * 60 * NS)

    def restore(self, before: Before) -> None:
        """Takes up calls and answers from before a restart, so that nobody is called twice for it."""
        self._before = before
        for call in before.calls:
            if call.what in (AttentionKind.CALL, AttentionKind.ESCALATED):
                self._calls.append((call.at, call.severity))
                self._of_source.setdefault(call.source, {})[call.severity] = call.at
            elif call.what is AttentionKind.SNOOZED and not call.incidents and call.until is not None:
                self._snoozed[call.source] = (call.until, call.severity)
        lasting = {action.source: action.until for action in before.snoozes}
        told = self._snoozed
        self._snoozed = {s: (until, told.get(s, (0, Severity.ALARM))[1]) for s, until in lasting.items()}

    def _acknowledged_before(self, m: IncidentMessage, now: int) -> bool:
        """Whether an incident that opens goes on with one that somebody took before the restart, and is no graver."""
        return now < self._before.until and any(
            kept.may_go_on_as(m) and m.severity.rank <= kept.message.severity.rank for kept in self._before.acknowledged
        )

    def take(self, incidents: Iterable[IncidentMessage], now: int) -> list[AttentionMessage]:
        """Takes what the detector publishes; `now` is unix ns."""
        out: list[AttentionMessage] = []
        for m in incidents:
            if m.shadow and (m.type != "close" or m.id not in self._cases):
                continue  # people who know of it are told that it is over
            case = self._cases.get(m.id)
            if m.type == "close":
                if case is not None:
                    case.incident = m
                    out += self._step(case, CallStep.CLEARS, now)
                    del self._cases[m.id]
                continue
            if case is None:
                case = self._cases[m.id] = _Case(m)
                if self._acknowledged_before(m, now):
                    case.stand, case.severity = Stand.ACKNOWLEDGED, m.severity
                    continue
            elif m.severity.rank <= case.incident.severity.rank:
                case.incident = m
                continue
            case.incident = m
            if case.stand is not Stand.HELD and m.severity.rank <= case.severity.rank:
                continue  # people were called with this severity already, by escalation
            out += self._step(case, self._may_call(m, now), now)
        return out

    def acted(self, action: Action, now: int) -> list[AttentionMessage]:
        """Takes what somebody did."""
        if action.kind is ActionKind.SNOOZE and action.source:
            return self._snooze_source(action, now)
        case = self._cases.get(action.incident)
        if case is None:
            return []
        if action.kind is ActionKind.ACKNOWLEDGE:
            self._held.pop(action.incident, None)
            return self._step(case, CallStep.ACKNOWLEDGES, now, who=action.who)
        if action.kind is ActionKind.SNOOZE:
            case.until = action.until
            self._held.pop(action.incident, None)
            if action.until <= now:
                return self._step(case, CallStep.WAKES, now)
            return self._step(case, CallStep.SNOOZES, now, who=action.who, until=action.until)
        return []

    def knows(self, incident: str) -> bool:
        """Whether an incident is open."""
        return incident in self._cases

    def tick(self, now: int) -> list[AttentionMessage]:
        """Takes the time; to be called about once a second."""
        out: list[AttentionMessage] = []
        self._forget(now)
        for case in self._cases.values():
            if case.stand is Stand.HELD and not self._holds_back(case.incident, now):
                out += self._step(case, CallStep.CALLS, now)
            elif case.stand is Stand.SNOOZED and case.until <= now:
                out += self._step(case, CallStep.WAKES, now)
            elif self._escalate and now - case.since >= self._escalate and case.severity is not Severity.CRITICAL:
                out += self._step(case, CallStep.DUE, now)
        if (self._held or self._more_held) and now - self._held_since >= self._digest:
            out.append(self._tell_held(now))
        return out

    def _may_call(self, m: IncidentMessage, now: int) -> CallStep:
        """Whether people may be called about an incident, or it is held back; then it is counted."""
        if not self._holds_back(m, now):
            return CallStep.CALLS
        if not self._held and not self._more_held:
            self._held_since = now
        if m.id in self._held or len(self._held) < _MOST_HELD:
            self._held[m.id] = m.severity
        else:
            self._more_held += 1
        return CallStep.HOLDS

    def _holds_back(self, m: IncidentMessage, now: int) -> bool:
        """By a snooze of the source, its cooldown or the cap; each lets pass what is graver than what led to it."""
        rank = m.severity.rank
        until, at_most = self._snoozed.get(m.source, (0, Severity.NOTICE))
        if now < until and rank <= at_most.rank:
            return True
        lately = self._of_source.get(m.source, {}).items()
        if any(severity.rank >= rank and now - at < self._cooldown for severity, at in lately):
            return True
        as_grave = sum(severity.rank >= rank and now - at < self._per for at, severity in self._calls)
        return as_grave >= self._options.most_calls

    def _forget(self, now: int) -> None:
        """Drops what holds back nothing any more."""
        while self._calls and now - self._calls[0][0] >= self._per:
            self._calls.popleft()
        self._snoozed = {source: s for source, s in self._snoozed.items() if s[0] > now}
        self._of_source = {
            source: at for source, at in self._of_source.items() if now - max(at.values()) < self._cooldown
        }

    def _step(
        self, case: _Case, step: CallStep, now: int, who: str = "", until: int | None = None
    ) -> list[AttentionMessage]:
        case.stand, call = TRANSITIONS[case.stand, step]
        if call is None:
            return []
        m = case.incident
        if call is AttentionKind.ESCALATED:
            case.severity = SEVERITIES[case.severity.rank + 1]
        elif call is AttentionKind.CALL:
            case.severity = max(case.severity, m.severity, key=lambda s: s.rank)
        if call in (AttentionKind.CALL, AttentionKind.ESCALATED):
            case.since = now
            self._calls.append((now, case.severity))
            self._of_source.setdefault(m.source, {})[case.severity] = now
            self._held.pop(m.id, None)
        severity = case.severity if case.stand is not Stand.HELD else m.severity
        return [
            AttentionMessage(
                what=call,
                source=m.source,
                at=now,
                severity=max(severity, m.severity, key=lambda s: s.rank),
                incidents=(m.id,),
                who=who,
                until=until,
                text=ATTENTION[call],
                explanation=m.explanation,
            )
        ]

    def _snooze_source(self, action: Action, now: int) -> list[AttentionMessage]:
        """Holds back what is no graver than what is open of the source, at least alarms; an end in the past ends it."""
        if action.until <= now:
            self._snoozed.pop(action.source, None)
            return []
        graves = [c.incident.severity for c in self._cases.values() if c.incident.source == action.source]
        at_most = max([Severity.ALARM, *graves], key=lambda s: s.rank)
        self._snoozed[action.source] = (action.until, at_most)
        kind = AttentionKind.SNOOZED
        return [
            AttentionMessage(
                what=kind, source=action.source, at=now, severity=at_most, who=action.who, until=action.until,
                text=ATTENTION[kind], explanation="",
            )
        ]  # fmt: skip

    def _tell_held(self, now: int) -> AttentionMessage:
        kind, held, count = AttentionKind.DIGEST, self._held, len(self._held) + self._more_held
        self._held, self._more_held = {}, 0
        return AttentionMessage(
            what=kind,
            source=_EVERYTHING,
            at=now,
            severity=max(held.values(), key=lambda s: s.rank, default=Severity.NOTICE),
            incidents=tuple(held),
            held_back=count,
            text=ATTENTION[kind],
            explanation=f"{counted(count, 'incident')} held back",
        )
