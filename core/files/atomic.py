"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_atomically(path: Path, *, keep_mode: bool = True) -> Iterator[Path]:
    """Gives a path beside `path` to write to, and puts what was written in its place at the end.

    A reader sees the old file or the whole new one. After an error the old one is as it was. A link is followed, and
    what is no file, such as a pipe or /dev/stdout, is written to straight. The name given ends as `path` does.

    Arguments:
        path: where it is to be.
        keep_mode: who may read and write it stays as it was, where it was there.

    Raises:
        OSError: the file cannot be put in its place.
    """
    if (path.exists() and not path.is_file()) or path.absolute().parts[1:2] in (("dev",), ("proc",)):
        yield path
        return
    path = path.resolve()
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        if keep_mode and path.exists():
            shutil.copymode(path, partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Writes a file that its owner alone may read, as `write_atomically` does, and sees it to the disk.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """
    flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC
    with written_atomically(path, keep_mode=False) as partial, open(os.open(partial, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file: a reader sees the old one or the whole new one, never a part; its folder is made if need be.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as partial:
        partial.write_bytes(data)
