"""What a long run says of itself where nobody watches, and in a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from dyadwatch.core.training.options import Progress
from dyadwatch.tools.progress import Lines, shown, span


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89.0, "89 s"), (90.0, "2 min"), (5399.0, "90 min"), (9000.0, "2.5 h")]
)
def test_spans(seconds, text):
    assert span(seconds) == text


def test_a_line_every_ten_seconds_with_the_time_left() -> None:
    told: list[str] = []
    clock = [0.0]
    lines = Lines(told.append, lambda: clock[0])
    lines(Progress("clips", 0, 1))
    clock[0] = 3.0
    lines(Progress("clips", 1, 1, {"windows": 2638.0}))
    for step in range(10, 101, 10):
        clock[0] = 3.0 + 0.4 * step
        lines(Progress("encoder", step, 100, {"loss": 0.5123}))
    assert told == [
        "clips …",
        "clips  windows 2638  done in 3 s",
        "encoder 30/100  loss 0.512  about 28 s left",
        "encoder 60/100  loss 0.512  about 16 s left",
        "encoder 90/100  loss 0.512  about 4 s left",
        "encoder 100/100  loss 0.512  done in 40 s",
    ]


def test_no_terminal_no_bars() -> None:
    told = io.StringIO()
    with shown(Console(file=told)) as listener:
        listener(Progress("encoder [1]", 2, 2, {"auroc": 0.9}))
    assert told.getvalue() == "encoder [1] 2/2  auroc 0.9  done in 0 s\n"


def test_bars_in_a_terminal() -> None:
    told = io.StringIO()
    with shown(Console(file=told, force_terminal=True, width=120)) as listener:
        listener(Progress("encoder", 1, 2, {"loss": 0.7}))
        listener(Progress("encoder", 2, 2, {"loss": 0.5}))
    assert "━" in told.getvalue()
    assert "2/2" in told.getvalue()
    assert "loss 0.5" in told.getvalue()
