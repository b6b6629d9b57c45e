"""Formats of files with people in them, told apart by what they begin with."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from dyadwatch.core.errors import ClipError, UnknownFormatError
from dyadwatch.core.readers.bvh import read_bvh
from dyadwatch.core.readers.c3d import read_c3d
from dyadwatch.core.readers.csv_table import read_csv
from dyadwatch.core.readers.interx import FPS, INTERX64, read_person
from dyadwatch.core.readers.people_files import Person
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.core.readers.trc import read_trc
from dyadwatch.core.skeletons.unseen import blank_zeros

KNOWN = (
    "clips.npz with meta.json (the shared format), .bvh, .c3d, .trc, .csv, a folder of OpenPose's or MediaPipe's .json "
    "frames, skeleton_pos.txt (SBU), .skeleton files (NTU RGB+D 120), P1.npy and P2.npy or the folders skeletons, "
    "annots and splits (Inter-X)"
)
_HEAD_BYTES = 4096


def _is_table(head: bytes) -> bool:
    return any(b"\n" + start in b"\n" + head for start in (b"frame,person,", b"time,person,"))


def _read_npy(path: Path, declared: ReadOptions) -> list[Person]:
    joints = read_person(path)
    zeros = blank_zeros(joints)
    return [Person(path.stem, joints, INTERX64, FPS, notes=zeros)]


class PoseFormat(NamedTuple):
    """A format of one file with the people in it. One of your own goes to `read_poses`, which asks it first.

    Arguments:
        name: of the format, for messages and data sets.
        suffixes: of its files, small letters with the dot; for files that begin like no format.
        begins: whether a file is of this format, from its first 4096 bytes.
        read: the people in a file, joints in metres, right-handed, Y up, see `Person`; raises ClipError, naming the
            file, what was found and what was expected.
    """

    name: str
    suffixes: tuple[str, ...]
    begins: Callable[[bytes], bool]
    read: Callable[[Path, ReadOptions], list[Person]]


KINDS = (
    PoseFormat("bvh", (".bvh",), lambda h: h.lstrip().startswith(b"HIERARCHY"), read_bvh),
    PoseFormat("c3d", (".c3d",), lambda h: h[:1] != b"" and h[0] < 32 and h[1:2] == b"P", read_c3d),
    PoseFormat("trc", (".trc",), lambda h: h.startswith(b"PathFileType"), read_trc),
    PoseFormat("inter-x", (".npy",), lambda h: h.startswith(b"\x93NUMPY"), _read_npy),
    PoseFormat("csv", (".csv", ".tsv"), _is_table, read_csv),
)  # fmt: skip


def _kind_of(path: Path, head: bytes, formats: Sequence[PoseFormat]) -> PoseFormat | None:
    """By what the file begins with; by its name where that says nothing, so that its reader tells what is wrong."""
    known = (*formats, *KINDS)
    found = next((k for k in known if k.begins(head)), None)
    return found or next((k for k in known if path.suffix.lower() in k.suffixes), None)


def is_of(path: Path, formats: Sequence[PoseFormat]) -> bool:
    """Whether a file is of one of these formats.

    Raises:
        ClipError: when it cannot be opened.
    """
    return bool(formats) and path.is_file() and _kind_of(path, head_of(path), formats) in formats


def head_of(path: Path) -> bytes:
    """The first bytes of a file.

    Raises:
        ClipError: when it cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD_BYTES).removeprefix(BOM_UTF8)
    except OSError as e:
        raise UnknownFormatError(f"{path}: cannot be opened ({e.strerror}); expected {KNOWN}") from None


def read_people(path: Path, declared: ReadOptions, formats: Sequence[PoseFormat] = ()) -> tuple[str, list[Person]]:
    """Name of a file's format, and the people in the file, at least one.

    Arguments:
        formats: further ones, asked first.

    Raises:
        ClipError: when it is of no known format, or its reader refuses it.
        ConfigError: when the declared marker map is unusable.
    """
    head = head_of(path)
    if not head:
        raise UnknownFormatError(f"{path}: is empty; expected {KNOWN}")
    kind = _kind_of(path, head, formats)
    if kind is None:
        if path.suffix.lower() == ".json" or head.lstrip()[:1] == b"{":
            raise ClipError(f"{path}: one frame of JSON at most; expected the folder that holds a file for every frame")
        raise UnknownFormatError(f"{path}: not a pose file; expected one of: {KNOWN}")
    people = kind.read(path, declared)
    if kind in formats:
        people = [p.timed(p.begins_s, blank_zeros(p.joints)) for p in people]
    if not people:
        raise ClipError(f"{path}: holds no person; expected one or two")
    return kind.name, people
