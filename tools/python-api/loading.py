"""From a configuration to a loaded model and its thresholds."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dyadwatch.core.decision.calibration_file import Calibration, calibration_path, check_belongs, read_calibration
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import CalibrationError, ConfigError
from dyadwatch.core.model_file.artefact import file_sha256, read_info
from dyadwatch.model_files import named_model, shipped_model
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import load_config, parse_config, set_option
from dyadwatch.stream.learning.versions import site_models
from dyadwatch.stream.recordings.recordings_folder import make_writable
from dyadwatch.stream.scoring.model_check import check_model
from dyadwatch.stream.scoring.scorer import Scorer

_log = logging.getLogger(__name__)


def configure(path: Path | None, options: Sequence[str], model: Path | None, *, text: str | None = None) -> Config:
    """The configuration from a file (the defaults without one), `--set key=value` and `--model`.

    Arguments:
        path, options, model: as flags give them.
        text: that the file is to have; None: it is read as it is.

    Raises:
        ConfigError: naming key, value, expectation and line.
    """
    base = load_config(path) if text is None or path is None else parse_config(text, path.name)
    config = set_option(base, *options)
    return config if model is None else with_model(config, model)


def with_model(config: Config, model: str | Path) -> Config:
    """The configuration with another model."""
    return msgspec.structs.replace(config, scorer=msgspec.structs.replace(config.scorer, model=str(model)))


def model_path(config: Config) -> Path:
    """The model that a configuration asks for: a file, or the shipped one for `shipped` and where none is named.

    Raises:
        ArtefactError: there is no such file.
    """
    return named_model(config.scorer.model) if config.scorer.model else shipped_model()


def is_learning(config: Config) -> bool:
    """Whether nobody named a model for the people who will be seen: the bundled one cannot judge them."""
    return not config.scorer.model


def while_learning(config: Config) -> Config:
    """The configuration of a detector that learns: it records into `learning.folder` where no other folder is named.

    A folder that cannot be written to must not keep a detector from starting; it is logged.
    """
    folder = config.learning.folder
    if config.record.folder or not folder:
        return config
    try:
        Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)  # how people move is nobody else's business
        make_writable(Path(folder))
    except OSError as e:
        _log.warning("nothing is recorded: learning.folder is %r, which cannot be written to (%s)", folder, e.strerror)
        return config
    return msgspec.structs.replace(config, record=msgspec.structs.replace(config.record, folder=folder))


def at_site(config: Config) -> Config:
    """The configuration with the version in use of the site's own model, where it names none and there is one.

    Raises:
        ConfigError: the table of versions cannot be read.
    """
    models = site_models(config)
    current = None if models is None else models.current
    return config if current is None else with_model(config, current)


def load_calibration(config: Config) -> Calibration | None:
    """The calibration that belongs to the model of a configuration; None where there is none.

    Raises:
        CalibrationError: the file was made for another model, or cannot be read.
        ArtefactError: there is no such model.
    """
    model = model_path(config)
    file = _calibration_file(config, model)
    if not file.is_file():
        return None
    calibration = read_calibration(file)
    check_belongs(calibration, model)
    return calibration


def _calibration_file(config: Config, model: Path) -> Path:
    return Path(config.alarm.calibration) if config.alarm.calibration else calibration_path(model)


def load_thresholds(config: Config, model: Path) -> Thresholds:
    """Thresholds of the calibration file that belongs to the model, or those of the configuration.

    Raises:
        CalibrationError: there is neither, or the file was made for another model.
        ConfigError: the thresholds contradict each other.
    """
    alarm = config.alarm
    file = _calibration_file(config, model)
    raise_at, clear_at, rules = alarm.raise_at, alarm.clear_at, alarm.rules
    if raise_at is None or clear_at is None or (rules is None and file.is_file()):
        if not file.is_file():
            raise CalibrationError(
                f"{file}: no such calibration file; expected one beside the model, or alarm.raise_at and "
                "alarm.clear_at in the configuration"
            )
        calibration = read_calibration(file)
        check_belongs(calibration, model)
        raise_at = calibration.raise_at if raise_at is None else raise_at
        clear_at = min(calibration.clear_at, raise_at) if clear_at is None else clear_at
        rules = calibration.rules if rules is None else rules
    if clear_at > raise_at:
        raise ConfigError(f"alarm.clear_at is {clear_at}; expected at most alarm.raise_at, which is {raise_at}")
    return Thresholds(raise_at, clear_at, tuple(r.rule for r in rules or ()))


def _is_shipped(path: Path) -> bool:
    """Whether a file is the shipped model, or a copy of it; that one has been tried."""
    shipped = shipped_model()
    alike = path.is_file() and path.stat().st_size == shipped.stat().st_size
    return alike and file_sha256(path) == file_sha256(shipped)


def load_scorer(config: Config) -> tuple[Scorer, Thresholds]:
    """Model and thresholds of a configuration.

    Raises:
        DyadwatchError: when anything does not fit; the message says what to do.
    """
    path = model_path(config)
    read_info(path)
    thresholds = load_thresholds(config, path)  # before a model is tried, which may take half a minute
    return load_model(config), thresholds


def load_model(config: Config) -> Scorer:
    """The model of a configuration, by itself.

    Raises:
        DyadwatchError: when anything does not fit; the message says what to do.
    """
    path = model_path(config)
    read_info(path)
    if not _is_shipped(path):
        check_model(path, config.scorer)
    return Scorer(path, config.scorer)
