"""One run of the detector, from its start to its end: what it tells, and keeps, is attributed to it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Arguments:
        id: unique over all runs of all machines.
        started: unix ns.
    """

    id: str
    started: int

    @classmethod
    def begin(cls) -> Run:
        """A run that begins now."""
        return cls(secrets.token_hex(8), time.time_ns())
