"""What raises an alarm: by the calibration file beside the model, as far as the configuration says nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from dyadwatch.core.decision.calibration_file import CalibratedRule, Calibration, calibration_path, write_calibration
from dyadwatch.core.decision.rules import Rule, ScorePart, Thresholds
from dyadwatch.core.errors import CalibrationError, ConfigError
from dyadwatch.core.model_file.artefact import file_sha256
from dyadwatch.loading import load_thresholds
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option

RULE = Rule(ScorePart.UNUSUAL, 0.4, 2.5)
SILENCE = "alarm.rules=[{part: relation, over_s: 1.6, raise_at: 1.2}]"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"a model")
    return path


@pytest.fixture
def calibrated(model: Path) -> Path:
    rules = (CalibratedRule.of(RULE),)
    write_calibration(
        calibration_path(model), Calibration(model_sha256=file_sha256(model), raise_at=1.0, clear_at=0.6, rules=rules)
    )
    return model


@pytest.mark.parametrize(
    ("options", "thresholds"),
    [
        ((), Thresholds(1.0, 0.6, (RULE,))),
        (("alarm.raise_at=1.5",), Thresholds(1.5, 0.6, (RULE,))),
        (("alarm.raise_at=0.5",), Thresholds(0.5, 0.5, (RULE,))),
        (("alarm.clear_at=0.9",), Thresholds(1.0, 0.9, (RULE,))),
        (("alarm.raise_at=2", "alarm.clear_at=1"), Thresholds(2.0, 1.0, (RULE,))),
        ((SILENCE,), Thresholds(1.0, 0.6, (Rule(ScorePart.RELATION, 1.6, 1.2),))),
        (("alarm.rules=[]", "alarm.raise_at=3", "alarm.clear_at=2"), Thresholds(3.0, 2.0)),
    ],
)
def test_the_configuration_prevails_over_the_calibration_file(
    calibrated: Path, options: tuple[str, ...], thresholds: Thresholds
) -> None:
    assert load_thresholds(set_option(Config(), *options), calibrated) == thresholds


@pytest.mark.parametrize(
    ("options", "thresholds"),
    [
        (("alarm.raise_at=3", "alarm.clear_at=2"), Thresholds(3.0, 2.0)),
        (
            ("alarm.raise_at=1", "alarm.clear_at=1", SILENCE),
            Thresholds(1.0, 1.0, (Rule(ScorePart.RELATION, 1.6, 1.2),)),
        ),
    ],
)
def test_no_calibration_file_is_needed_where_the_configuration_says_all(
    model: Path, options: tuple[str, ...], thresholds: Thresholds
) -> None:
    assert load_thresholds(set_option(Config(), *options), model) == thresholds


def test_without_a_calibration_file_it_says_what_to_set(model: Path) -> None:
    with pytest.raises(CalibrationError, match=r"m\.calibration\.yaml: no such calibration file; expected one beside"):
        load_thresholds(set_option(Config(), SILENCE), model)


def test_a_clear_at_above_the_calibrated_raise_at_is_refused(calibrated: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^alarm\.clear_at is 2\.0; expected at most alarm\.raise_at, which is 1\.0$"
    ):
        load_thresholds(set_option(Config(), "alarm.clear_at=2"), calibrated)


def test_the_rules_of_another_model_are_refused(calibrated: Path) -> None:
    calibrated.write_bytes(b"another model")
    options = ("alarm.raise_at=2", "alarm.clear_at=1")
    with pytest.raises(CalibrationError, match=r"; calibrate again$"):
        load_thresholds(set_option(Config(), *options), calibrated)
    assert load_thresholds(set_option(Config(), *options, "alarm.rules=[]"), calibrated) == Thresholds(2.0, 1.0)
