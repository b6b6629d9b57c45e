"""One update on its way to one target."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from dyadwatch.stream.codes import AttentionKind, IncidentReason
from dyadwatch.stream.delivery.peak_poses import PeakPose
from dyadwatch.stream.messages import AttentionMessage, IncidentMessage

Update = IncidentMessage | AttentionMessage


class Parcel(Struct, frozen=True, kw_only=True):
    """An update, and all that is needed to word it.

    Arguments:
        key: incident and number of the update, such as `1405dc2f8a0b6e77-3`: the same however often it is sent, and to
            whom.
        number: of the update of its incident, from 1.
        at: unix ns at which it was taken.
        message: the update.
        about: the incident as it was then known; None for what is about no single one, or one of an earlier run.
        pose: the two it is most about, where it asks people to look and a target wants pictures; else None.
        tries: how often it could not be delivered.
        test: whether nothing has happened.
    """

    key: str
    number: int
    at: int
    message: Update
    about: IncidentMessage | None = None
    pose: PeakPose | None = None
    tries: int = 0
    test: bool = False


_LOOK = (AttentionKind.CALL, AttentionKind.ESCALATED)
_GRAVER = (IncidentReason.OPENED, IncidentReason.SEVERITY_ROSE)


def asks_to_look(message: Update) -> bool:
    """Whether people are to look at something new, or graver; a picture goes with that alone."""
    return message.what in _LOOK if isinstance(message, AttentionMessage) else message.reason in _GRAVER


def incidents_of(message: Update) -> Sequence[str]:
    """Ids of the incidents that an update is about."""
    return (message.id,) if isinstance(message, IncidentMessage) else message.incidents


def group_of(message: Update) -> str:
    """What an update is numbered with: its incident, or what else it is about."""
    if isinstance(message, AttentionMessage) and len(message.incidents) != 1:
        return f"{message.what}-{message.source.lstrip('@')}"
    return incidents_of(message)[0]
