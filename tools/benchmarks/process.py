"""A detector in a process of its own, seen from outside: memory, threads, open files and what it logs."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from dyadwatch.core.errors import DyadwatchError, MissingExtraError
from dyadwatch.live_detector import free_address

try:
    import psutil
except ImportError:
    raise MissingExtraError("psutil", "dev") from None

_START_S = 60.0
_STOP_S = 15.0
_LINE = re.compile(rb"^[A-Z]+ ([@\w-]+): ", re.MULTILINE)
READY = b"listening on"


def own_rss_mb() -> float:
    """Resident memory of this very process, MB."""
    return psutil.Process().memory_info().rss / 1e6


@dataclass(frozen=True)
class Sample:
    """What a detector and all processes it started held at a moment.

    Arguments:
        at: monotonic seconds.
        rss_mb: resident memory.
        fds, threads: open files and threads.
        cpu_s: processor time since its start.
    """

    at: float
    rss_mb: float
    fds: int
    threads: int
    cpu_s: float


class DetectorProcess:
    """`dyadwatch run` on free ports, as a context manager that kills it if it does not stop by itself.

    Arguments:
        folder: where its log goes.
        settings: further `--set` options.
        arguments: further arguments of `run`.
        stdout, stderr: where its output goes; by default nowhere, and into the log.
        every_s: seconds between two samples; 0: none are taken.
    """

    def __init__(
        self,
        folder: Path,
        settings: Sequence[str] = (),
        arguments: Sequence[str] = ("--json",),
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        stderr: int | IO[bytes] | None = None,
        every_s: float = 0.0,
    ) -> None:
        self.into, self.out = free_address(), free_address()
        options = [f"wire.bind={self.into}", f"sinks.bind={self.out}", "scorer.model=simulated", *settings]
        self._command = [sys.executable, "-m", "dyadwatch.tools.main", "run", *arguments]
        self._command += [word for option in options for word in ("--set", option)]
        self._log_path = folder / f"log-{time.monotonic_ns()}"
        self._stdout, self._stderr = stdout, stderr
        self._every_s = every_s
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample_on, name="sampler", daemon=True)
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        """Starts it and waits until it says that it listens.

        Raises:
            DyadwatchError: when it does not start; the message holds the end of what it said.
        """
        with self._log_path.open("wb") as log:
            stderr = log if self._stderr is None else self._stderr
            self.process = subprocess.Popen(self._command, stdout=self._stdout, stderr=stderr)
        self.pid = self.process.pid
        if self._stderr is None:
            self._wait_ready()
        if self._every_s:
            self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._sampler.is_alive():
            self._sampler.join()
        self.stop(_STOP_S)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    @property
    def log(self) -> bytes:
        """What it wrote to standard error so far."""
        return self._log_path.read_bytes()

    def stop(self, within_s: float, number: int = signal.SIGTERM) -> float | None:
        """Sends a signal; returns the seconds it took to end, or None where it had to be killed."""
        began = time.monotonic()
        if self.alive:
            self.process.send_signal(number)
        try:
            self.process.wait(within_s)
            return time.monotonic() - began
        except subprocess.TimeoutExpired:
            for p in self._tree():
                p.kill()
            self.process.wait()
            return None

    def sample(self) -> Sample | None:
        """Measures now; None where it has ended."""
        rss = cpu = 0.0
        fds = threads = 0
        for p in self._tree():
            try:
                with p.oneshot():
                    rss += p.memory_info().rss
                    threads += p.num_threads()
                    fds += p.num_fds()
                    cpu += sum(p.cpu_times()[:2])
            except psutil.Error:
                continue
        return Sample(time.monotonic(), rss / 1e6, fds, threads, cpu) if rss else None

    def _tree(self) -> list[psutil.Process]:
        try:
            top = psutil.Process(self.pid)
            return [top, *top.children(recursive=True)]
        except psutil.Error:
            return []

    def _sample_on(self) -> None:
        while not self._done.wait(self._every_s):
            if (sample := self.sample()) is not None:
                self.samples.append(sample)

    def _wait_ready(self) -> None:
        until = time.monotonic() + _START_S
        while READY not in self.log:
            if not self.alive or time.monotonic() > until:
                self.stop(1.0)
                raise DyadwatchError(f"the detector did not start: {self.log[-2000:].decode('utf8', 'replace')}")
            time.sleep(0.05)


def lines_by_source(log: bytes) -> Counter[str]:
    """How many lines of a log begin with the name of a source; `` counts all others."""
    named = Counter(m.decode() for m in _LINE.findall(log))
    named[""] = log.count(b"\n") - named.total()
    return named
