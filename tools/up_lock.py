"""The right to be the one `dyadwatch up` of a folder, and who has it."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from dyadwatch.core.errors import ConfigError

PID = "up.pid"
_FLOCK = "hhqqi"  # struct flock of Linux: type, whence, start, length, process


class UpLock:
    """The right to be the one `dyadwatch up` of a folder, from the start until `release`.

    It goes with the process, however that ends: the kernel keeps it, and says who has it. The file `up.pid` tells
    people the same; what stands in it is believed by nobody. The process opens that file only once: to close it again
    would let go of the lock.

    Arguments:
        folder: that holds incidents and tokens.

    Raises:
        ConfigError: another one runs, or the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / PID
        try:
            self._held = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise _no_room(path, e) from None
        try:
            fcntl.lockf(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            os.close(self._held)
            raise already(folder, holder_of(folder)) from None
        except OSError as e:
            os.close(self._held)
            raise _no_room(path, e) from None
        try:
            length = os.pwrite(self._held, f"{os.getpid()}\n".encode(), 0)
            os.ftruncate(self._held, length)
        except OSError as e:
            os.close(self._held)
            raise _no_room(path, e) from None

    def release(self) -> None:
        """Lets another one start; the file stays, empty: who waits for its lock has it open."""
        os.ftruncate(self._held, 0)
        os.close(self._held)


def holder_of(folder: Path) -> int | None:
    """The process that has the lock of a folder, as the kernel has it; None where nobody has, or there is no folder.

    0 is a process that this one cannot see: in a container, or on another machine. Takes and makes nothing.

    Raises:
        ConfigError: the lock may not be looked at.
    """
    path = folder / PID
    try:
        looked = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise ConfigError(
            f"{path} cannot be read ({e.strerror}); expected a file of the user that dyadwatch up runs as"
        ) from None
    try:
        told = fcntl.fcntl(looked, fcntl.F_GETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError as e:
        raise ConfigError(f"{path} cannot be locked ({e.strerror}); expected a disk that has locks") from None
    finally:
        os.close(looked)
    kind, _, _, _, pid = struct.unpack(_FLOCK, told)
    return None if kind == fcntl.F_UNLCK else max(pid, 0)


def already(folder: Path, pid: int | None) -> ConfigError:
    """That another one runs."""
    which = f" (process {pid})" if pid else ""
    return ConfigError(
        f"dyadwatch up runs on {folder} already{which}; stop it with `dyadwatch up --stop`, with the --data or "
        "--config that it was started with, or give another folder with --data; where memory.file is set, another "
        "memory.file in another folder"
    )


def _no_room(path: Path, e: OSError) -> ConfigError:
    return ConfigError(f"{path} cannot be written ({e.strerror}); expected a folder to write to, with room left")
