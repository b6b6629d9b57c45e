"""Recorded messages on their way out again: when, and under which name, run and clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from dyadwatch.core.units import NS
from dyadwatch.stream.recordings.playback import NewRun
from dyadwatch.stream.recordings.reader import Entry
from dyadwatch.stream.recordings.write_queue import ReceivedMessage
from dyadwatch.stream.wire import TOPIC

_MOST = 2**63 - 1
_decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder().decode
_encode = msgspec.msgpack.Encoder().encode


def paced(entries: Iterable[Entry | NewRun], speed: float, stop: threading.Event) -> Iterator[ReceivedMessage]:
    """What was received, each message when its time has come; the time between two runs is left out.

    Arguments:
        entries: of a playback.
        speed: times real time; infinite: without waiting.
        stop: ends the stream early, also in the middle of a wait.
    """
    first: int | None = None
    began = 0.0
    for entry in entries:
        if isinstance(entry, NewRun):
            first = None
        if not isinstance(entry, ReceivedMessage):
            continue
        if first is None:
            first, began = entry.log_time, time.monotonic()
        due = began + (entry.log_time - first) / NS / speed
        while (left := due - time.monotonic()) > 0 and not stop.is_set():
            stop.wait(min(left, 3600.0))
        if stop.is_set():
            return
        yield entry


class _Epochs:
    """One source's runs under new numbers that keep their order: later stays later, and an old one is refused again."""

    def __init__(self, base: int) -> None:
        self._base = base
        self._newest = self._count = -1

    def of(self, epoch: int) -> int:
        """The new number of a run."""
        if epoch > self._newest:
            self._newest, self._count = epoch, self._count + 1
        return self.last if epoch == self._newest else max(self.last - 1, 0)

    @property
    def last(self) -> int:
        """The largest number given so far."""
        return self._base + self._count


class Rewriter:
    """Changes headers; payloads stay as they are. Without any change asked for, messages pass as they came.

    Arguments:
        name: source to publish under; None keeps the recorded ones.
        new_runs: whether every round is a new run of its sources.

    Attributes:
        left_out: messages that are not sent: those that were refused when they came, and those whose header cannot be
            changed or whose stamp would leave the range.
        refused: how many of them were refused when they came.
    """

    def __init__(self, name: str | None = None, *, new_runs: bool = False) -> None:
        self._name = name
        self._new_runs = new_runs
        self._shift = 0
        self._epochs: dict[str, _Epochs] = {}
        self._last: dict[str, int] = {}
        self.left_out = self.refused = 0

    def begin(self, shift_ns: int = 0) -> None:
        """Begins a round, in which so much is added to every stamp."""
        self._shift = shift_ns
        self._last |= {source: epochs.last for source, epochs in self._epochs.items()}
        self._epochs.clear()

    def parts(self, received: ReceivedMessage) -> list[bytes] | None:
        """The parts to send; None for a message that is left out."""
        if received.source is None:
            self.refused += received.counts
            self.left_out += received.counts
            return None
        if self._name is None and not self._shift and not self._new_runs:
            return received.parts
        changed = self._changed(received.parts)
        self.left_out += changed is None
        return changed

    def _changed(self, parts: list[bytes]) -> list[bytes] | None:
        if len(parts) != 3:
            return None
        try:
            header = _decode(parts[1])
            stamp, epoch, source = header["stamp"] + self._shift, header["epoch"], header["source"]
            if self._new_runs:
                epoch = self._epoch(source, epoch)
            if not (0 <= stamp <= _MOST and 0 <= epoch <= _MOST):
                return None
            topic = parts[0] if self._name is None else f"{TOPIC}{self._name}".encode()
            changed = {**header, "source": self._name or source, "stamp": stamp, "epoch": epoch}
            return [topic, _encode(changed), parts[2]]
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, KeyError, RecursionError, OverflowError):
            return None

    def _epoch(self, source: str, epoch: int) -> int:
        epochs = self._epochs.get(source)
        if epochs is None:
            now = time.time_ns()
            # Start times in the unit that the source itself uses, so that its own next run is later still.
            base = now if epoch > now // 1000 else now // 1_000_000
            base = max(base, epoch + 1, self._last.get(source, 0) + 1)
            epochs = self._epochs[source] = _Epochs(base)
        return epochs.of(epoch)
