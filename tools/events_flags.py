"""What the verbs of `dyadwatch events` have in common: the file, whose name is kept, which incidents are wanted."""

from __future__ import annotations

import getpass
import re
import time
from pathlib import Path

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.iso_time import parse_moment
from dyadwatch.loading import configure
from dyadwatch.stream.codes import Severity
from dyadwatch.stream.memory.kept import Wanted
from dyadwatch.stream.memory.memory_place import memory_file
from dyadwatch.stream.memory.store import Store

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def open_store(memory: Path | None, config: Path | None) -> Store:
    """The file that is named, or that a detector of this configuration writes.

    Raises:
        ConfigError: none is named.
        MemoryFileError: it is not there, or is none.
    """
    path = memory or memory_file(configure(config, (), None))
    if path is None:
        raise ConfigError(
            "no file of incidents is named; give --memory FILE, or --config with the detector's configuration"
        )
    return Store(path)


def who_is(name: str | None) -> str:
    """The name that is given, or that of the user."""
    if name is not None:
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return ""


def wanted_incidents(
    source: str,
    from_: str | None,
    until: str | None,
    severity: Severity,
    verdict: str | None,
    unacknowledged: bool,
    open_: bool,
    limit: int,
) -> Wanted:
    """What the flags of a list ask for.

    Raises:
        ConfigError: naming the flag, its value and what was expected.
    """
    if limit < 1:
        raise ConfigError(f"--limit is {limit}; expected at least 1")
    return Wanted(
        source=source,
        since=0 if from_ is None else _moment("--from", from_),
        until=2**63 - 1 if until is None else _moment("--until", until),
        least=severity,
        verdict=verdict or "",
        unacknowledged=unacknowledged,
        open=open_,
        most=limit,
    )


def _moment(flag: str, text: str) -> int:
    """Unix ns of a time, or of so long ago."""
    if (ago := _AGO.fullmatch(text)) is not None:
        return time.time_ns() - round(float(ago[1]) * _SECONDS[ago[2]] * 1e9)
    try:
        return parse_moment(text)[0]
    except ValueError:
        raise ConfigError(
            f"{flag} is {text!r:.80}; expected a time such as 2026-11-21T14:30:00+01:00, or how long ago, such as 12h"
        ) from None
