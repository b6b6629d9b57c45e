"""Which files of a folder, one person each, belong to one recording of two people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

# What tells the two files of a recording apart: a word of its own in the name, else a number 1 or 2 at its end.
_WORD = re.compile(r"(?<![a-z0-9])(?:(?:p|person|actor|subject|performer)[ _-]?)([12ab])(?![a-z0-9])")
_LETTER = re.compile(r"(?<![a-z0-9])([ab])(?![a-z0-9])")
_NUMBER = re.compile(r"(?<=[^0-9])()([12])\Z")
PAIR_RULE = (
    "two files a recording, named alike but for p1 and p2, person1 and person2, actor1 and actor2, a and b, or a last "
    "1 and 2; or a folder with just two"
)


def _key(stem: str) -> tuple[str, str] | None:
    """The name without what tells the person, and which person; None where nothing does."""
    name = stem.lower()
    for pattern in (_WORD, _LETTER, _NUMBER):
        found = list(pattern.finditer(name))
        if found:
            mark = found[-1]
            return name[: mark.start()] + "*" + name[mark.end() :], "2" if mark[0][-1] in "2b" else "1"
    return None


def pair_up(files: Sequence[Path]) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Pairs among files of one person each, in the order of their names, and the files that have no partner."""
    by_folder: dict[Path, list[Path]] = {}
    for file in sorted(files):
        by_folder.setdefault(file.parent, []).append(file)
    pairs: list[tuple[Path, Path]] = []
    alone: list[Path] = []
    for inside in by_folder.values():
        if len(inside) == 2:
            pairs.append((inside[0], inside[1]))
            continue
        waiting: dict[tuple[str, str, str], Path] = {}
        for file in inside:
            found = _key(file.stem)
            if found is None:
                alone.append(file)
                continue
            name, who = found
            partner = waiting.pop((name, "1" if who == "2" else "2", file.suffix.lower()), None)
            if partner is None:
                waiting[name, who, file.suffix.lower()] = file
            else:
                pairs.append((partner, file) if who == "2" else (file, partner))
        alone += waiting.values()
    return sorted(pairs), sorted(alone)
