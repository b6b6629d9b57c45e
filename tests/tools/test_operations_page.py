"""docs/operations.md names what there is, and its lines do what they say."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from cyclopts import App

from dyadwatch.stream.configuration.config import Config, MemoryOptions
from dyadwatch.stream.configuration.config_keys import KEYS
from dyadwatch.stream.learning.versions import FOLDER
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.page.server import TOKENS
from dyadwatch.stream.page.tokens import Role, Tokens
from dyadwatch.stream.push.device_file import DeviceFile
from dyadwatch.stream.run import Run
from dyadwatch.tools.main import app

_DEFAULT = {"record.keep_days": "30", "memory.keep_days": "90", "delivery.keep_h": "72", "record.min_free_mb": "512"}


@pytest.fixture(scope="module")
def text(repo_root: Path) -> str:
    return (repo_root / "docs" / "operations.md").read_text("utf8")


def test_every_command_is_there(text: str) -> None:
    commands = {" ".join(found.split()) for found in re.findall(r"`(dyadwatch [^`]+)`", text)}
    commands |= {line.partition(" > ")[0] for line in text.splitlines() if line.startswith("dyadwatch ")}
    assert len(commands) > 12
    for command in sorted(commands):
        words, at = shlex.split(command)[1:], app
        while words and words[0] in at and not words[0].startswith("-"):
            at = at[words.pop(0)]
        assert isinstance(at, App)
        assert at is not app, command
        flags = {name for argument in at.assemble_argument_collection() for name in argument.names}
        for word in (w for w in words if w.startswith("--")):
            assert word in flags, command


def test_every_key_is_there_with_its_default(text: str) -> None:
    sections = {key.partition(".")[0] for key in KEYS}
    named = {
        n
        for n in re.findall(r"`([a-z_]+\.[a-z_]+)`", text)
        if n.partition(".")[0] in sections and not n.endswith(".db")
    }
    assert len(named) > 10
    assert named - set(KEYS) == set()
    for key, value in _DEFAULT.items():
        section, name = key.split(".")
        assert f"{getattr(getattr(Config(), section), name):g}" == value
        assert re.search(rf"`{key}`(, | \(){value}\b", text), key


def test_every_figure_is_there(text: str, repo_root: Path) -> None:
    made = (repo_root / "stream" / "delivery" / "metrics.py").read_text("utf8")
    figures = set(re.findall(r"`dyadwatch_(\w+)", text))
    assert len(figures) > 6
    assert {f for f in figures if f'"{f.removesuffix("_total")}"' not in made} == set()


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="no sqlite3 is installed")
def test_a_backup_is_made_while_it_runs_and_comes_back(text: str, tmp_path: Path) -> None:
    """The lines of the page, beside a detector that keeps on writing."""
    lines = re.search(r"## Back up\n.*?```sh\n(.*?)```", text, re.DOTALL)
    assert lines is not None
    data, backup = tmp_path / "data of a site", tmp_path / "backup"
    (data / FOLDER).mkdir(parents=True)
    (data / FOLDER / "models.json").write_text("{}")
    with DeviceFile(data / "push.db") as devices:
        devices.private_key(lambda: "the key")
    writer = MemoryWriter(data / "incidents.db", MemoryOptions(), Run("r1", 1), "dyadwatch", "m 1")
    Tokens(data / TOKENS).add("ann", Role.OPERATOR)
    try:
        assert (data / "incidents.db-wal").stat().st_size > 0, "what is kept is not in the file alone"
        done = subprocess.run(
            ["bash", "-euc", lines[1]], env={"PATH": "/usr/bin:/bin", "DATA": str(data), "BACKUP": str(backup)},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        writer.close()
    assert sorted(p.name for p in backup.iterdir()) == ["incidents.db", TOKENS, "push.db", FOLDER]
    assert backup.stat().st_mode & 0o077 == 0
    with Store(backup / "incidents.db") as store:
        assert [run.id for run in store.runs()] == ["r1"]
    with DeviceFile(backup / "push.db") as devices:
        assert devices.private_key(lambda: "another") == "the key"
    assert [t.name for t in Tokens(backup / TOKENS).all()] == ["ann"]
