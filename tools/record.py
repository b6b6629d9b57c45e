"""`dyadwatch record`: keeps what publishers send."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from dyadwatch.loading import configure
from dyadwatch.stream.receiving.heap import map_large_blocks
from dyadwatch.stream.recordings.listen import PoseListener
from dyadwatch.tools.security_flags import security_options
from dyadwatch.tools.sending import stoppable


def record(
    *,
    out: Path,
    listen: str | None = None,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    max_mb: float | None = None,
    max_minutes: float | None = None,
    keep_days: float | None = None,
    keys: Path | None = None,
    insecure: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Record what publishers send, without a model, until stopped with Ctrl-C or SIGTERM.

    Listens where the detector would; the two cannot listen at one address. To record beside detecting, set
    record.folder in the configuration of the detector.

    Parameters
    ----------
    out
        Folder for the recordings; it is made if it does not exist.
    listen
        Address to listen at for publishers; by default wire.bind of the configuration.
    config
        Configuration file; without one the commented default is used. Its sections wire and record matter here.
    set_
        One configuration key, such as --set wire.max_people=40; may be repeated.
    max_mb
        Megabytes of one file, from which on the next is begun.
    max_minutes
        Minutes of one file.
    keep_days
        Days after which recordings in the folder are deleted; 0 keeps them for ever.
    keys
        Folder that `dyadwatch keys` made: publishers then need a key. See `dyadwatch docs security`.
    insecure
        Listen where other machines can reach it although nobody is asked for a key.
    """
    given = {"max_mb": max_mb, "max_minutes": max_minutes, "keep_days": keep_days}
    options = [f"record.{k}={v}" for k, v in given.items() if v is not None]
    options += [] if listen is None else [f"wire.bind={listen}"]
    options += security_options(keys, insecure)
    settings = configure(config, (*set_, *options), None)
    settings = msgspec.structs.replace(settings, record=msgspec.structs.replace(settings.record, folder=str(out)))
    map_large_blocks()
    listener = PoseListener(settings.wire, settings.record, settings.security)
    with stoppable() as stop:
        listener.run(stop)
    sys.stderr.write(f"{listener.summary()}\n")
