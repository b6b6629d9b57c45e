"""Tables in a document that people write: only what stands between two marks is remade."""

from __future__ import annotations

from pathlib import Path

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.core.files.atomic import write_atomically

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def check_writable(file: Path) -> None:
    """Whether a file can be written later on, before the work begins.

    Raises:
        DyadwatchError: when there is no folder for it, or marks in it are not a pair.
    """
    if not file.parent.is_dir():
        raise DyadwatchError(f"cannot write {file}: there is no folder {file.parent}; make it first")
    if file.is_dir():
        raise DyadwatchError(f"cannot write {file}: it is a folder; expected the name of a file")
    _around(file)


def write_tables(file: Path, text: str) -> None:
    """Writes `text` between the marks of a document that has them; a document without is written anew.

    Raises:
        DyadwatchError: when marks are not a pair, or the file cannot be read.
    """
    around = _around(file)
    if around is None:
        write_atomically(file, text.encode())
    else:
        before, after = around
        write_atomically(file, f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}".encode())


def _around(file: Path) -> tuple[str, str] | None:
    """What stands before and after the marks; None where there are none."""
    if not file.is_file():
        return None
    try:
        text = file.read_text("utf8")
    except (OSError, UnicodeDecodeError) as error:
        raise DyadwatchError(f"{file}: cannot be read as text ({error}); give another name") from None
    counts = text.count(BEGIN), text.count(END)
    if counts == (0, 0):
        return None
    if counts != (1, 1) or text.index(BEGIN) > text.index(END):
        raise DyadwatchError(
            f"{file}: has {counts[0]} {BEGIN!r} and {counts[1]} {END!r}; expected one of each, in this order, or none"
        )
    return text[: text.index(BEGIN)], text[text.index(END) + len(END) :]
