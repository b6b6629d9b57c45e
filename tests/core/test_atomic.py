"""Whole files or none."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from dyadwatch.core.files.atomic import write_atomically, written_atomically


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    path, stop, sizes = tmp_path / "a.png", threading.Event(), set[int]()
    write_atomically(path, b"x" * 2_000_000)

    def read() -> None:
        while not stop.is_set():
            sizes.add(len(path.read_bytes()))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        write_atomically(path, b"y" * 2_000_000)
    stop.set()
    reader.join()
    assert sizes == {2_000_000}
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_old_file_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, b"old")
    path.chmod(0o640)
    with suppress(RuntimeError), written_atomically(path) as partial:
        partial.write_bytes(b"ne")
        raise RuntimeError
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old", [path])
    write_atomically(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)


def test_links_are_followed_and_pipes_written_to(tmp_path: Path) -> None:
    file, link, pipe = tmp_path / "file", tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(file)
    write_atomically(link, b"there")
    assert link.is_symlink()
    assert file.read_bytes() == b"there"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, b"flows")
    reader.join()
    assert got == [b"flows"]
    assert pipe.is_fifo()


def test_what_the_program_itself_prints_to_is_not_replaced() -> None:
    write_atomically(Path("/dev/null"), b"gone")
    assert Path("/dev/null").is_char_device()
