"""How far an evaluation is and how long it still takes: a bar in a terminal, a line now and then anywhere else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dyadwatch.tools.progress import span

if TYPE_CHECKING:
    from dyadwatch.core.evaluation.jobs import Status

_EVERY_S = 10.0
_LOOK_S = 1.0  # how often it is looked whether a line is due


@contextmanager
def progress(console: Console) -> Iterator[Callable[[Status], None]]:
    """A listener that shows an evaluation on `console` until the context ends."""
    if not console.is_terminal:
        lines = StatusLines(lambda text: console.print(text, soft_wrap=True, markup=False, highlight=False))
        with _caught_up(lines):
            yield lines
    else:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(" of "),
                   TextColumn("{task.fields[left]}"))  # fmt: skip
        with Progress(*columns, console=console) as bars:
            yield _Bar(bars)


class TimeLeft:
    """What is known of the time left, in words; what the job of the moment has taken is taken off."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._job = self._stage = ("", "", "")
        self._job_began = self._stage_began = now()
        self._stage_from = 0

    def __call__(self, status: Status) -> str:
        """The line for a status."""
        now, step = self._now(), status.step
        job = (status.part, status.job, "")
        if job != self._job:
            self._job, self._job_began = job, now
        stage = (status.part, status.job, step.stage if step else "")
        if stage != self._stage:
            self._stage, self._stage_began, self._stage_from = stage, now, step.done if step else 0
        left = None if status.left_s is None else status.left_s - (now - self._job_began)
        if left is not None and left > 0:  # a job that outlasts the guess makes it worth nothing
            return f"about {span(left)} left"
        if step is not None and self._stage_from < step.done < step.total:
            pace = (now - self._stage_began) / (step.done - self._stage_from)
            return f"about {span(pace * (step.total - step.done))} left of that"
        return ""


def said(status: Status) -> str:
    """What is being done."""
    step = status.step
    doing = "" if step is None else f"{step.stage} {step.done}/{step.total}" if step.total > 1 else step.stage
    return "  ".join(text for text in (status.part, status.job, doing) if text)


@contextmanager
def _caught_up(lines: StatusLines) -> Iterator[None]:
    """Lines for jobs that say nothing of themselves, until the context ends."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_S):
            lines.catch_up()

    watcher = threading.Thread(target=watch, name="evaluate-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


class StatusLines:
    """A line when the work begins and every ten seconds while it lasts.

    Safe to call from several threads.

    Arguments:
        tell: called with each line.
        now: seconds that pass.
    """

    def __init__(self, tell: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._now = now
        self._left = TimeLeft(now)
        self._said: float | None = None
        self._untold: Status | None = None
        self._lock = threading.Lock()

    def __call__(self, status: Status) -> None:
        """Shows a status; any thread may call."""
        with self._lock:
            self._hear(status)

    def catch_up(self) -> None:
        """Says the latest status if it is due and was not said: a long job that tells no steps gets its line too."""
        with self._lock:
            if self._untold is not None:
                self._hear(self._untold)

    def _hear(self, status: Status) -> None:
        left, now = self._left(status), self._now()
        self._untold = status if status.job else None
        if not status.job or (self._said is not None and now - self._said < _EVERY_S):
            return
        self._said, self._untold = now, None
        values = status.step.values if status.step else {}
        shown = "  ".join(f"{k} {v:.3g}" for k, v in values.items())
        self._tell("  ".join(t for t in (f"{status.done} of {status.total} done; {said(status)}", shown, left) if t))


class _Bar:
    """One bar for all jobs."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._left = TimeLeft()
        self._task = bars.add_task("", total=None, left="")

    def __call__(self, status: Status) -> None:
        self._bars.update(
            self._task, completed=status.done, total=status.total, description=said(status), left=self._left(status)
        )
