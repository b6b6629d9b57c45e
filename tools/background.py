"""The one `dyadwatch up` of a folder: its start without a terminal, its log, its end."""

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
from dyadwatch.tools.up_lock import already, holder_of

LOG = "up.log"
_READY_S = 120.0
_ENDED_S = 40.0  # a stop that scores all that waits may take 30
_MOST_LOG = 8 << 20  # bytes; what is older is kept once more, in up.log.1
_LOOK_S = 600.0
_SAID = 2000  # bytes of the log that are shown where a start fails


def check_none_runs(folder: Path) -> None:
    """Finds one that runs before anything is started.

    Raises:
        ConfigError: there is one.
    """
    pid = holder_of(folder)
    if pid is not None:
        raise already(folder, pid)


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
        ConfigError: its log cannot be written.
        DyadwatchError: it ended; the text has what it said last.
    """
    log = folder / LOG
    try:
        out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    except OSError as e:
        raise ConfigError(f"{log} cannot be written ({e.strerror}); expected a folder to write to") from None
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
            if holder_of(folder) == process.pid and answers(1.0):
                return process.pid
            time.sleep(0.1)
    except KeyboardInterrupt:
        process.terminate()
        raise
    return None


def stop(folder: Path) -> int:
    """Asks the one that runs to end, and waits until it has. Gives the process id that it had.

    Raises:
        ConfigError: none runs, or it is not ours to end.
        DyadwatchError: it does not end.
    """
    pid = holder_of(folder)
    if pid is None:
        raise ConfigError(f"no dyadwatch up runs on {folder}; expected the --data or --config that it was started with")
    if pid == 0:
        raise ConfigError(
            f"dyadwatch up on {folder} runs in a container or on another machine; expected --stop in the same place"
        )
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except OSError as e:
        raise ConfigError(
            f"process {pid} may not be ended ({e.strerror}); expected --stop by the user that started it, or by root"
        ) from None
    until = time.monotonic() + _ENDED_S
    while holder_of(folder) == pid:
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
        before = log.with_name(f"{LOG}.1")
        before.touch(0o600)  # for its owner alone from the first byte on, as the log is
        shutil.copy(log, before)
        os.truncate(log, 0)
