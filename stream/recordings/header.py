"""What the head of a recording says of the detector that made it, and what a later run takes from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from dyadwatch.core.decision.calibration_file import CalibratedRule
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.model_file.artefact import file_sha256
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.scoring.scorer import Scorer

# The sections that decide on events. The others say where, how fast and to whom, not what; of `wire` the limits count.
DECISIVE = ("clock", "tracks", "pairs", "windows", "sense", "alarm", "zones", "schedules", "incidents", "merge")
NOT_DECISIVE = (
    "wire", "scorer", "learning", "attention", "sinks", "liveness", "record", "memory", "page", "security", "delivery",
    "metrics", "foxglove",
)  # fmt: skip


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def program() -> str:
    """Name and version of this program."""
    return f"dyadwatch {version('dyadwatch')}"


def about_detector(scorer: Scorer, thresholds: Thresholds, config: Config) -> RecordingHeader:
    """What a recording says of the detector it was made by; run and part are left to the recorder."""
    return RecordingHeader(
        run="",
        program=program(),
        config=_encode(config),
        model=scorer.info.title,
        model_sha256=file_sha256(scorer.path),
        raise_at=repr(thresholds.raise_at),
        clear_at=repr(thresholds.clear_at),
        rules=_encode([CalibratedRule.of(rule) for rule in thresholds.rules]) if thresholds.rules else "",
    )


def recorded_config(about: RecordingHeader) -> Config | None:
    """The configuration that was in force; None where no detector ran or it cannot be read."""
    try:
        return msgspec.json.decode(about.config, type=Config) if about.config else None
    except msgspec.MsgspecError:
        return None


def recorded_thresholds(about: RecordingHeader) -> Thresholds | None:
    """The thresholds that were in force; None where no detector ran or they make no sense."""
    try:
        raise_at, clear_at = float(about.raise_at), float(about.clear_at)
        kept = msgspec.json.decode(about.rules, type=tuple[CalibratedRule, ...]) if about.rules else ()
    except ValueError:  # msgspec's errors are among them
        return None
    rules = tuple(r.rule for r in kept)
    return Thresholds(raise_at, clear_at, rules) if 0 < clear_at <= raise_at < float("inf") else None


def config_of(abouts: Iterable[RecordingHeader]) -> Config:
    """The default configuration with what decides on events as the first of the files tells that it was."""
    told = (config for about in abouts if (config := recorded_config(about)) is not None)
    recorded = next(told, None)
    return Config() if recorded is None else with_recorded(Config(), recorded)


def with_recorded(config: Config, recorded: Config) -> Config:
    """`config` with the sections that decide on events, and the limits of the wire, as they were recorded."""
    sections = {name: getattr(recorded, name) for name in DECISIVE}
    wire = msgspec.structs.replace(recorded.wire, bind=config.wire.bind)
    return msgspec.structs.replace(config, wire=wire, **sections)


def without_private(about: RecordingHeader) -> RecordingHeader:
    """Likewise, for others: the configuration without where things lie, to whom and by which keys they are sent."""
    recorded = recorded_config(about)
    config = "" if recorded is None else _encode(with_recorded(Config(), recorded))
    return msgspec.structs.replace(about, config=config)


def as_recorded(
    config: Config, about: RecordingHeader, options: Sequence[str], model_path: Callable[[Config], Path]
) -> Config:
    """`config` with what decides on events as it was recorded, and over that what is asked for.

    The thresholds are those that were in force if the model is still the one they belong to.

    Arguments:
        config: what the recording does not say.
        about: head of the recording.
        options: such as `alarm.hold_s=3`; they prevail.
        model_path: tells the model that a configuration asks for.

    Raises:
        ArtefactError: the model cannot be read.
        ConfigError: naming the option, its value and what was expected.
    """
    recorded = recorded_config(about)
    if recorded is None:
        return set_option(config, *options)
    config = with_recorded(config, recorded)
    thresholds = recorded_thresholds(about)
    wanted = set_option(config, *options)  # it may ask for another model
    if thresholds is None or file_sha256(model_path(wanted)) != about.model_sha256:
        return wanted
    alarm = msgspec.structs.replace(
        config.alarm,
        raise_at=thresholds.raise_at,
        clear_at=thresholds.clear_at,
        rules=tuple(CalibratedRule.of(rule) for rule in thresholds.rules),
    )
    return set_option(msgspec.structs.replace(config, alarm=alarm), *options)
