"""The configuration file of a `dyadwatch up` that was given none: it lies among its data, and the page changes it."""

from __future__ import annotations

import os
from pathlib import Path

from dyadwatch.core.errors import ConfigError

NAME = "settings.yaml"
_TEXT = """\
# Settings of the `dyadwatch up` of this folder that differ from the default; the page changes them, and so may you:
# `dyadwatch config set`, then kill -HUP. `dyadwatch config show` explains every key.
alarm: {}
"""


def make_own_file(folder: Path) -> Path:
    """The file in a folder of data; made where there is none, with nothing set.

    Raises:
        ConfigError: it cannot be made.
    """
    path = folder / NAME
    try:
        made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return path
    except OSError as e:
        raise ConfigError(f"{path} cannot be made ({e.strerror}); expected a folder for data, with --data") from None
    with open(made, "w", encoding="utf8") as file:
        file.write(_TEXT)
    return path
