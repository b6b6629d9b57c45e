"""What a C++ library writes to standard error is sieved; what this program writes is not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dyadwatch.stream.publishers.camera.quiet import calm_stderr

NOISE = (
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "W0000 00:00:1795286664.222089   19706 inference_feedback_manager.cc:114] Feedback manager requires a model",
    "I0000 00:00:1795286664.222089   19706 gl_context.cc:369] GL version: 3.1",
)
_BEGIN = """
import logging, os, sys, time
from dyadwatch.stream.publishers.camera.quiet import calm_stderr
logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stderr)
"""


def _stderr_of(script: str) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, "-c", _BEGIN + script], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.splitlines()


def test_only_lines_of_exactly_that_kind_are_held_back() -> None:
    kept = [
        "E0000 00:00:1795286664.222089   19706 calculator_graph.cc:928] failed",
        "W0000 is how this line begins",
        "WARNING of our own",
        "says: INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
        "",
    ]
    lines = [w for pair in zip((*NOISE, NOISE[2]), kept, strict=True) for w in pair]
    code, told = _stderr_of(
        f"""
with calm_stderr():
    for line in {lines!r}:
        os.write(2, line.encode() + b"\\n")
os.write(2, b"W0000 00:00:1.5 7 x.cc:1] afterwards\\n")
"""
    )
    assert code == 0
    assert told == [*kept, "W0000 00:00:1.5 7 x.cc:1] afterwards"]


def test_a_line_in_pieces_is_one_and_one_without_an_end_is_not_lost() -> None:
    half = NOISE[2][:30], NOISE[2][30:]
    _, told = _stderr_of(
        f"""
with calm_stderr():
    os.write(2, {half[0]!r}.encode()); time.sleep(0.5); os.write(2, {half[1]!r}.encode() + b"\\nno end")
"""
    )
    assert told[-1] == "no end"
    assert len(told) == 1 or told == [half[0] + half[1], "no end"], "a slow line may be passed on, but whole"


def test_our_own_words_and_log_lines_go_past_the_sieve_and_an_error_leaves_everything_as_it_was() -> None:
    code, told = _stderr_of(
        """
before = sys.stderr
try:
    with calm_stderr():
        assert sys.stderr is not before and sys.stderr.fileno() != 2
        sys.stderr.write("said\\n")
        logging.warning("logged")
        assert os.write(2, b"raw\\n") == 4
        raise KeyError("x")
except KeyError:
    pass
assert sys.stderr is before
logging.warning("later")
print("W0000 00:00:1.5 7 x.cc:1] ours", file=sys.stderr)
"""
    )
    assert code == 0, told
    assert sorted(told[:3]) == ["WARNING logged", "raw", "said"]
    assert told[3:] == ["WARNING later", "W0000 00:00:1.5 7 x.cc:1] ours"]


def test_much_at_once_and_a_child_that_lives_on_do_not_hold_it_up() -> None:
    code, told = _stderr_of(
        """
import subprocess
with calm_stderr():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
    for _ in range(40):
        os.write(2, b"x" * 9999 + b"\\n")
began = time.monotonic()
child.kill(); child.wait()
"""
    )
    assert code == 0
    assert [len(line) for line in told] == [9999] * 40


def test_a_closed_standard_error_is_no_error() -> None:
    code, _ = _stderr_of(
        """
os.close(2)
with calm_stderr():
    done = 1
os._exit(done)
"""
    )
    assert code == 1


def test_a_stream_that_is_not_file_descriptor_2_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stderr
    with calm_stderr():
        assert sys.stderr is before
        os.fstat(2)
        sys.stderr.write("heard\n")
    assert capsys.readouterr().err == "heard\n"
