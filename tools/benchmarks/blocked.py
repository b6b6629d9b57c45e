"""Outputs that nobody reads, and disks without room: the ways in which a detector's surroundings fail."""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.tools.benchmarks.process import READY

_READY_S = 60.0


class Pipe:
    """A pipe or terminal that takes nothing any more once it is `fill`ed.

    Arguments:
        terminal: a terminal instead of a pipe.
    """

    def __init__(self, terminal: bool = False) -> None:
        self.reader, self.writer = pty.openpty() if terminal else os.pipe()

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self.reader)
        os.close(self.writer)

    def fill(self) -> None:
        """Fills it. By a file description of its own: that of the other process stays one that waits."""
        other = os.open(f"/proc/self/fd/{self.writer}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            for size in (4096, 1):
                with contextlib.suppress(BlockingIOError):
                    while os.write(other, b"." * size):
                        pass
        finally:
            os.close(other)

    def read_until_ready(self) -> None:
        """Reads until the detector says that it listens, and never again.

        Raises:
            DyadwatchError: when it does not say so.
        """
        said, until = b"", time.monotonic() + _READY_S
        os.set_blocking(self.reader, False)
        while READY not in said:
            with contextlib.suppress(BlockingIOError):
                said += os.read(self.reader, 65536)
            if time.monotonic() > until:
                raise DyadwatchError(f"the detector did not start: {said[-2000:].decode('utf8', 'replace')}")
            time.sleep(0.05)


@contextmanager
def small_disk(folder: Path, megabytes: int = 1) -> Iterator[tuple[Path, str]]:
    """A folder on a file system of its own with hardly any room, where that can be mounted; else an ordinary one.

    Yields:
        the folder, and `tmpfs` or `limit`: with `limit` the caller must bound the size of files (`bound_files`).
    """
    place = folder / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError as e:
        if e.errno != errno.ENOENT:
            raise
        mounted = False
    try:
        yield place, "tmpfs" if mounted else "limit"
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=False)


def bound_files(pid: int, megabytes: int = 1) -> None:
    """From now on every file of a process that grows beyond that gives the error of a full disk, or nearly: EFBIG."""
    most = megabytes << 20
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
