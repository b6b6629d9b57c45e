"""The film of an incident for the page: `dyadwatch view` in a process of its own, beside the page."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from dyadwatch.core.errors import DyadwatchError

_LONGEST_S = 300.0
_FPS = "15"  # of the film: half the time to draw it


def can_film() -> bool:
    """Whether what draws and writes films is installed; nothing of it is loaded."""
    return all(find_spec(name) is not None for name in ("PIL", "imageio_ffmpeg"))


def film_incident(recording: Path, source: str, pair: tuple[str, str], out: Path) -> None:
    """Draws two people of a source and their score, from a recording into a new .mp4 file.

    Raises:
        DyadwatchError: it could not be made.
    """
    command = [sys.executable, "-m", "dyadwatch.tools.main", "view", str(recording), "--source", source]
    command += ["--pair", *pair, "--from", "0", "--fps", _FPS, "--mp4", str(out)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LONGEST_S)
    except subprocess.TimeoutExpired:
        raise DyadwatchError(f"the film took longer than {_LONGEST_S:g} s") from None
    if done.returncode:
        raise DyadwatchError(done.stderr.strip().rpartition("\n")[2].removeprefix("dyadwatch: ") or "no film was made")
