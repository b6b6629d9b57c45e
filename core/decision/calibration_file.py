"""The calibration file: a site's own thresholds, beside the model and bound to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec

from dyadwatch.core.decision.rules import Rule, ScorePart, Thresholds
from dyadwatch.core.errors import CalibrationError
from dyadwatch.core.files import plain_yaml
from dyadwatch.core.files.plain_yaml import PlainYamlError
from dyadwatch.core.model_file.artefact import file_sha256, write_atomically

_HEAD = """\
# When an alarm is raised, for one model at one site. Scores are surprise: 0 is ordinary, 3 is one normal window in a
# thousand. A rule is a part of the score, averaged over so many seconds, and the level of it that counts as 1; an alarm
# is raised where the highest is above raise_at and clears where all are below clear_at. Without rules raise_at and
# clear_at are surprise, and the score of each window is compared with them. Yours to change; `evidence` says what they
# came from.
"""


class CalibratedRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as the file keeps it, see `core.decision.rules.Rule`."""

    part: ScorePart
    """What is averaged."""
    over_s: Annotated[float, msgspec.Meta(ge=0, le=60)]
    """Seconds that it is averaged over."""
    raise_at: Annotated[float, msgspec.Meta(gt=0, le=1000)]  # not infinity
    """Level that the mean must reach."""

    @property
    def rule(self) -> Rule:
        """The same, as it is used."""
        return Rule(self.part, self.over_s, self.raise_at)

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """As it is kept."""
        return cls(part=rule.part, over_s=rule.over_s, raise_at=rule.raise_at)


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and where they come from.

    Arguments:
        model_sha256: `core.model_file.artefact.file_sha256` of the model they are for.
        raise_at: above which an alarm is raised: of the rules' levels, or of the score where there are none.
        clear_at: below which it clears; at most `raise_at`.
        rules: what is averaged, and the level of it that counts as 1.
        evidence: what was measured to choose them, such as clips, hours and false alarms an hour.
    """

    model_sha256: str
    raise_at: float
    clear_at: float
    rules: tuple[CalibratedRule, ...] = ()
    evidence: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if len(self.model_sha256) != 64 or not set(self.model_sha256) <= set("0123456789abcdef"):
            raise ValueError(f"model_sha256 is {self.model_sha256!r}; expected 64 hexadecimal digits")
        if not (0 <= self.clear_at <= self.raise_at < float("inf") and self.raise_at > 0):
            raise ValueError(
                f"clear_at is {self.clear_at:g} and raise_at {self.raise_at:g}; expected 0 <= clear_at <= raise_at, "
                "and raise_at above 0"
            )

    @classmethod
    def of(cls, model_sha256: str, values: Mapping[str, Any]) -> Self:
        """From what training or enrolling found, as plain values; see `core.decision.thresholds.thresholds`."""
        return msgspec.convert({"model_sha256": model_sha256, **values}, cls)

    @property
    def thresholds(self) -> Thresholds:
        """The same, as it is used."""
        return Thresholds(self.raise_at, self.clear_at, tuple(r.rule for r in self.rules))


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
