"""What every reader gives: clips, and what it had to leave out and why."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.clips import Clip, ClipSet
from dyadwatch.core.errors import ClipError
from dyadwatch.core.skeleton import Layout

_ABSURD_M = 100.0
_FEWEST_FRAMES = 2
_MOST_BYTES = 500_000_000


@dataclass(frozen=True)
class Skipped:
    """What cannot be used, and why in a few words.

    Arguments:
        clip: as far as it was read.
        whole: False where it is only a person of a clip that is used without him.
    """

    name: str
    reason: str
    clip: Clip | None = field(default=None, repr=False, compare=False)
    whole: bool = True


@dataclass(frozen=True)
class Dataset(ClipSet):
    """Clips of one data set.

    Arguments:
        kind: the format they were read from: `shared`, `sbu`, `ntu` or `inter-x`.
        skipped: clips that were left out.
    """

    kind: str = ""
    skipped: tuple[Skipped, ...] = ()

    def where(self, keep: Callable[[Clip], bool]) -> Dataset:
        """The clips for which `keep` is true, and what was skipped of them or may have been one of them."""
        skipped = tuple(s for s in self.skipped if s.clip is None or keep(s.clip))
        return replace(self, clips=tuple(c for c in self.clips if keep(c)), skipped=skipped)


def fault(clip: Clip) -> str:
    """Why a clip cannot be used; empty where it can."""
    if len(clip) < _FEWEST_FRAMES:
        return f"{len(clip)} frames; expected at least {_FEWEST_FRAMES}"
    seen = np.asarray(np.isfinite(clip.joints).all(axis=-1))  # (T, 2, J)
    for person in (0, 1):
        if not seen[:, person].any():
            return f"person {person} is never seen; expected two persons"
    if np.nanmax(np.abs(np.where(seen[..., None], clip.joints, 0))) > _ABSURD_M:
        return f"joints more than {_ABSURD_M:.0f} m away; expected metres"
    return ""


def gather(
    root: Path, kind: str, layout: Layout, names: Iterable[tuple[str, Callable[[], Clip]]], expected: str
) -> Dataset:
    """Reads clip after clip; one that cannot be used is skipped and told, never fatal.

    Arguments:
        root: the data set's file or folder, for messages and its name.
        kind, layout: of the data set.
        names: name of each clip and a function that reads it.
        expected: what was looked for, for the message when there is nothing.

    Raises:
        ClipError: when not one clip is usable.
    """
    clips: list[Clip] = []
    skipped: list[Skipped] = []
    for name, read in names:
        try:
            clip = read()
        except ClipError as e:
            skipped.append(Skipped(name, str(e)))
            continue
        reason = fault(clip)
        if reason:
            skipped.append(Skipped(name, reason, clip))
        else:
            clips.append(clip)
    if not clips:
        found = (
            f"{len(skipped)} clips, none usable, such as {skipped[0].name}: {skipped[0].reason}" if skipped else "none"
        )
        raise ClipError(f"{root}: no usable clip; found {found}; expected {expected}")
    return Dataset(tuple(clips), layout, root.name, kind, tuple(skipped))


def read_bytes(path: Path, kind: str, most: int = _MOST_BYTES) -> bytes:
    """The bytes of a file.

    Raises:
        ClipError: when it cannot be opened or is larger than `most`.
    """
    try:
        if path.stat().st_size > most:
            raise ClipError(f"{path}: {path.stat().st_size} bytes; expected {kind}, at most {most} bytes")
        return path.read_bytes()
    except OSError as e:
        raise ClipError(f"{path}: cannot be opened ({e.strerror}); expected {kind}") from None


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ClipError: when it cannot be opened, is too large or is not text.
    """
    try:
        return read_bytes(path, "a text file").decode("utf8")
    except UnicodeDecodeError as e:
        raise ClipError(f"{path}: byte {e.start} is not text; expected a text file") from None


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z")


def number(word: str, where: str) -> float:
    """A plain decimal number within 1e9.

    Raises:
        ClipError: when it is anything else; `where` says where it stands.
    """
    word = word.strip()
    value = float(word) if word.isascii() and _NUMBER.match(word) else float("nan")
    if not abs(value) <= 1e9:
        raise ClipError(f"{where}: {word[:20]!r} found; expected a plain number")
    return value


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
    if len(values) != (count := len(text.split())) or (count and not np.abs(values).max() <= 1e9):
        for word in text.split():
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
