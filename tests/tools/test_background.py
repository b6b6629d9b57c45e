"""`dyadwatch up --detach`: it outlives the terminal, there is one of it, and it ends when it is asked to."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.stream.sockets.free_port import free_port
from dyadwatch.tools import background, up_lock
from dyadwatch.tools.up import up

PATIENCE_S = 120.0  # the machine may be busy
# A shell in a session whose terminal is standard input, as a terminal emulator starts one.
SHELL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp("sh", ["sh", "-c", sys.argv[1]])
"""


class Site:
    """A folder of data with ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.bind = f"127.0.0.1:{free_port()}"
        options = (f"wire.bind=tcp://127.0.0.1:{free_port()}", f"sinks.bind=tcp://127.0.0.1:{free_port()}",
                   f"page.bind={self.bind}", "record.min_free_mb=0")  # fmt: skip
        self.options = [word for option in options for word in ("--set", option)]

    def up(self, *words: str) -> list[str]:
        command = [sys.executable, "-m", "dyadwatch.tools.main", "up", "--model", "simulated"]
        return [*command, "--data", str(self.data), *self.options, *words]

    def run(self, *words: str) -> tuple[int, str, str]:
        done = subprocess.run(self.up(*words), capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    one = Site(tmp_path)
    yield one
    pid = up_lock.holder_of(one.data)
    if pid is not None:  # a test failed
        os.kill(pid, signal.SIGKILL)


def read_until(master: int, wanted: str) -> str:
    said, until = b"", time.monotonic() + PATIENCE_S
    while wanted.encode() not in said:
        assert time.monotonic() < until, said.decode()
        said += os.read(master, 4096)
    return said.decode()


@pytest.mark.slow
def test_it_outlives_its_terminal_and_there_is_one(site: Site) -> None:
    master, slave = os.openpty()
    quoted = " ".join(f"'{word}'" for word in site.up("--detach"))
    shell = subprocess.Popen(
        [sys.executable, "-c", SHELL, f"{quoted}; echo left $?; sleep 300"], stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    said = read_until(master, "left 0").replace("\r\n", "\n")
    link = re.search(r"^the page is at (\S+)  \(works once\)$", said, re.MULTILINE)
    found = re.search(r"^it goes on without this terminal as process (\d+); log: (\S+)$", said, re.MULTILINE)
    assert link is not None, said
    assert found is not None, said
    stops = f"stop it with: dyadwatch up --stop --set memory.file={site.data / 'incidents.db'}\n"
    assert stops in said
    pid = int(found[1])
    assert os.getsid(pid) == pid != os.getsid(shell.pid)

    os.close(master)  # the terminal is closed: the kernel hangs up everybody in its session
    assert shell.wait(PATIENCE_S) == -signal.SIGHUP
    time.sleep(0.5)
    with httpx.Client(base_url=f"http://{site.bind}", trust_env=False, timeout=30.0) as client:
        entered = client.get(link[1])
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        until = time.monotonic() + PATIENCE_S
        while not client.get("/api/v1/health").json()["detector"]:
            assert time.monotonic() < until
            time.sleep(0.1)

    log = Path(found[2])
    assert log == site.data / "up.log"
    assert log.stat().st_mode & 0o077 == 0
    assert "token=" not in log.read_text(), "no way in stands in the log"
    for words in ((), ("--detach",)):
        code, _, error = site.run(*words)
        assert code == 2
        assert error == (
            f"dyadwatch: dyadwatch up runs on {site.data} already (process {pid}); stop it with `dyadwatch up --stop`, "
            "with the --data or --config that it was started with, or give another folder with --data; where "
            "memory.file is set, another memory.file in another folder\n"
        )

    words = [sys.executable, "-m", "dyadwatch.tools.main", *stops.split()[4:]]  # what was printed is enough
    stopped = subprocess.run(words, cwd="/", capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (0, f"stopped; it was process {pid}\n", "")
    assert "Traceback" not in log.read_text()
    assert (site.data / up_lock.PID).read_text() == ""
    code, _, error = site.run("--stop")
    assert code == 2
    assert error == (
        f"dyadwatch: no dyadwatch up runs on {site.data}; expected the --data or --config that it was started with\n"
    )


@pytest.mark.slow
def test_what_keeps_it_from_starting_is_said_where_it_was_started(site: Site) -> None:
    with socket.socket() as taken:
        host, _, port = site.bind.partition(":")
        taken.bind((host, int(port)))
        taken.listen()
        code, _, error = site.run("--detach")
    assert code == 2
    assert f"page.bind is '{site.bind}'; expected an address this machine can bind" in error
    code, _, error = site.run("--detach", "--stop")
    assert (code, error) == (2, "dyadwatch: --detach and --stop are both given; expected one of them\n")


def test_one_that_ends_while_it_starts_says_why(tmp_path: Path) -> None:
    with pytest.raises(DyadwatchError, match=r"^it ended with exit code 2 .*; it said: .*none\.yaml cannot"):
        background.start(["--config", str(tmp_path / "none.yaml")], tmp_path, lambda within_s: True)


HOLD = """
import sys; from pathlib import Path; from dyadwatch.tools.up_lock import UpLock
lock = UpLock(Path(sys.argv[1])); print("held", flush=True); sys.stdin.read(); lock.release()
"""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the lock until it is asked to end."""
    words = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_a_lock_without_a_process_is_none(tmp_path: Path) -> None:
    (tmp_path / up_lock.PID).write_text("1\n")  # killed: nobody holds the lock any more
    background.check_none_runs(tmp_path)
    with pytest.raises(ConfigError, match=r"^no dyadwatch up runs on "):
        background.stop(tmp_path)
    with held(tmp_path) as holder:
        assert (tmp_path / up_lock.PID).read_text() == f"{holder.pid}\n"
        for taken in (background.check_none_runs, up_lock.UpLock):
            with pytest.raises(ConfigError, match=rf" already \(process {holder.pid}\); "):
                taken(tmp_path)
        holder.communicate()
        assert up_lock.holder_of(tmp_path) is None
    up_lock.UpLock(tmp_path).release()


def test_a_process_that_has_not_the_lock_is_left_alone(tmp_path: Path) -> None:
    """Whatever its number does in the file: left by one that was killed, when another has just begun to start."""
    with subprocess.Popen(["sleep", "300"]) as innocent, held(tmp_path) as holder:
        try:
            (tmp_path / up_lock.PID).write_text(f"{innocent.pid}\n")
            assert background.stop(tmp_path) == holder.pid
            assert holder.wait(PATIENCE_S) == -signal.SIGTERM
            with pytest.raises(ConfigError, match=r"^no dyadwatch up runs on "):
                background.stop(tmp_path)
            assert innocent.poll() is None
        finally:
            innocent.kill()


def test_looking_for_one_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^no dyadwatch up runs on {tmp_path / 'none'}; "):
        up(data=tmp_path / "none", stop=True)
    assert list(tmp_path.iterdir()) == []


def test_a_process_of_another_user_is_left_to_him(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with held(tmp_path) as holder, monkeypatch.context() as patch:
        patch.setattr(os, "kill", refuse)
        said = rf"^process {holder.pid} may not be ended \(Operation not permitted\); expected --stop by the user that"
        with pytest.raises(ConfigError, match=said):
            background.stop(tmp_path)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    said = rf"^{file} cannot be made \(File exists\); expected a folder for data, with --data, record.folder or"
    with pytest.raises(ConfigError, match=said):
        up(data=file, detach=True)
    with pytest.raises(ConfigError, match=rf"^{file}/up.pid cannot be read \(Not a directory\); expected a file"):
        up(data=file, stop=True)
    with pytest.raises(ConfigError, match=rf"^{file}/up.log cannot be written \(Not a directory\); expected a folder"):
        background.start([], file, lambda within_s: True)
    with pytest.raises(ConfigError, match=rf"^{file}/up.pid cannot be written \(Not a directory\); expected a folder"):
        up_lock.UpLock(file)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / up_lock.PID).symlink_to("/dev/full")
    with pytest.raises(ConfigError, match=r"up.pid cannot be written \(No space left on device\); expected a folder"):
        up_lock.UpLock(tmp_path)


def test_a_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    (tmp_path / background.LOG).touch(0o600)
    with (tmp_path / background.LOG).open("ab", buffering=0) as log:
        log.write(b"old\n" * 10)
        background.cut_log(tmp_path, 100)
        assert (tmp_path / background.LOG).stat().st_size == 40
        background.cut_log(tmp_path, 39)
        log.write(b"new\n")
    assert (tmp_path / background.LOG).read_bytes() == b"new\n"
    before = tmp_path / f"{background.LOG}.1"
    assert before.read_bytes() == b"old\n" * 10
    assert before.stat().st_mode & 0o777 == 0o600
