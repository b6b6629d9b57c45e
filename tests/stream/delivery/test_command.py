"""Commands, as real processes."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dyadwatch.stream.codes import DeliveryLoss, DeliveryState
from dyadwatch.stream.configuration.delivery_options import CommandOptions

WRITES = "import os, sys; open({!r}, 'a').write(os.environ['DYADWATCH_TITLE'] + '|' + sys.stdin.read() + '\\n')"


def test_a_program_gets_each_update_on_standard_input_one_at_a_time(
    deliver: Any, updates: Any, until: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    sink = deliver(page=CommandOptions(command=(sys.executable, "-c", WRITES.format(str(out)))))
    sink.emit([updates.incident(), updates.call("a"), updates.call("b")])
    until(lambda: sink.states()[0][2].delivered == 2, "both calls")
    lines = [line.split("|", 1) for line in out.read_text().splitlines()]
    assert [title for title, _ in lines] == ["hall: please look"] * 2
    assert [json.loads(body)["key"] for _, body in lines] == ["a-1", "b-1"]


def test_one_that_fails_is_tried_again_and_then_left_out(
    deliver: Any, updates: Any, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    program = "import sys; sys.stdin.read(); sys.exit('no paper')"
    sink = deliver(page=CommandOptions(command=(sys.executable, "-c", program), most_tries=2))
    sink.emit([updates.call("a")])
    until(lambda: sink.states()[0][1].code is DeliveryState.FAILING, "the first failure")
    assert sink.states()[0][1].detail["error"] == f"{sys.executable} ended with 1: no paper"
    until(lambda: sink.states()[0][2].dropped == {DeliveryLoss.REFUSED: 1}, "the end")
    text = f"a-1 is left out: the other side does not take it ({sys.executable} ended with 1: no paper; try 2 of 2)"
    until(lambda: text in caplog.text, text)


def test_one_that_says_later_is_asked_until_it_can(deliver: Any, updates: Any, until: Any, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    program = (
        f"import os, sys; p = {str(mark)!r}; n = os.path.exists(p); open(p, 'a').write('x'); sys.exit(0 if n else 75)"
    )
    sink = deliver(page=CommandOptions(command=(sys.executable, "-c", program), most_tries=1))
    sink.emit([updates.call("a")])
    until(lambda: sink.states()[0][2].delivered == 1, "the second try")
    assert mark.read_text() == "xx"


def test_one_that_hangs_is_ended_with_all_that_it_started(
    deliver: Any, updates: Any, until: Any, tmp_path: Path
) -> None:
    mark = tmp_path / "pid"
    program = f"sleep 60 & echo $! > {mark}; wait"
    options = CommandOptions(command=("/bin/sh", "-c", program), timeout_s=0.5, most_tries=1)
    sink = deliver(page=options)
    sink.emit([updates.call("a")])
    until(lambda: sink.states()[0][2].dropped == {DeliveryLoss.REFUSED: 1}, "the end")
    child = int(mark.read_text())
    until(lambda: _is_gone(child), "the end of its child")


def test_a_stop_does_not_wait_for_a_program(deliver: Any, updates: Any, until: Any, tmp_path: Path) -> None:
    mark = tmp_path / "began"
    sink = deliver(page=CommandOptions(command=("/bin/sh", "-c", f"touch {mark}; sleep 60")))
    sink.emit([updates.call("a")])
    until(mark.exists, "its beginning")
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 1.5


def test_a_program_that_is_not_there_is_named(deliver: Any, updates: Any, until: Any) -> None:
    sink = deliver(page=CommandOptions(command=("/nonexistent/page",)))
    sink.emit([updates.call("a")])
    until(lambda: sink.states()[0][1].code is DeliveryState.FAILING, "the failure")
    assert sink.states()[0][1].detail["error"] == "/nonexistent/page cannot be run (No such file or directory)"


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
