"""Text and numbers out of files that anybody may have written: bounded, in one pass, told where they are wrong."""

from __future__ import annotations

import codecs
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError

_MOST_BYTES = 500_000_000
_LARGEST = 1e9
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LOOKED_AT = 1024


def check_size(path: Path, kind: str, most: int = _MOST_BYTES) -> int:
    """How many bytes a file has.

    Raises:
        ClipError: when it cannot be opened or is larger than `most`.
    """
    try:
        size = path.stat().st_size
    except OSError as e:
        raise _closed(path, kind, e) from None
    if size > most:
        raise ClipError(f"{path}: {size} bytes; expected {kind}, at most {most} bytes")
    return size


def read_bytes(path: Path, kind: str, most: int = _MOST_BYTES) -> bytes:
    """The bytes of a file.

    Raises:
        ClipError: when it cannot be opened or is larger than `most`.
    """
    check_size(path, kind, most)
    try:
        return path.read_bytes()
    except OSError as e:
        raise _closed(path, kind, e) from None


def _closed(path: Path, kind: str, error: OSError) -> ClipError:
    return ClipError(f"{path}: cannot be opened ({error.strerror}); expected {kind}")


def plain_utf8(data: bytes) -> bytes:
    """The bytes of a text without its byte order marks, which many a Windows program writes first.

    Raises:
        ValueError: for UTF-16, by its mark or by the zero bytes between its letters.
    """
    while data.startswith(codecs.BOM_UTF8):  # more than one where files were joined, or marked again
        data = data.removeprefix(codecs.BOM_UTF8)
    if data.startswith(_UTF16) or b"\0" in data[:_LOOKED_AT]:
        raise ValueError("is UTF-16 or no text; expected UTF-8 (save it again as UTF-8)")
    return data


def read_utf8(path: Path, kind: str, most: int = _MOST_BYTES) -> bytes:
    """The bytes of a text file without its byte order mark.

    Raises:
        ClipError: when it cannot be opened, is too large or is UTF-16.
    """
    try:
        return plain_utf8(read_bytes(path, kind, most))
    except ValueError as e:
        raise ClipError(f"{path}: {e}") from None


def read_text(path: Path) -> str:
    """The text of a small file.

    Raises:
        ClipError: when it cannot be opened, is too large or is not UTF-8.
    """
    try:
        return read_utf8(path, "a text file").decode("utf8")
    except UnicodeDecodeError as e:
        raise ClipError(f"{path}: byte {e.start} is not text; expected a text file in UTF-8") from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file and their numbers, one after the other: of a large file one line is held at a time.

    Raises:
        ClipError: when it cannot be opened, is too large or is not UTF-8.
    """
    check_size(path, "a text file")
    i = 0
    try:
        with path.open("rb") as stream:
            plain_utf8(stream.read(_LOOKED_AT))
        with path.open(encoding="utf-8-sig") as stream:
            for i, line in enumerate(stream, 1):
                yield i, line.rstrip("\n")
    except UnicodeDecodeError:
        raise ClipError(f"{path}, below line {i}: not text; expected a text file in UTF-8") from None
    except ValueError as e:
        raise ClipError(f"{path}: {e}") from None
    except OSError as e:
        raise _closed(path, "a text file", e) from None


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z")


def number(word: str, where: str, most: float = _LARGEST) -> float:
    """A plain decimal number.

    Arguments:
        word: what stands there.
        where: says where it stands.
        most: largest magnitude.

    Raises:
        ClipError: when it is anything else, or larger.
    """
    word = word.strip()
    value = float(word) if word.isascii() and _NUMBER.match(word) else float("nan")
    if np.isnan(value):
        raise ClipError(f"{where}: {word[:20]!r} found; expected a plain number{_hint(word)}")
    if not abs(value) <= most:
        raise ClipError(f"{where}: {word[:20]!r} found; expected a plain number of at most {most:g}")
    return value


def _hint(word: str) -> str:
    """What a word that is no plain number probably is, in a few words; mostly nothing."""
    if re.match(r"[+-]?\d*,\d+\Z", word):
        return " (a decimal comma? numbers are read with a point)"
    if re.match(r"[\"']?(?:\d{4}-\d\d?-\d\d?|\d{1,2}:\d\d)", word):
        return " (a date or a time of day? times are read in seconds)"
    return " (in quotes? they are read without)" if re.match(r"([\"']).*\1\Z", word) else ""


_NUMBERS = re.compile(r"[0-9eE+\-.\s]*\Z")


def plain_numbers(text: str, where: str) -> NDArray[np.float64]:
    """Many plain decimal numbers with blanks between them; shape (N,).

    Raises:
        ClipError: when there is anything else, or a number beyond 1e9; `where` says where they stand.
    """
    values = np.empty(0)
    if text.strip() and _NUMBERS.match(text):
        with warnings.catch_warnings(action="ignore"):  # numpy stops with a warning where a number ends early
            values = np.fromstring(text, sep=" ")
    words = text.split()
    if len(values) != len(words) or (len(words) and not np.abs(values).max() <= _LARGEST):
        for word in words:
            number(word, where)
        raise ClipError(f"{where}: something else than plain numbers found")
    return values


def cells(words: Sequence[str], where: str) -> NDArray[np.float64]:
    """A number a cell, NaN where it is empty or says so; shape (N,).

    Raises:
        ClipError: when a cell holds anything else; `where` says where they stand.
    """
    if all(words) and " " not in (line := "\t".join(words)) and _NUMBERS.match(line):
        return plain_numbers(line, where)
    return np.asarray([np.nan if w.strip().lower() in ("", "nan") else number(w, where) for w in words])
