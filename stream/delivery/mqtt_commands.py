"""What a broker's clients may ask for: to acknowledge what is open of a source, or to snooze it."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence

from dyadwatch.stream.configuration.delivery_options import MqttOptions
from dyadwatch.stream.delivery.home_assistant import ACKNOWLEDGE, SNOOZE
from dyadwatch.stream.memory.kept import Action, ActionKind

_log = logging.getLogger(__name__)
_COMMAND = re.compile(rb"(acknowledge|snooze)(?: (\d{1,5}(?:\.\d{1,3})?))?")
_WHO = "MQTT"
_MOST_MIN = 60 * 24 * 366


def actions(command: bytes, source: str, open_: Sequence[str], options: MqttOptions) -> list[Action]:
    """What is to be done at `acknowledge`, `snooze` or `snooze 90`, in minutes; 0 ends it.

    Arguments:
        command: as it came.
        source: that it is about.
        open_: ids of its incidents that are open.
        options: of the target.
    """
    found, now = _COMMAND.fullmatch(command.strip()), time.time_ns()
    if found is None or (found[2] and found[1] != SNOOZE.encode()):
        _log.warning(
            "the command %r for %s is not known; expected %s, %s or %s MINUTES",
            command[:80], source, ACKNOWLEDGE, SNOOZE, SNOOZE,
        )  # fmt: skip
        return []
    if found[1] == ACKNOWLEDGE.encode():
        return [Action(at=now, kind=ActionKind.ACKNOWLEDGE, incident=id_, who=_WHO) for id_ in open_]
    minutes = min(float(found[2]) if found[2] else options.snooze_min, _MOST_MIN)
    until = now + round(minutes * 60e9) if minutes else 0
    return [Action(at=now, kind=ActionKind.SNOOZE, source=source, until=until, who=_WHO)]
