"""Locks between processes, on files; each goes with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_FLAGS = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC


class FileLock:
    """The right to be the one process that writes a file, held from the start until `release`.

    The lock is on a file beside it, with `.lock` behind its name, which stays.

    Arguments:
        path: the file that is written.

    Raises:
        BlockingIOError: another process holds it.
        OSError: the lock file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._held = os.open(path.with_name(f"{path.name}.lock"), _FLAGS, 0o600)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            self.release()
            raise BlockingIOError(e.errno, f"{path} is locked by another process") from None

    def release(self) -> None:
        """Lets go of it; again, nothing happens."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


@contextmanager
def waiting_lock(path: Path) -> Generator[None]:
    """Waits for a lock on a file, or on a folder that is there, and holds it inside the block.

    Raises:
        OSError: it cannot be opened or made.
    """
    held = os.open(path, os.O_RDONLY if path.is_dir() else _FLAGS, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
