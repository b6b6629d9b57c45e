"""Files that a command will write, looked at before it reads or waits for anything."""

from __future__ import annotations

import os
from pathlib import Path

from dyadwatch.core.errors import ConfigError


def check_output(option: str, path: Path, *, new: bool = False) -> None:
    """Whether a file can be written later on.

    Arguments:
        option: that named it.
        path: of the file.
        new: it must not be there yet.

    Raises:
        ConfigError: naming the option, the path and what is in the way.
    """
    if path.is_dir():
        raise ConfigError(f"{option} is {path}, a folder; expected the name of a file")
    if not path.parent.is_dir():
        raise ConfigError(f"{option} is {path}, but there is no folder {path.parent}; make it first")
    if new and os.path.lexists(path):
        raise ConfigError(f"{option} is {path}, which is there already; expected the name of a new file")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"{option} is {path}, which cannot be written to; expected a file that can be")


def check_folder(option: str, path: Path) -> None:
    """Whether a folder is there that can be written to, or can be made.

    Raises:
        ConfigError: naming the option, the path and what is in the way.
    """
    there = path
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise ConfigError(f"{option} is {path}, but {there} is no folder; expected a folder, or one that can be made")
    if not os.access(there, os.W_OK):
        raise ConfigError(f"{option} is {path}, but {there} cannot be written to; expected a folder that can be")
