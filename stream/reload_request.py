"""That somebody wants a detector to read its configuration again, and whom it tells what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.stream.config_difference import Difference
from dyadwatch.stream.memory.kept import ConfigChange


@dataclass(frozen=True)
class ReloadRequest:
    """That the configuration be read again.

    Arguments:
        who: asks, as the log and the memory tell it.
        text: that the file is to have; None: it is read as it is.
        keep: puts the text into the file, once all of it is known to be sound; raises a DyadwatchError or OSError
            where that cannot be, and then nothing is taken up.
    """

    who: str
    text: str | None = None
    keep: Callable[[], None] | None = None


class Desk(Protocol):
    """Where requests come from beside signals, and where it is told what became of any."""

    def asked(self) -> ReloadRequest | None:
        """The next one; called a few times a second."""

    def refused(self, request: ReloadRequest, error: DyadwatchError | OSError) -> None:
        """Nothing changed, and why; called on the thread that reads."""

    def taken_up(self, request: ReloadRequest, found: Difference, change: ConfigChange | None) -> None:
        """What differs from what the detector was started with and took up since, and what is kept of it, if anything.

        Must return at once.
        """
