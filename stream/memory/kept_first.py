"""What is kept before it is published: who was shown an incident finds it in the memory, whatever happens next."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from dyadwatch.stream.messages import AttentionMessage, IncidentMessage, Message

_WAIT_S = 0.25  # no alarm waits for a disk for longer


class KeptFirst:
    """Lets other sinks wait until the memory has kept incidents that they are about to tell, but never for long.

    Arguments:
        wait_s: seconds after which they are reported all the same.
    """

    def __init__(self, wait_s: float = _WAIT_S) -> None:
        self._wait_s = wait_s
        self._pending: set[int] = set()  # of messages, by identity: all sinks are handed the same
        self._changed = threading.Condition()

    def expect(self, messages: Sequence[Message]) -> None:
        """Records messages before any sink has them; returns at once."""
        ids = _ids(messages)
        if ids:
            with self._changed:
                self._pending |= ids

    def done(self, messages: Sequence[Message]) -> None:
        """The memory has kept messages, or has to let them wait."""
        ids = _ids(messages)
        if ids:
            with self._changed:
                self._pending -= ids
                self._changed.notify_all()

    def wait(self, messages: Sequence[Message]) -> None:
        """Returns once messages may be reported."""
        ids = _ids(messages)
        if ids:
            with self._changed:
                self._changed.wait_for(lambda: not ids & self._pending, self._wait_s)
                self._pending -= ids


def _ids(messages: Sequence[Message]) -> set[int]:
    return {id(m) for m in messages if isinstance(m, IncidentMessage | AttentionMessage)}
