"""How far a long run is, and how long it still takes: bars in a terminal, a line now and then anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from dyadwatch.core.training.options import Listener
    from dyadwatch.core.training.options import Progress as Step

_EVERY_S = 10.0


def span(seconds: float) -> str:
    """A length of time for people: seconds, then minutes, then hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


@contextmanager
def shown(console: Console) -> Iterator[Listener]:
    """A listener that shows a training run on `console` until the context ends."""
    if not console.is_terminal:
        yield Lines(lambda text: console.print(text, soft_wrap=True, markup=False, highlight=False))
        return
    with Progress(
        TextColumn("{task.description:12s}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[values]}"),
        console=console,
    ) as bars:
        yield _Bars(bars)


class _Bars:
    """One bar a stage."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, step: Step) -> None:
        values = _values(step)
        if step.stage not in self._tasks:
            self._tasks[step.stage] = self._bars.add_task(step.stage, total=step.total, values=values)
        self._bars.update(self._tasks[step.stage], completed=step.done, total=step.total, values=values)


class Lines:
    """A line when a stage ends, and one every ten seconds while it lasts, with the time left of that stage.

    A stage of a single step, which has nothing to tell while it lasts, has a line when it begins.

    Arguments:
        tell: called with each line.
        now: seconds that pass.
    """

    def __init__(self, tell: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._now = now
        self._stage = ""
        self._began = self._said = now()

    def __call__(self, step: Step) -> None:
        """Shows a step, at a bounded rate."""
        now = self._now()
        if step.stage != self._stage:
            # A stage that first speaks after some steps began when the one before it ended.
            self._stage = step.stage
            self._began = self._said = self._said if step.done else now
            if step.total == 1 and not step.done:
                self._tell(f"{step.stage} …")
                return
        ended = step.done >= step.total
        if not ended and now - self._said < _EVERY_S:
            return
        self._said = now
        parts = [f"{step.stage} {step.done}/{step.total}" if step.total > 1 else step.stage, _values(step)]
        if not ended and step.done:
            parts.append(f"about {span((now - self._began) * (step.total - step.done) / step.done)} left")
        if ended:
            parts.append(f"done in {span(now - self._began)}")
        self._tell("  ".join(p for p in parts if p))


def _values(step: Step) -> str:
    return "  ".join(f"{k} {v:.3g}" if abs(v) < 1000 else f"{k} {v:.0f}" for k, v in step.values.items())
