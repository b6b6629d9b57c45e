"""Files that hold one take more than once: as it was found, filtered, and augmented."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from dyadwatch.core.readers.association import FileSighting, one_person, sighting
from dyadwatch.core.readers.people_files import Person

_DIVIDER = re.compile(r"[^A-Za-z0-9]+")


def copies(files: Mapping[Path, Person]) -> dict[Path, Path]:
    """The files whose person is that of another, in place within a few centimetres all along, and that other file.

    Programs add to the name what they did, so only files are compared whose names begin alike: `x`, `x_filt`, `x_LSTM`.
    They lie in one folder, and not two alone: those are a pair, or none.

    Arguments:
        files: of one person each.
    """
    in_folder = Counter(path.parent for path in files)
    seen: dict[Path, FileSighting] = {}
    found: dict[Path, Path] = {}
    for path in sorted(files, key=lambda p: (len(p.stem), p)):
        person = files[path]
        for original in _names_before(path):
            other = files.get(original)
            if other is None or in_folder[path.parent] <= 2 or original in found:
                continue
            if (other.fps, other.layout.joints) == (person.fps, person.layout.joints):
                for p in (path, original):
                    seen.setdefault(p, sighting(files[p].joints))
                if one_person(seen[original], seen[path]):
                    found[path] = original
                    break
    return found


def _names_before(path: Path) -> Iterator[Path]:
    """Files beside it whose names are the beginning of its own, shortest first."""
    for end in _DIVIDER.finditer(path.stem):
        if end.start():
            yield path.with_name(path.stem[: end.start()] + path.suffix)
