"""What metrics are given of the detector beside its messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dyadwatch.stream.stage_times import StageTimes


@dataclass(frozen=True)
class Inside:
    """Each of it may be asked from any thread.

    Arguments:
        waiting: how much waits in each queue, by name.
        working: by name whether a sink still takes messages.
        times: how long stages and sinks take; None where nobody measures it.
    """

    waiting: Callable[[], Mapping[str, int]]
    working: Callable[[], Mapping[str, bool]]
    times: StageTimes | None = None
