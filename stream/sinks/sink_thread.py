"""One sink on a thread of its own, behind a bounded queue."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Protocol, runtime_checkable

from dyadwatch.stream.messages import AttentionMessage, EventMessage, IncidentMessage, Message

MOST_WAITING = 10_000  # messages; at some 1 kB each, ten megabytes


class Sink(Protocol):
    """Takes messages as they come, on one thread. It may take its time: it holds up nobody but itself.

    It may also be `Waking` (called at intervals) or `Choosing` (only some kinds of messages).
    """

    def emit(self, messages: Sequence[Message]) -> None:
        """Passes the messages on, in order. Any exception means that the sink is broken."""
        ...

    def close(self) -> None:
        """Flushes and frees what it holds."""
        ...


@runtime_checkable
class Waking(Protocol):
    """A sink that has something to do now and then, messages or not; on the same thread."""

    idle_s: float  # seconds between calls of `idle`

    def idle(self) -> None:
        """Does it. Any exception means that the sink is broken."""
        ...


@runtime_checkable
class Choosing(Protocol):
    """A sink that wants messages of some kinds only: the others do not wake it."""

    takes: tuple[type[Message], ...]


class Worth(IntEnum):
    """What goes last when not everything fits: an incident's end holds all that its updates told."""

    FIGURES = 0  # scores, status
    EVENT = 1
    INCIDENT_UPDATE = 2
    INCIDENT = 3  # its beginning or end; a call


class SinkThread:
    """Hands messages to a sink in order, as fast as it takes them.

    What does not fit is dropped: scores and status first, then events, then updates of incidents, beginnings and ends
    of incidents last; the oldest first.

    Arguments:
        name: of the sink.
        sink: called from this thread alone.
        failed: called with the name and the error when the sink breaks; it gets nothing from then on.
        lost: called with the name and how many messages were dropped.
        most: messages that may wait.
        before: called with messages on the sink's thread before the sink has them; it may wait.
        emitted: called on the sink's thread with the name and the ns that the oldest of a batch waited to be taken.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        failed: Callable[[str, Exception], None],
        lost: Callable[[str, int], None],
        most: int = MOST_WAITING,
        before: Callable[[Sequence[Message]], None] | None = None,
        emitted: Callable[[str, int], None] | None = None,
    ) -> None:
        self._name = name
        self._sink = sink
        self._failed = failed
        self._lost = lost
        self._most = most
        self._before = before
        self._emitted = emitted
        self._since = self._oldest = 0  # monotonic ns at which the oldest of what waits came, and of the latest batch
        self._kinds = sink.takes if isinstance(sink, Choosing) else ()
        # By their worth, the least first; with their place among all messages.
        self._waiting: tuple[deque[tuple[int, Message]], ...] = tuple(deque() for _ in Worth)
        self._next = 0
        self._ended = False
        self._broken = False
        self._changed = threading.Condition()
        # Not waited for at the end of the program: a sink may never return.
        self._thread = threading.Thread(target=self._work, name=f"sink {name}", daemon=True)
        self._thread.start()

    def put(self, messages: Sequence[Message]) -> None:
        """Adds messages; returns at once."""
        if self._kinds:
            messages = [m for m in messages if isinstance(m, self._kinds)]
            if not messages:
                return
        dropped = 0
        with self._changed:
            if self._broken or self._ended:
                return
            for message in messages:
                self._waiting[_worth(message)].append((self._next, message))
                self._next += 1
            for _ in range(sum(map(len, self._waiting)) - self._most):
                next(filter(None, self._waiting)).popleft()
                dropped += 1
            if self._emitted is not None and messages and not self._since:
                self._since = time.monotonic_ns()
            self._changed.notify()
        if dropped:
            self._lost(self._name, dropped)

    @property
    def works(self) -> bool:
        """Whether it still takes messages; from any thread."""
        return not self._broken

    @property
    def waiting(self) -> int:
        """How many messages wait; from any thread."""
        return sum(map(len, self._waiting))

    def end(self) -> None:
        """Lets the sink take what waits, then close."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def join(self, within_s: float) -> bool:
        """Waits for the end; False if it did not come in time."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            waking = self._sink if isinstance(self._sink, Waking) else None
            woken = time.monotonic()
            while (messages := self._next_batch(waking.idle_s if waking else None)) is not None:
                if messages:
                    if self._before is not None:
                        self._before(messages)
                    self._sink.emit(messages)
                    if self._emitted is not None:
                        self._emitted(self._name, time.monotonic_ns() - self._oldest)
                if waking and time.monotonic() - woken >= waking.idle_s:
                    waking.idle()
                    woken = time.monotonic()
            self._sink.close()
        except Exception as e:  # noqa: BLE001 - whatever a sink does wrong is its own; it is reported by `failed`
            with self._changed:
                self._broken = True
                self._clear()
            self._failed(self._name, e)
            with contextlib.suppress(Exception):
                self._sink.close()

    def _next_batch(self, timeout_s: float | None) -> list[Message] | None:
        """All that waits, in order, nothing after so many seconds; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or any(self._waiting), timeout_s)
            if not any(self._waiting):
                return None if self._ended else []
            waiting = [entry for of_one_worth in self._waiting for entry in of_one_worth]
            self._clear()
            self._oldest, self._since = self._since, 0
        waiting.sort(key=lambda item: item[0])
        return [message for _, message in waiting]

    def _clear(self) -> None:
        for of_one_worth in self._waiting:
            of_one_worth.clear()


def _worth(message: Message) -> Worth:
    match message:
        case IncidentMessage():
            return Worth.INCIDENT_UPDATE if message.type == "update" else Worth.INCIDENT
        case AttentionMessage():
            return Worth.INCIDENT
        case EventMessage():
            return Worth.EVENT
        case _:
            return Worth.FIGURES
