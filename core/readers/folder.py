"""Clips out of folders of files with people in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dyadwatch.core.clips import Clip
from dyadwatch.core.errors import ClipError, UnknownFormatError
from dyadwatch.core.readers.dataset import Dataset, Skipped, fault
from dyadwatch.core.readers.declared import Declared
from dyadwatch.core.readers.json_frames import frame_files, read_json_frames
from dyadwatch.core.readers.kinds import KINDS, KNOWN, read_people
from dyadwatch.core.readers.pairs import PAIR_RULE, pair_up
from dyadwatch.core.readers.people import Person, clip_of, two_people


class Found:
    """Clips and what was skipped, until all is read."""

    def __init__(self) -> None:
        self.clips: list[tuple[str, Clip]] = []
        self.skipped: list[Skipped] = []

    def add(self, kind: str, where: str, people: Sequence[Person], clip_id: str, label: str = "") -> None:
        """The clip of two of the people.

        Raises:
            ClipError: when it cannot be used.
        """
        two, left_out = two_people(people)
        clip = clip_of(where, two, clip_id, label)
        if reason := fault(clip):
            raise ClipError(f"{where}: {reason}")
        self.clips.append((kind, clip))
        why = "a third person; the two seen longest are kept"
        self.skipped += [Skipped(f"{clip_id}: {name}", why, clip, whole=False) for name in left_out]

    def datasets(self, name: str) -> list[Dataset]:
        """One data set for every layout."""
        by_layout: dict[tuple[str, ...], list[tuple[str, Clip]]] = {}
        for kind, clip in self.clips:
            by_layout.setdefault(clip.layout.joints, []).append((kind, clip))
        out: list[Dataset] = []
        for group in by_layout.values():
            kinds = "+".join(dict.fromkeys(kind for kind, _ in group))
            skipped = () if out else tuple(self.skipped)
            out.append(Dataset(tuple(c for _, c in group), group[0][1].layout, name, kinds, skipped))
        return out


class _Folder:
    """What lies in a folder, however deep; a file's first folder below it is its label."""

    def __init__(self, root: Path, declared: Declared) -> None:
        self.root, self.declared = root, declared
        self.found = Found()
        self.single: dict[Path, tuple[str, Person]] = {}

    def attempt(self, where: Path, read: Callable[..., None], *args: Path) -> None:
        """Reads; what cannot be used is skipped and told."""
        try:
            read(*args)
        except ClipError as e:
            self.found.skipped.append(Skipped(self._place(where), str(e)))

    def _place(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if path != self.root else path.name

    def _label(self, path: Path) -> str:
        parts = path.relative_to(self.root).parts
        return parts[0] if len(parts) > 1 else ""

    def read_file(self, path: Path) -> None:
        kind, people = read_people(path, self.declared)
        if len(people) > 1:
            self.found.add(kind, str(path), people, self._place(path.with_suffix("")), self._label(path))
        else:
            self.single[path] = (kind, people[0])

    def read_pair(self, first: Path, second: Path) -> None:
        kind, person = self.single[first]
        name = f"{self._place(first.with_suffix(''))}+{second.stem}"
        where = f"{first} and {second}"
        self.found.add(kind, where, [person, self.single[second][1]], name, self._label(first))

    def read_frames(self, folder: Path) -> None:
        if not frame_files(folder):
            return
        people = read_json_frames(folder, self.declared)
        if len(people) < 2:
            raise ClipError(f"{folder}: one person only; expected two")
        self.found.add("json", str(folder), people, self._place(folder), self._label(folder / "-"))


def read_folder(root: Path, declared: Declared) -> Found:
    """Pose files in a folder, however deep; those of one person are paired by their names.

    Raises:
        ClipError: when not one clip is usable.
        ConfigError: when the declared marker map is unusable.
    """
    folder = _Folder(root, declared)
    suffixes = {s for kind in KINDS for s in kind.suffixes}
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in suffixes and p.is_file()):
        folder.attempt(path, folder.read_file, path)
    pairs, alone = pair_up(list(folder.single))
    for first, second in pairs:
        folder.attempt(first, folder.read_pair, first, second)
    found = folder.found
    for path in alone:
        found.skipped.append(Skipped(path.relative_to(root).as_posix(), f"one person without a partner: {PAIR_RULE}"))
    for inside in sorted({p.parent for p in root.rglob("*.json")}):
        folder.attempt(inside, folder.read_frames, inside)
    if not found.clips:
        if not found.skipped:
            raise UnknownFormatError(f"{root}: a folder without pose files; expected one of: {KNOWN}")
        first = found.skipped[0]
        raise ClipError(f"{root}: no usable clip; {len(found.skipped)} skipped, such as {first.name}: {first.reason}")
    return found
