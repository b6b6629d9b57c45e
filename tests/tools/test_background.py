"""`dyadwatch up --detach`: it outlives the terminal, there is one of it, and it ends when it is asked to."""

from __future__ import annotations

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
from dyadwatch.tools import background

PATIENCE_S = 120.0  # the machine may be busy
# A shell in a session whose terminal is standard input, as a terminal emulator starts one.
SHELL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp("sh", ["sh", "-c", sys.argv[1]])
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
    pid = one.data / background.PID
    if pid.exists():  # a test failed
        os.kill(int(pid.read_text()), signal.SIGKILL)


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
    assert f"stop it with: dyadwatch up --stop --data {site.data} --model simulated --set wire.bind=" in said
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
            "with the --data or --config that it was started with, or give another folder with --data\n"
        )

    assert site.run("--stop") == (0, f"stopped; it was process {pid}\n", "")
    assert "Traceback" not in log.read_text()
    assert not (site.data / background.PID).exists()
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


def test_a_lock_without_a_process_is_none(tmp_path: Path) -> None:
    (tmp_path / background.PID).write_text("1\n")  # killed: nobody holds the lock any more
    background.check_none_runs(tmp_path)
    with pytest.raises(ConfigError, match=r"^no dyadwatch up runs on "):
        background.stop(tmp_path)
    lock = background.UpLock(tmp_path)
    assert (tmp_path / background.PID).read_text() == f"{os.getpid()}\n"
    with pytest.raises(ConfigError, match=rf" already \(process {os.getpid()}\); "):
        background.UpLock(tmp_path)
    lock.release()
    background.UpLock(tmp_path).release()


def test_a_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    with (tmp_path / background.LOG).open("ab", buffering=0) as log:
        log.write(b"old\n" * 10)
        background.cut_log(tmp_path, 100)
        assert (tmp_path / background.LOG).stat().st_size == 40
        background.cut_log(tmp_path, 39)
        log.write(b"new\n")
    assert (tmp_path / background.LOG).read_bytes() == b"new\n"
    assert (tmp_path / f"{background.LOG}.1").read_bytes() == b"old\n" * 10
