"""What is left out: counted by reason, and faults logged at a bounded rate."""

from __future__ import annotations

import logging

from dyadwatch.core.finding import Finding
from dyadwatch.stream.codes import Blindness, Fault, Reason
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.texts import logged

_log = logging.getLogger(__name__)


class DropLog:
    """Counts what is left out, and tells of faults at a bounded rate.

    Arguments:
        counters: where it is counted.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._limited = LimitedLog(_log)

    def add(self, source: str, reason: Reason, cause: Finding[Blindness] | str | None = None, n: int = 1) -> None:
        """Counts n more; a line about it ends with its cause."""
        self._counters.add(source, reason, n)
        if isinstance(reason, Fault):
            self._limited.warning(source, reason, logged(reason, cause))
