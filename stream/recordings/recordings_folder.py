"""The folder of recordings: names of files, how long they are kept, room on the disk."""

from __future__ import annotations

import calendar
import errno
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dyadwatch.core.units import NS

SUFFIX = ".mcap"
_BEGAN = re.compile(r"dyadwatch_(\d{8}T\d{6})Z_")
_NAME = re.compile(r"dyadwatch_\d{8}T\d{6}Z_(\d{19})_(\d{4,})\.mcap")
_DAY_S = 86_400.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


def recording_name(run: int, part: int, now_ns: int) -> str:
    """Name of a file: when it began (UTC), run and part; names sort in the order of parts within a run."""
    began = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_ns // NS))
    return f"dyadwatch_{began}_{run:019d}_{part:04d}{SUFFIX}"


def is_ours(path: Path) -> bool:
    """Whether a recorder gave the file its name; no other file is ever deleted."""
    return _NAME.fullmatch(path.name) is not None


def make_writable(folder: Path) -> None:
    """Makes the folder if need be and tries to write there. A full disk is no error: it may have room later.

    Raises:
        OSError: when it is no folder, or nothing can be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as e:
        if e.errno not in _FULL:
            raise


def delete_expired(
    folder: Path, keep_days: float, now_s: float, failed: Callable[[Path, OSError], None], spare: Path | None = None
) -> list[Path]:
    """Deletes recordings last written to more than `keep_days` ago.

    Arguments:
        folder: of recordings.
        keep_days: 0 keeps them for ever.
        now_s: unix seconds.
        failed: called with each file that cannot be looked at or deleted, and why; the others are still deleted.
        spare: a file that stays in any case, the one being written.

    Returns:
        What was deleted.
    """
    if keep_days <= 0:
        return []
    gone: list[Path] = []
    for path in sorted(p for p in folder.glob(f"*{SUFFIX}") if p != spare and is_ours(p)):
        try:
            if not path.is_symlink() and now_s - path.stat().st_mtime > keep_days * _DAY_S:
                path.unlink()
                gone.append(path)
        except FileNotFoundError:
            continue  # somebody else was quicker
        except OSError as e:
            failed(path, e)
    return gone


def free_mb(folder: Path) -> float:
    """Megabytes that may still be written.

    Raises:
        OSError: when the folder is not there.
    """
    return shutil.disk_usage(folder).free / 1e6


def recordings_between(folder: Path, begin: int, end: int) -> list[Path]:
    """The files in which something of that time may stand: by their names and when they were written to last."""
    found: list[Path] = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        name = _BEGAN.match(path.name)
        if name is None:
            continue
        began = _utc_ns(name[1])
        try:
            written = path.stat().st_mtime_ns
        except OSError:
            continue
        if began < end and written >= begin:
            found.append(path)
    return found


def _utc_ns(text: str) -> int:
    return calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%S")) * NS
