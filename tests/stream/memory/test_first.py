"""Nothing is shown before it is kept, but no alarm waits for a disk for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from dyadwatch.stream.counters import Counters
from dyadwatch.stream.memory.kept_first import KeptFirst
from dyadwatch.stream.messages import IncidentMessage, Message
from dyadwatch.stream.sinks.sinks import Sinks

Make = Callable[..., IncidentMessage]


class Memory:
    """Keeps what it is handed once it may."""

    def __init__(self, first: KeptFirst, log: list[str]) -> None:
        self.may = threading.Event()
        self._first, self._log = first, log

    def emit(self, messages: Sequence[Message]) -> None:
        self.may.wait(20)
        self._log += ["kept"] * len(messages)
        self._first.done(messages)

    def close(self) -> None:
        """Nothing is held."""


class Shown:
    """Notes that it shows something."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def emit(self, messages: Sequence[Message]) -> None:
        self._log += ["shown"] * len(messages)

    def close(self) -> None:
        """Nothing is held."""


def test_a_sink_shows_an_incident_once_it_is_kept(incident: Make) -> None:
    log: list[str] = []
    first = KeptFirst(wait_s=20)
    memory = Memory(first, log)
    sinks = Sinks({"shown": Shown(log), "memory": memory}, Counters(), "@detector", first)
    sinks.emit([incident()])
    time.sleep(0.05)
    assert log == []
    memory.may.set()
    assert sinks.close(20) == []
    assert log == ["kept", "shown"]


def test_where_the_memory_does_not_come_back_it_is_shown_all_the_same(incident: Make) -> None:
    log: list[str] = []
    first = KeptFirst(wait_s=0.05)
    memory = Memory(first, log)
    sinks = Sinks({"shown": Shown(log), "memory": memory}, Counters(), "@detector", first)
    sinks.emit([incident()])
    while not log:
        time.sleep(0.005)
    assert log == ["shown"]
    memory.may.set()
    assert sinks.close(20) == []


def test_what_is_no_incident_waits_for_nobody(incident: Make) -> None:
    first = KeptFirst(wait_s=20)
    first.wait([incident()])  # nobody expects it
    first.expect([])
    first.wait([])
