"""One door for every format: looks at what lies there and calls its reader."""

from __future__ import annotations

from pathlib import Path

from dyadwatch.core.clips import read_clips
from dyadwatch.core.errors import ClipError
from dyadwatch.core.readers.dataset import Dataset, gather
from dyadwatch.core.readers.interx import read_interx
from dyadwatch.core.readers.ntu import read_ntu
from dyadwatch.core.readers.sbu import is_sbu, read_sbu

_KNOWN = (
    "clips.npz with meta.json (the shared format), skeleton_pos.txt (SBU), .skeleton files (NTU RGB+D 120), or the "
    "folders skeletons, annots and splits (Inter-X)"
)


def read_shared(path: Path) -> Dataset:
    """Clips in the shared format, those of them that can be used.

    Raises:
        ClipError: when the file is unusable or not one clip is.
    """
    clips = read_clips(path)
    jobs = [(c.clip_id or f"clip {i}", lambda c=c: c) for i, c in enumerate(clips)]
    found = gather(path, "shared", clips.layout, jobs, "clips of two persons")
    return Dataset(found.clips, clips.layout, clips.name, "shared", found.skipped)


def read_dataset(path: str | Path) -> Dataset:
    """Reads a data set in any known format.

    Arguments:
        path: a file or folder: the shared format, SBU's text, NTU's `.skeleton` files, or Inter-X's folders.

    Returns:
        The clips, in the order of their names, with what was skipped and why.

    Raises:
        ClipError: naming what was found and what was expected.
    """
    path = Path(path)
    if path.is_file():
        if path.suffix == ".skeleton":
            return read_ntu(path)
        if is_sbu(path.name):
            return read_sbu(path)
        if path.suffix == ".npz":
            return read_shared(path)
        raise ClipError(f"{path}: a file of an unknown kind; expected {_KNOWN}")
    if not path.is_dir():
        raise ClipError(f"{path}: no such file or folder; expected {_KNOWN}")
    if (path / "clips.npz").is_file():
        return read_shared(path)
    if (path / "skeletons").is_dir() and (path / "splits").is_dir():
        return read_interx(path)
    if any(path.rglob("*.skeleton")):
        return read_ntu(path)
    if any(is_sbu(p.name) for p in path.rglob("*.txt")):
        return read_sbu(path)
    raise ClipError(f"{path}: a folder of an unknown kind; expected {_KNOWN}")
