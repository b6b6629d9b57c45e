"""Locks between processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dyadwatch.core.files.locks import FileLock, waiting_lock

TRIES = (
    "import sys; from pathlib import Path; from dyadwatch.core.files.locks import FileLock; FileLock(Path(sys.argv[1]))"
)


def test_one_process_holds_it_until_it_lets_go(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    held = FileLock(file)
    with pytest.raises(BlockingIOError, match=f"{file} is locked by another process"):
        FileLock(file)
    other = subprocess.run([sys.executable, "-c", TRIES, str(file)], capture_output=True, text=True, check=False)
    assert (other.returncode, "BlockingIOError" in other.stderr) == (1, True)
    held.release()
    held.release()
    FileLock(file).release()


def test_a_folder_or_a_file_is_held_for_a_while(tmp_path: Path) -> None:
    with waiting_lock(tmp_path), waiting_lock(tmp_path / "a.lock"), pytest.raises(BlockingIOError):
        FileLock(tmp_path / "a")
    FileLock(tmp_path / "a").release()
