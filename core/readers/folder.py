"""Clips out of folders of files with people in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.errors import ClipError, UnknownFormatError
from dyadwatch.core.readers.copies import copies
from dyadwatch.core.readers.dataset import Dataset, Skipped, fault
from dyadwatch.core.readers.formats import KINDS, KNOWN, PoseFormat, read_people
from dyadwatch.core.readers.json_frames import frame_files, read_json_frames
from dyadwatch.core.readers.pairs import PAIR_RULE, pair_up
from dyadwatch.core.readers.people_files import Person, clip_of, two_people
from dyadwatch.core.readers.read_options import ReadOptions

_TAIL_S, _TAIL = 0.25, 0.01  # by how much, or by what part, two files of one recording may end apart


class Found:
    """Clips and what was skipped, until all is read."""

    def __init__(self) -> None:
        self.clips: list[tuple[str, Clip]] = []
        self.skipped: list[Skipped] = []
        self.doubts: list[Skipped] = []

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
        self.skipped += [Skipped(f"{clip_id}: {name}", why, clip, whole=False) for name, why in left_out]
        notes = dict.fromkeys(note for person in two for note in person.notes)
        self.doubts += [Skipped(clip_id, note, clip, whole=False) for note in notes]

    def add_pair(
        self,
        kind: str,
        files: tuple[Path, Path],
        people: Sequence[Person],
        names: tuple[str, str],
        declared: ReadOptions,
    ) -> None:
        """The clip of two files of one person each; in doubt where they hardly are one recording.

        Arguments:
            kind: their format.
            files, people: in order.
            names: id and label of the clip.
            declared: may say that files of any lengths are one recording.

        Raises:
            ClipError: when it cannot be used.
        """
        clip_id, label = names
        self.add(kind, f"{files[0]} and {files[1]}", people, clip_id, label)
        if not declared.unequal and (doubt := _lengths(people)):
            self.doubts.append(Skipped(clip_id, doubt, self.clips[-1][1]))

    def datasets(self, name: str) -> list[Dataset]:
        """One data set for every layout."""
        by_layout: dict[tuple[str, ...], list[tuple[str, Clip]]] = {}
        for kind, clip in self.clips:
            by_layout.setdefault(clip.layout.joints, []).append((kind, clip))
        out: list[Dataset] = []
        for group in by_layout.values():
            kinds = "+".join(dict.fromkeys(kind for kind, _ in group))
            skipped, doubts = ((), ()) if out else (tuple(self.skipped), tuple(self.doubts))
            out.append(Dataset(tuple(c for _, c in group), group[0][1].layout, name, kinds, skipped, doubts))
        return out


def _lengths(people: Sequence[Person]) -> str:
    """What to tell of files whose lengths differ by more than the last frames of one recording; empty if not."""
    lengths = [len(p.joints) / p.fps for p in people]
    if abs(lengths[0] - lengths[1]) <= max(_TAIL_S, _TAIL * max(lengths)):
        return ""
    return (
        f"they last {lengths[0]:.2f} and {lengths[1]:.2f} s: two takes rather than one recording of two people? "
        "(if they are one, say so with --unequal)"
    )


class _Folder:
    """What lies in a folder, however deep; a file's first folder below it is its label."""

    def __init__(self, root: Path, declared: ReadOptions, formats: Sequence[PoseFormat]) -> None:
        self.root, self.declared, self.formats = root, declared, formats
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
        kind, people = read_people(path, self.declared, self.formats)
        if len(people) > 1:
            self.found.add(kind, str(path), people, self._place(path.with_suffix("")), self._label(path))
        else:
            self.single[path] = (kind, people[0])

    def read_pair(self, first: Path, second: Path) -> None:
        kind, person = self.single[first]
        name = f"{self._place(first.with_suffix(''))}+{second.stem}"
        people = [person, self.single[second][1]]
        self.found.add_pair(kind, (first, second), people, (name, self._label(first)), self.declared)

    def read_frames(self, folder: Path) -> None:
        if not frame_files(folder):
            return
        people = read_json_frames(folder, self.declared)
        if len(people) < 2:
            raise ClipError(f"{folder}: one person only; expected two")
        self.found.add("json", str(folder), people, self._place(folder), self._label(folder / "-"))


def read_folder(root: Path, declared: ReadOptions, formats: Sequence[PoseFormat] = ()) -> Found:
    """Pose files in a folder, however deep; those of one person are paired by their names.

    Raises:
        ClipError: when not one clip is usable.
        ConfigError: when the declared marker map is unusable.
    """
    folder = _Folder(root, declared, formats)
    suffixes = {s for kind in (*formats, *KINDS) for s in kind.suffixes}
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in suffixes and p.is_file()):
        folder.attempt(path, folder.read_file, path)
    again = copies({path: person for path, (_, person) in folder.single.items()})
    pairs, alone = pair_up([path for path in folder.single if path not in again])
    for first, second in pairs:
        folder.attempt(first, folder.read_pair, first, second)
    found = folder.found
    for path, first in again.items():
        reason = f"the same take as {first.name}, in place within a few centimetres: raw and filtered? one is enough"
        found.skipped.append(Skipped(path.relative_to(root).as_posix(), reason))
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
