"""What the memory gives back, and what people tell it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from dyadwatch.stream.codes import IncidentKind, Severity
from dyadwatch.stream.messages import AttentionMessage, IncidentMessage, NearMissMessage


class ActionKind(StrEnum):
    """What somebody does about an incident or a source."""

    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    VERDICT = "verdict"
    NOTE = "note"


class Verdict(StrEnum):
    """What an incident was, as people say who looked."""

    TRUE = "true"
    FALSE = "false"
    UNSURE = "unsure"


class Action(Struct, frozen=True, kw_only=True):
    """Something that a person did.

    Arguments:
        id: grows with every action; 0 while it is not kept.
        at: unix ns.
        incident: its id; empty for an action about a source.
        source: of a snooze that is about a source; empty for one about an incident.
        until: unix ns, of a snooze; 0 ends one.
        verdict: of a verdict.
        who, note: as given.
    """

    id: int = 0
    at: int
    kind: ActionKind
    incident: str = ""
    source: str = ""
    until: int = 0
    verdict: Verdict | None = None
    who: str = ""
    note: str = ""


class KeptIncident(Struct, frozen=True, kw_only=True):
    """An incident as it is kept.

    Arguments:
        message: the latest.
        run: that it was reported in.
        began, told: unix ns at which its first and its latest message were kept.
        continues: id of the incident of an earlier run that it goes on with; empty for none.
        acknowledged: unix ns of the first acknowledgement, 0 for none; `acknowledged_by` says whose.
        snoozed: unix ns until which it is snoozed; 0 for not.
        verdict, note: the latest.
    """

    message: IncidentMessage
    run: str
    began: int
    told: int
    continues: str = ""
    acknowledged: int = 0
    acknowledged_by: str = ""
    snoozed: int = 0
    verdict: Verdict | None = None
    note: str = ""

    def may_go_on_as(self, message: IncidentMessage) -> bool:
        """Whether an incident that opens may be this one, of an earlier run: the same people, or the same trouble."""
        was = self.message
        same = was.source == message.source and was.about is message.about
        return same and (message.about is not IncidentKind.INTERACTION or bool(set(was.people) & set(message.people)))


class KeptRun(Struct, frozen=True, kw_only=True):
    """A run of the detector, and by what it judged.

    Arguments:
        id: of the run.
        started, ended: unix ns; None while it goes on, or where nobody knows.
        program, model: name and version.
        thresholds, evidence: those in force at its start, and what they rest on; empty where they are not kept.
        changes: of its configuration while it ran.
    """

    id: str
    started: int
    ended: int | None
    program: str
    model: str
    thresholds: dict[str, Any] = {}
    evidence: dict[str, Any] = {}
    changes: tuple[ConfigChange, ...] = ()


class ChangedKey(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key of the configuration that was changed.

    Arguments:
        before, after: as the configuration has them; of targets of deliveries their names alone.
        waits: for a restart.
    """

    key: str
    before: Any
    after: Any
    waits: bool = False


class ConfigChange(Struct, frozen=True, kw_only=True):
    """A change of the configuration while the detector ran.

    Arguments:
        at: unix ns.
        who: asked for it, such as SIGHUP or the name of a token.
        changes: key by key.
    """

    at: int
    who: str
    changes: tuple[ChangedKey, ...]


class Before(Struct, frozen=True, kw_only=True):
    """Calls and answers from before a run, as far as it still counts.

    Arguments:
        calls: in order.
        snoozes: of sources, which last on.
        acknowledged: incidents that an earlier run left open so lately that they may go on, and that somebody took.
        until: unix ns up to which they may.
    """

    calls: tuple[AttentionMessage, ...] = ()
    snoozes: tuple[Action, ...] = ()
    acknowledged: tuple[KeptIncident, ...] = ()
    until: int = 0


class Wanted(Struct, frozen=True, kw_only=True):
    """Which incidents to give; what is left as it is leaves none out.

    Arguments:
        since, until: unix ns; those that were open at any time from the one up to before the other.
        source: its name.
        least: severity, at least.
        verdict: a verdict, or `none` for those without.
        unacknowledged, open: only those.
        most: the latest ones.
    """

    since: int = 0
    until: int = 2**63 - 1
    source: str = ""
    least: Severity = Severity.NOTICE
    verdict: Verdict | str = ""
    unacknowledged: bool = False
    open: bool = False
    most: int = 1000


class MemoryReader(Protocol):
    """What is asked of a memory; another store than the one file has to give the same."""

    def incidents(self, wanted: Wanted = ...) -> list[KeptIncident]:
        """The incidents that are wanted, the latest first."""
        ...

    def incident(self, start_of_id: str) -> KeptIncident:
        """The one whose id begins so."""
        ...

    def near_misses(self, source: str = "", most: int = ...) -> list[NearMissMessage]:
        """What came near to an event and was none, the highest first; of one source where it is named."""
        ...

    def updates(self, incident: str) -> list[tuple[int, IncidentMessage]]:
        """All that is kept of how an incident went: unix ns at which each message was kept, and the message."""
        ...

    def actions(self, after: int = 0, incident: str = "") -> list[Action]:
        """What people did, from the action after that with the id `after` on; about one incident where it is named."""
        ...

    def act(self, action: Action) -> Action:
        """Keeps an action at once; it is there whatever happens from then on. Gives it with its id."""
        ...
