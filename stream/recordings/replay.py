"""Recorded messages on their way out again: when, and under which name, run and clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dyadwatch.stream.recordings.playback import NewRun
from dyadwatch.stream.recordings.queue import Received
from dyadwatch.stream.recordings.reader import Entry
from dyadwatch.stream.wire import TOPIC

_NS = 1_000_000_000
_MOST = 2**63 - 1
_decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder().decode
_encode = msgspec.msgpack.Encoder().encode


def paced(entries: Iterable[Entry | NewRun], speed: float, stop: threading.Event) -> Iterator[Received]:
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
        if not isinstance(entry, Received):
            continue
        if first is None:
            first, began = entry.log_time, time.monotonic()
        due = began + (entry.log_time - first) / _NS / speed
        while (left := due - time.monotonic()) > 0 and not stop.is_set():
            stop.wait(min(left, 3600.0))
        if stop.is_set():
            return
        yield entry


@dataclass(slots=True)
class _Epochs:
    """One source's runs under new numbers that keep their order: later stays later, and an old one is refused again."""

    base: int
    newest: int = -1
    count: int = -1

    def of(self, epoch: int) -> int:
        if epoch > self.newest:
            self.newest, self.count = epoch, self.count + 1
        return self.base + self.count if epoch == self.newest else max(self.base + self.count - 1, 0)


@dataclass(slots=True)
class Rewriter:
    """Changes headers; payloads stay as they are. Without any change asked for, messages pass as they came.

    Arguments:
        name: source to publish under; None keeps the recorded ones.
        shift_ns: added to every stamp.
        epoch: of the first run of every source, larger ones for later runs; None keeps the recorded ones.

    Attributes:
        left_out: messages that were refused when they came and whose header cannot be changed, or whose stamp would
            leave the range.
    """

    name: str | None = None
    shift_ns: int = 0
    epoch: int | None = None
    left_out: int = 0
    _epochs: dict[object, _Epochs] = field(default_factory=dict)

    def parts(self, received: Received) -> list[bytes] | None:
        """The parts to send; None for a message that is left out."""
        if self.name is None and not self.shift_ns and self.epoch is None:
            return received.parts
        changed = self._changed(received.parts)
        self.left_out += changed is None
        return changed

    def _changed(self, parts: list[bytes]) -> list[bytes] | None:
        if len(parts) != 3:
            return None
        try:
            header = _decode(parts[1])
            stamp, epoch = header["stamp"] + self.shift_ns, header["epoch"]
            source = header["source"] if self.name is None else self.name
            if self.epoch is not None:
                epochs = self._epochs.get(header["source"])
                if epochs is None:
                    epochs = self._epochs[header["source"]] = _Epochs(self.epoch)
                epoch = epochs.of(epoch)
            if not 0 <= stamp <= _MOST:
                return None
            topic = parts[0] if self.name is None else f"{TOPIC}{self.name}".encode()
            return [topic, _encode({**header, "source": source, "stamp": stamp, "epoch": epoch}), parts[2]]
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, KeyError, RecursionError, OverflowError):
            return None
