"""Keeps what the detector publishes, on a thread of its own: a slow or full disk holds up nobody, and loses nothing."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from dyadwatch.core.decision.calibration_file import Calibration
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.finding import Finding
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import IncidentReason, MemoryState, OwnFault
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.memory.kept import Action, ConfigChange
from dyadwatch.stream.memory.kept_first import KeptFirst
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import AttentionMessage, IncidentMessage, Message, NearMissMessage, StatusMessage
from dyadwatch.stream.names import DETECTOR

_log = logging.getLogger(__name__)
_FORGET_S = 3600.0  # between two looks for what has been kept for long enough
_SEEN_S = 60.0  # between two notes that the run goes on
_SLEPT_S = 30.0  # a clock that goes on by so much more between two looks: the machine slept
_GONE_S = 30.0  # a source that statuses leave out for so long, while others come, is none any more
_MOST_WAITING = 5000  # messages, while the file cannot be written


class MemorySink:
    """Keeps incidents and the states of sources as they are published.

    Whatever is handed to it at once is one commit. Where that fails the messages wait, newer updates in the place of
    older ones, and it is tried again.

    Arguments:
        writer: of this run; closed with the sink.
        acted: called with every action that somebody else wrote to the file; None for nobody.
        lost: called with how many messages could not wait any longer.
        clock: unix ns.

    Attributes:
        kept_first: holds other sinks back until what they tell is kept.
    """

    idle_s = 0.25
    takes = (IncidentMessage, AttentionMessage, NearMissMessage, StatusMessage)

    def __init__(
        self,
        writer: MemoryWriter,
        acted: Callable[[Action], None] | None = None,
        lost: Callable[[int], None] = lambda count: None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._writer = writer
        self._acted = acted
        self._lost = lost
        self._clock = clock
        self.kept_first = KeptFirst()
        self._log = LimitedLog(_log)
        self._changes: SimpleQueue[tuple[ConfigChange, Calibration | None, Thresholds, str]] = SimpleQueue()
        self._waiting: list[Message] = []
        self._error = ""
        self._last_action = writer.store.last_action
        self._forgot = 0.0
        self._looked = self._seen = clock()
        self._heard: dict[str, int] = {}  # unix ns of the latest status of each source

    @property
    def state(self) -> Finding[MemoryState]:
        """Whether what is reported is kept now; for any thread."""
        error = self._error
        if not error:
            return Finding(MemoryState.ON)
        return Finding(MemoryState.FAILS, file=str(self._writer.store.path), error=error, waiting=len(self._waiting))

    def note(
        self, change: ConfigChange, calibration: Calibration | None, thresholds: Thresholds, model_sha256: str
    ) -> None:
        """Takes note that the configuration was changed, and what is judged by from then on; from any thread."""
        self._changes.put((change, calibration, thresholds, model_sha256))

    def emit(self, messages: Sequence[Message]) -> None:
        """Keeps the messages, or lets them wait."""
        self._waiting += (m for m in messages if self._is_kept(m))
        self._flush()
        self.kept_first.done(messages)

    def idle(self) -> None:
        """Tries again what waits, and looks what others wrote."""
        if self._error:
            self._flush()
        try:
            while not self._changes.empty():
                change, calibration, thresholds, model_sha256 = self._changes.get_nowait()
                self._writer.keep_change(change)
                self._writer.keep_calibration(calibration, thresholds, model_sha256, change.at)
            for action in self._writer.store.actions(self._last_action):
                self._last_action = action.id
                if self._acted is not None:
                    self._acted(action)
            self._look(self._clock())
            if time.monotonic() - self._forgot > _FORGET_S:
                self._forgot = time.monotonic()
                self._writer.forget(self._clock())
        except sqlite3.Error as e:
            self._fails(e)
        else:
            if not self._waiting:
                self._works()

    def close(self) -> None:
        """Keeps what waits, and that the run ended as it should."""
        self._flush()
        try:
            if not self._error:
                self._writer.end(self._clock())
        except sqlite3.Error as e:
            self._fails(e)
        self._writer.close()

    def _is_kept(self, message: Message) -> bool:
        match message:
            case IncidentMessage():
                # Those of an earlier run are reported by the writer, which kept them then.
                return message.reason is not IncidentReason.INTERRUPTED
            case StatusMessage():
                self._heard[message.source] = self._clock()
                return self._writer.is_news(message)
            case _:
                return isinstance(message, AttentionMessage | NearMissMessage)

    def _look(self, now: int) -> None:
        """Keeps what no status tells: that the run goes on, that the machine slept, that a source is none any more.

        Raises:
            sqlite3.Error: it could not be kept.
        """
        if now - self._looked > _SLEPT_S * NS:
            self._writer.goes_on(self._looked)
            self._writer.gone(self._looked)
            self._heard.clear()
        self._looked = now
        if now - self._seen >= _SEEN_S * NS:
            self._writer.goes_on(now)
            self._seen = now
        if now - self._heard.get(DETECTOR, 0) < _GONE_S * NS:
            for source, heard in [*self._heard.items()]:
                if now - heard > _GONE_S * NS:
                    self._writer.gone(heard, (source,))
                    del self._heard[source]

    def _flush(self) -> None:
        if not self._waiting:
            return
        try:
            self._writer.keep(self._waiting, self._clock())
        except sqlite3.Error as e:
            self._fails(e)
            self._make_room()
        else:
            self._waiting = []
            self._works()

    def _works(self) -> None:
        if self._error:
            _log.warning("%s is written to again", self._writer.store.path)
        self._error = ""

    def _fails(self, error: sqlite3.Error) -> None:
        self._error = str(error)
        text = f"{self._writer.store.path} cannot be written to: {error}; what is told waits, and it is tried again"
        self._log.warning(DETECTOR, OwnFault.SINK_FAILED, text)

    def _make_room(self) -> None:
        """Drops what later messages tell as well: older statuses of a source, and updates of an incident."""
        latest: dict[tuple[object, ...], Message] = {}
        for m in self._waiting:
            latest[_key(m)] = m
        self._waiting = list(latest.values())
        over = len(self._waiting) - _MOST_WAITING
        if over > 0:
            del self._waiting[:over]
            self._lost(over)


def _key(message: Message) -> tuple[object, ...]:
    """What a later message stands in for."""
    match message:
        case IncidentMessage():
            return message.id, message.type
        case NearMissMessage():
            return (message.id,)
        case AttentionMessage():
            return message.at, message.what, message.incidents
        case _:
            return (message.source,)
