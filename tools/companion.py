"""Keeps another program running beside a detector, such as the page: a process that is started again when it ends."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

_log = logging.getLogger(__name__)
_FIRST_S, _LONGEST_S = 1.0, 30.0  # between two starts, doubled each time
_WELL_S = 60.0  # one that ran for so long begins again with the first
_STOP_S = 3.0


class Companion:
    """Runs a verb of dyadwatch from `start` to `close`. Nothing that happens to it touches the detector.

    Arguments:
        name: of it, for people.
        words: of the command line; the verb must know `--attached`.
    """

    def __init__(self, name: str, words: Sequence[str]) -> None:
        self._name = name
        self._command = [sys.executable, "-m", "dyadwatch.tools.main", *words, "--attached"]
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def start(self) -> None:
        """Starts it, and from then on again whenever it ends."""
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now; None between two."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def ask_to_end(self) -> None:
        """Asks it to end for good; does not wait."""
        self._stop.set()
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()  # it stops at the end of its input, as it does where this process is killed

    def close(self) -> None:
        """Ends it for good."""
        self.ask_to_end()
        process = self._process
        self._thread.join(_STOP_S)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()

    def _keep(self) -> None:
        wait = _FIRST_S
        while not self._stop.is_set():
            began = time.monotonic()
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            code = self._process.wait()
            if self._stop.is_set():
                return
            if time.monotonic() - began > _WELL_S:
                wait = _FIRST_S
            _log.warning("the %s ended with exit code %d; it is started again in %g s", self._name, code, wait)
            self._stop.wait(wait)
            wait = min(2 * wait, _LONGEST_S)
