"""An evaluation says how far it is and how long it still takes, also where nobody watches."""

from __future__ import annotations

import io
import threading
import time

from rich.console import Console

from dyadwatch.core.evaluation.jobs import Status
from dyadwatch.core.training.options import Progress
from dyadwatch.tools.evaluate_progress import StatusLines, progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines_of(*steps: tuple[float, Status]) -> list[str]:
    clock, told = Clock(), []
    lines = StatusLines(told.append, now=clock)
    for at, status in steps:
        clock.now = at
        lines(status)
    return told


def test_the_first_job_is_named_and_quick_ones_after_it_are_not() -> None:
    assert lines_of(
        (0, Status(0, 40, "a, fold1, seed 0", None)),
        (1, Status(1, 40, "b, fold1, seed 0", 39)),
        (12, Status(9, 40, "c, fold1, seed 0", 31)),
        (15, Status(40, 40, "", 0)),
        (30, Status(40, 40, "", 0)),
    ) == ["0 of 40 done; a, fold1, seed 0", "9 of 40 done; c, fold1, seed 0  about 31 s left"]


def test_a_long_job_says_every_ten_seconds_how_far_it_is() -> None:
    def step(done: int) -> Status:
        return Status(2, 3, "dyadwatch, test", 600, Progress("encoder", done, 300, {"loss": 0.512}), part="sbu: x")

    told = lines_of((0, step(0)), (5, step(10)), (10, step(20)), (19, step(38)), (21, step(42)))
    assert told == [
        "2 of 3 done; sbu: x  dyadwatch, test  encoder 0/300  loss 0.512  about 10 min left",
        "2 of 3 done; sbu: x  dyadwatch, test  encoder 20/300  loss 0.512  about 10 min left",
        "2 of 3 done; sbu: x  dyadwatch, test  encoder 42/300  loss 0.512  about 10 min left",
    ]
    late = lines_of((0, step(0)), (590, step(290)))
    assert late[-1].endswith("about 10 s left")
    longer = lines_of((0, step(0)), (610, step(200)))
    assert longer[-1].endswith("about 5 min left of that")  # the guess of the whole has run out


def test_while_nothing_else_is_known_the_stage_says_what_is_left_of_it() -> None:
    def step(stage: str, done: int) -> Status:
        return Status(0, 3, "dyadwatch", None, Progress(stage, done, 100))

    told = lines_of(
        (0, step("critic", 0)), (11, step("encoder", 50)), (22, step("encoder", 60)), (33, step("encoder", 100))
    )
    assert told == [
        "0 of 3 done; dyadwatch  critic 0/100",
        "0 of 3 done; dyadwatch  encoder 50/100",
        "0 of 3 done; dyadwatch  encoder 60/100  about 44 s left of that",
        "0 of 3 done; dyadwatch  encoder 100/100",
    ]


def test_a_long_job_that_tells_no_steps_gets_its_line() -> None:
    clock, told = Clock(), []
    lines = StatusLines(told.append, now=clock)
    lines(Status(0, 3, "quick", None))
    clock.now = 3
    lines(Status(1, 3, "trees", None))
    for clock.now in (9, 11, 25):
        lines.catch_up()
    lines(Status(3, 3, "", 0))
    clock.now = 40
    lines.catch_up()
    assert told == ["0 of 3 done; quick", "1 of 3 done; trees"]


def test_lines_are_caught_up_without_being_asked() -> None:
    out = io.StringIO()
    with progress(Console(file=out, force_terminal=False), every_s=0.1) as tell:
        tell(Status(0, 3, "quick", None))
        tell(Status(1, 3, "trees", None))
        until = time.monotonic() + 5
        while "trees" not in out.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
    assert out.getvalue() == "0 of 3 done; quick\n1 of 3 done; trees\n"
    assert "evaluate-progress" not in {t.name for t in threading.enumerate()}


def test_a_terminal_shows_one_bar() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with progress(console) as tell:
        tell(Status(1, 3, "a [b], fold1", 90, Progress("encoder", 5, 9)))
    text = out.getvalue()
    assert "a [b], fold1  encoder 5/9" in text
    assert "1 of 3" in " ".join(text.split())
    assert "about 2 min left" in text
