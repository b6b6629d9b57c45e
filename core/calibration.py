"""The calibration file: a site's own thresholds, beside the model and bound to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from dyadwatch.core import plain_yaml
from dyadwatch.core.artefact import file_sha256, write_atomically
from dyadwatch.core.errors import CalibrationError
from dyadwatch.core.plain_yaml import PlainYamlError

_HEAD = """\
# Thresholds for one model at one site, in surprise: 0 is ordinary, 3 is one normal window in a thousand.
# An alarm is raised above raise_at and clears below clear_at. Yours to change; `evidence` says what they came from.
"""


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and where they come from.

    Arguments:
        model_sha256: `core.artefact.file_sha256` of the model they are for.
        raise_at: surprise above which an alarm is raised.
        clear_at: surprise below which it clears; at most `raise_at`.
        evidence: what was measured to choose them, such as clips, hours and false alarms an hour.
    """

    model_sha256: str
    raise_at: float
    clear_at: float
    evidence: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if len(self.model_sha256) != 64 or not set(self.model_sha256) <= set("0123456789abcdef"):
            raise ValueError(f"model_sha256 is {self.model_sha256!r}; expected 64 hexadecimal digits")
        if not 0 <= self.clear_at <= self.raise_at < float("inf"):
            raise ValueError(
                f"clear_at is {self.clear_at:g} and raise_at {self.raise_at:g}; expected 0 <= clear_at <= raise_at"
            )


def calibration_path(model: str | Path) -> Path:
    """Where the calibration of a model lies: `<stem>.calibration.yaml` beside it."""
    return Path(model).with_suffix(".calibration.yaml")


def read_calibration(path: str | Path) -> Calibration:
    """The thresholds in a calibration file.

    Raises:
        CalibrationError: when it cannot be read, or a key is missing, unknown or wrong.
    """
    try:
        return plain_yaml.decode(Path(path), Calibration)
    except OSError as error:
        raise CalibrationError(f"calibration {path} cannot be read: {error.strerror}") from None
    except PlainYamlError as error:
        raise CalibrationError(f"calibration {path}: {error}") from None


def write_calibration(path: str | Path, calibration: Calibration) -> None:
    """Writes a calibration file, whole or not at all."""
    text = _HEAD.encode() + plain_yaml.dump(calibration)
    write_atomically(Path(path), text)


def check_belongs(calibration: Calibration, model: str | Path) -> None:
    """Refuses a calibration made for another model than the file `model`.

    Raises:
        CalibrationError: names both checksums.
        ArtefactError: when the model cannot be read.
    """
    have = file_sha256(model)
    if calibration.model_sha256 != have:
        raise CalibrationError(
            f"the calibration is for the model with sha256 {calibration.model_sha256[:12]}..., "
            f"but {model} has {have[:12]}...; calibrate again"
        )
