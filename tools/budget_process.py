"""Budgets tried on recorded hours for the page: `dyadwatch learn budgets` in a process of its own, beside the page."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.stream.learning.budget_table import WorkedOut

_LONGEST_S = 1800.0  # four weeks of crowded rooms


class BudgetProcess:
    """Works budgets out for a configuration; the process ends with the one that started it.

    Arguments:
        words: `--config` and `--set` of the detector.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def __call__(self, days: int) -> WorkedOut:
        """What budgets make of the hours of so many days.

        Raises:
            DyadwatchError: it could not be worked out.
        """
        command = [sys.executable, "-m", "dyadwatch.tools.main", "learn", "budgets", "--days", str(days)]
        command += ["--json", "--attached", *self._words]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            keep, process.stdin = process.stdin, None  # open as long as it is wanted
            try:
                out, said = process.communicate(timeout=_LONGEST_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise DyadwatchError(f"looking through {days} days took longer than {_LONGEST_S:g} s") from None
            finally:
                keep.close()
        if process.returncode:
            if process.returncode == -signal.SIGKILL:
                raise DyadwatchError("reading was ended, perhaps for want of memory; look back fewer days")
            last = said.decode(errors="replace").strip().rpartition("\n")[2].removeprefix("dyadwatch: ")
            raise DyadwatchError(last or f"the process that looks into recordings ended with {process.returncode}")
        try:
            return msgspec.json.decode(out, type=WorkedOut)
        except msgspec.MsgspecError as e:
            raise DyadwatchError(f"the process that looks into recordings said what cannot be read ({e})") from None
