"""NumPy archives of plain arrays, their sizes looked at before anything of them is unfolded. No pickle."""

from __future__ import annotations

import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

# What zipfile and numpy raise on damaged archives, besides what they promise.
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, TypeError, SyntaxError, OverflowError, MemoryError,
               RuntimeError, zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError)  # fmt: skip
_MOST_MEMBERS = 1000
_MOST_BYTES = 4 << 30
# Poses are packed to a half, and at best to a tenth; zeros to a thousandth.
_UNFOLDS = 50
_ALWAYS_BYTES = 64 << 20


def read_npz(file: Path, names: Collection[str] | None = None) -> dict[str, NDArray]:
    """The arrays of these names, as far as the archive has them, or all; others are not unpacked.

    Raises:
        ValueError: what is wrong: it is damaged or foreign, holds objects, or would unfold to far more than it is.
    """
    try:
        # a damaged header can read as an old one, which numpy only warns of
        with (
            warnings.catch_warnings(action="ignore"),
            file.open("rb") as stream,  # numpy itself leaves a damaged file open
        ):
            _check(stream, file.stat().st_size, names)
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as z:
                return {k: z[k] for k in z.files if names is None or k in names}
    except _UNREADABLE as e:
        raise ValueError(str(e) or type(e).__name__) from e


def _check(stream: BinaryIO, size: int, names: Collection[str] | None) -> None:
    """Compares what an archive says of its arrays with what it is.

    Raises:
        ValueError: when it would unfold to too much, or headers of arrays say another size than the archive.
    """
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise ValueError(f"holds {len(members)} arrays; expected at most {_MOST_MEMBERS}")
        total = sum(m.file_size for m in members)
        most = min(_UNFOLDS * size + _ALWAYS_BYTES, _MOST_BYTES)
        if total > most:
            raise ValueError(f"{size} bytes unfold to {total}; expected at most {most}")
        for member in members:
            if names is None or member.filename.removesuffix(".npy") in names:
                with archive.open(member) as inside:
                    _check_array(inside, member)


def _check_array(inside: IO[bytes], member: zipfile.ZipInfo) -> None:
    version = npy.read_magic(inside)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(inside)
    if dtype.hasobject:
        return  # which numpy refuses
    wanted, held = math.prod(shape) * dtype.itemsize, member.file_size - inside.tell()
    if wanted != held:
        raise ValueError(f"{member.filename} says {wanted} bytes of {dtype} {shape} and holds {held}")
