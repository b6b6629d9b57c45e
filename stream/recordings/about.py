"""What the head of a recording says of the detector that made it, and what a later run takes from it."""

from __future__ import annotations

from importlib.metadata import version

import msgspec

from dyadwatch.core.artefact import file_sha256
from dyadwatch.stream.alarm import Thresholds
from dyadwatch.stream.config import Config
from dyadwatch.stream.recordings.channels import About
from dyadwatch.stream.scorer import Scorer

# The sections that decide on events. The others say where and how fast, not what.
DECISIVE = ("clock", "tracks", "pairs", "windows", "alarm")


def program() -> str:
    """Name and version of this program."""
    return f"dyadwatch {version('dyadwatch')}"


def about_detector(scorer: Scorer, thresholds: Thresholds, config: Config) -> About:
    """What a recording says of the detector it was made by; run and part are left to the recorder."""
    return About(
        run="",
        program=program(),
        config=msgspec.json.encode(config).decode(),
        model=f"{scorer.info.name} {scorer.info.version}",
        model_sha256=file_sha256(scorer.path),
        raise_at=repr(thresholds.raise_at),
        clear_at=repr(thresholds.clear_at),
    )


def recorded_config(about: About) -> Config | None:
    """The configuration that was in force, with its thresholds; None where no detector ran or it cannot be read."""
    if not about.config:
        return None
    try:
        config = msgspec.json.decode(about.config, type=Config)
        raise_at, clear_at = float(about.raise_at), float(about.clear_at)
    except (msgspec.MsgspecError, ValueError):
        return None
    alarm = msgspec.structs.replace(config.alarm, raise_at=raise_at, clear_at=clear_at)
    return msgspec.structs.replace(config, alarm=alarm)


def with_recorded(config: Config, recorded: Config) -> Config:
    """`config` with the sections that decide on events, and the limits of the wire, as they were recorded."""
    sections = {name: getattr(recorded, name) for name in DECISIVE}
    wire = msgspec.structs.replace(recorded.wire, bind=config.wire.bind)
    return msgspec.structs.replace(config, wire=wire, **sections)
