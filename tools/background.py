"""The one `dyadwatch up` of a folder: its process id behind a lock, its start without a terminal, its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.core.files.atomic import write_private
from dyadwatch.core.files.locks import FileLock

PID, LOG = "up.pid", "up.log"
_READY_S = 120.0
_ENDED_S = 40.0  # a stop that scores all that waits may take 30
_MOST_LOG = 8 << 20  # bytes; what is older is kept once more, in up.log.1
_LOOK_S = 600.0
_SAID = 2000  # bytes of the log that are shown where a start fails


class UpLock:
    """The right to be the one `dyadwatch up` of a folder, from the start until `release`.

    It goes with the process, however that ends; the process id stands in the file `up.pid`.

    Arguments:
        folder: that holds incidents and tokens.

    Raises:
        ConfigError: another one runs, or the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._pid = folder / PID
        try:
            self._lock = FileLock(self._pid)
        except BlockingIOError:
            raise _already(folder) from None
        except OSError as e:
            raise ConfigError(
                f"{self._pid}.lock cannot be made ({e.strerror}); expected a folder to write to"
            ) from None
        write_private(self._pid, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Lets another one start."""
        self._pid.unlink(missing_ok=True)
        self._lock.release()


def check_none_runs(folder: Path) -> None:
    """Finds one that runs before anything is started.

    Raises:
        ConfigError: there is one.
    """
    if (folder / PID).exists() and _is_locked(folder):
        raise _already(folder)


def start(words: Sequence[str], folder: Path, answers: Callable[[float], bool]) -> int | None:
    """Starts `dyadwatch up` in a session of its own, which no terminal ends, and waits for its page.

    What it would print goes to `up.log` in the folder.

    Arguments:
        words: of its command line.
        folder: that holds incidents and tokens.
        answers: whether the page does, waiting for so many seconds at most.

    Returns:
        Its process id; None where it runs and the page does not answer in time.

    Raises:
        DyadwatchError: it ended; the text has what it said last.
    """
    log = folder / LOG
    out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    began = os.fstat(out).st_size
    command = [sys.executable, "-m", "dyadwatch.tools.main", "up", *words, "--in-background"]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    finally:
        os.close(out)
    until = time.monotonic() + _READY_S
    try:
        while time.monotonic() < until:
            if process.poll() is not None:
                said = log.read_bytes()[began:][-_SAID:].decode("utf8", "replace").strip() or "nothing"
                raise DyadwatchError(f"it ended with exit code {process.returncode} while it started; it said: {said}")
            if _pid_of(folder) == process.pid and answers(1.0):
                return process.pid
            time.sleep(0.1)
    except KeyboardInterrupt:
        process.terminate()
        raise
    return None


def stop(folder: Path) -> int:
    """Asks the one that runs to end, and waits until it has. Gives the process id that it had.

    Raises:
        ConfigError: none runs.
        DyadwatchError: it does not end.
    """
    pid = _pid_of(folder) if _is_locked(folder) else None
    if pid is None:
        raise ConfigError(f"no dyadwatch up runs on {folder}; expected the --data or --config that it was started with")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + _ENDED_S
    while _is_locked(folder):
        if time.monotonic() > until:
            raise DyadwatchError(f"process {pid} has not ended after {_ENDED_S:g} s; `kill -9 {pid}` ends it at once")
        time.sleep(0.1)
    return pid


def keep_log_short(folder: Path, most: int = _MOST_LOG, look_s: float = _LOOK_S) -> None:
    """From now on keeps `up.log`, which this process and its children append to, from growing for ever."""

    def work() -> None:
        while True:
            with contextlib.suppress(OSError):
                cut_log(folder, most)
            time.sleep(look_s)

    threading.Thread(target=work, name="log size", daemon=True).start()


def cut_log(folder: Path, most: int) -> None:
    """Moves what stands in a log longer than `most` bytes to `up.log.1`; who appends to it goes on."""
    log = folder / LOG
    if log.stat().st_size > most:
        shutil.copyfile(log, log.with_name(f"{LOG}.1"))
        os.truncate(log, 0)


def _already(folder: Path) -> ConfigError:
    pid = _pid_of(folder)
    which = "" if pid is None else f" (process {pid})"
    return ConfigError(
        f"dyadwatch up runs on {folder} already{which}; stop it with `dyadwatch up --stop`, with the --data or "
        "--config that it was started with, or give another folder with --data"
    )


def _is_locked(folder: Path) -> bool:
    try:
        FileLock(folder / PID).release()
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _pid_of(folder: Path) -> int | None:
    try:
        return int((folder / PID).read_text())
    except (OSError, ValueError):
        return None
