"""Which updates a target is to have."""

from __future__ import annotations

from dyadwatch.stream.codes import AttentionKind
from dyadwatch.stream.configuration.delivery_options import TargetOptions
from dyadwatch.stream.configuration.hours import in_hours, parse_hours
from dyadwatch.stream.delivery.parcel import Update
from dyadwatch.stream.messages import AttentionMessage, IncidentMessage

# What begins something for the people who are notified.
_BEGINS = (AttentionKind.CALL, AttentionKind.ESCALATED, AttentionKind.DIGEST)


class Filter:
    """The choice of one target.

    Arguments:
        target: its options.
    """

    def __init__(self, target: TargetOptions) -> None:
        self._target = target
        self._hours = tuple(parse_hours(span) for span in target.hours)

    def takes(self, message: Update, at: int) -> bool | None:
        """True where the target is to have an update, False for none; None: if it was notified of the incident before.

        Who was notified that something began is told how it goes on and that it is over, at whatever hour.

        Arguments:
            message: the update.
            at: unix ns.
        """
        target = self._target
        if target.send == ("incidents" if isinstance(message, AttentionMessage) else "calls"):
            return False
        source_fits = not target.sources or message.source in target.sources
        digest = isinstance(message, AttentionMessage) and message.what is AttentionKind.DIGEST
        if not source_fits and not digest:
            return False
        if isinstance(message, IncidentMessage):
            begins = message.type != "close" and not message.shadow  # nobody is notified of a trial
        else:
            begins = message.what in _BEGINS
        fits = message.severity.rank >= target.least.rank and in_hours(self._hours, at)
        return True if begins and fits else None
