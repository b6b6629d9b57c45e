"""One door for every format: looks at what lies there and calls its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from dyadwatch.core.data.clip_files import read_clips
from dyadwatch.core.errors import ClipError, UnknownFormatError
from dyadwatch.core.readers.dataset import Dataset, gather
from dyadwatch.core.readers.folder import Found, read_folder
from dyadwatch.core.readers.formats import KNOWN, PoseFormat, head_of, is_of, read_people
from dyadwatch.core.readers.interx import read_interx
from dyadwatch.core.readers.ntu import read_ntu
from dyadwatch.core.readers.people_files import Person
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.readers.sbu import is_sbu, read_sbu

_SBU_VALUES = 91
_ZIP = b"PK\x03\x04"
_MOST_NAMED = 10


def read_shared(path: Path) -> Dataset:
    """Clips in the shared format, those of them that can be used.

    Raises:
        ClipError: when the file is unusable or not one clip is.
    """
    file = path / "clips.npz" if path.is_dir() else path
    if not head_of(file).startswith(_ZIP[:2]):  # numpy takes it for a pickle, and advises to load it unsafely
        raise ClipError(f"{file}: is no .npz file, or is damaged; expected clips.npz of the shared format")
    clips = read_clips(path)
    jobs = [(c.clip_id or f"clip {i}", lambda c=c: c) for i, c in enumerate(clips)]
    found = gather(path, "shared", clips.layout, jobs, "clips of two persons")
    return Dataset(found.clips, clips.layout, clips.name, "shared", found.skipped, found.doubts)


def read_poses(
    paths: str | Path | Iterable[str | Path], declared: ReadOptions | None = None, formats: Sequence[PoseFormat] = ()
) -> list[Dataset]:
    """Reads whatever pose files and folders lie at the paths.

    Files that hold one person are taken two by two, in the order given; in a folder, by their names.

    Arguments:
        paths: files and folders of any known format, or one of them.
        declared: what the user says of the files that they do not say themselves; data sets in a format of their own
            (shared, SBU, NTU, Inter-X) need none.
        formats: further ones of files with people in them, asked before those that are known.

    Returns:
        One data set for every path that is one, and one for every layout of the others; each with what was skipped.
        Joints in metres, Y up, shape (T, 2, J, 3).

    Raises:
        ClipError: naming the file, what was found and what was expected.
        ConfigError: when the declared marker map is unusable.
    """
    declared = declared or ReadOptions()
    out: list[Dataset] = []
    loose = Found()
    waiting: tuple[Path, Person] | None = None
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        known = None if is_of(path, formats) else _known_dataset(path)
        if known is not None:
            out.append(known(path))
            continue
        if path.is_dir():
            out += read_folder(path, declared, formats).datasets(path.name)
            continue
        kind, people = read_people(path, declared, formats)
        if len(people) > 1:
            loose.add(kind, str(path), people, path.stem)
        elif waiting is None:
            waiting = (path, people[0])
        else:
            before, person = waiting
            name = f"{before.stem}+{path.stem}"
            loose.add_pair(kind, (before, path), (person, people[0]), (name, ""), declared)
            waiting = None
    if waiting is not None:
        raise ClipError(f"{waiting[0]}: one person only; expected two: give the other person's file after it")
    return out + loose.datasets("")


def read_dataset(path: str | Path, declared: ReadOptions | None = None) -> Dataset:
    """Reads a data set of one layout in any known format.

    Arguments:
        path: a file or folder.
        declared: as for `read_poses`.

    Returns:
        The clips, in the order of their names, with what was skipped and why; clips in doubt are skipped.

    Raises:
        ClipError: naming what was found and what was expected.
        ConfigError: when the declared marker map is unusable.
    """
    found = read_poses([path], declared)
    if len(found) > 1:
        counts = " and ".join(str(len(d.layout)) for d in found)
        raise ClipError(
            f"{path}: clips of {len(found)} skeletons, of {counts} joints; expected one skeleton: read them apart, or "
            "name the same joints in all with --map"
        )
    (only,) = (data.certain() for data in found)
    if not len(only):
        first = only.skipped[0]
        raise ClipError(f"{path}: no usable clip; {len(only.skipped)} skipped, such as {first.name}: {first.reason}")
    return only


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" if names[_MOST_NAMED:] else "")


def _known_dataset(path: Path) -> Callable[[Path], Dataset] | None:
    """The reader of a data set in a format of its own.

    Raises:
        ClipError: when there is nothing, or data sets below, which belong together only if somebody says so.
    """
    if not path.exists():
        raise UnknownFormatError(f"{path}: no such file or folder; expected {KNOWN}")
    if path.is_dir():
        if (path / "clips.npz").is_file():
            return read_shared
        if inside := sorted({p.parent.relative_to(path).as_posix() for p in path.rglob("clips.npz")}):
            raise ClipError(f"{path}: holds data sets in sub-folders ({_some(inside)}); name the ones you want")
        if (path / "skeletons").is_dir() and (path / "splits").is_dir():
            return read_interx
        if any(path.rglob("*.skeleton")):
            return read_ntu
        return read_sbu if any(is_sbu(p.name) for p in path.rglob("*.txt")) else None
    head = head_of(path)
    if head.startswith(_ZIP) or path.suffix == ".npz":
        return read_shared
    if path.suffix == ".skeleton":
        return read_ntu
    if is_sbu(path.name) or head.partition(b"\n")[0].count(b",") == _SBU_VALUES - 1:
        return read_sbu
    return None
