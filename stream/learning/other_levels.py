"""The version in use with other levels: the same model file, and the thresholds of another budget."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from dyadwatch.core.decision.calibration_file import Calibration, calibration_path, write_calibration
from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.configuration.config import AlarmOptions
from dyadwatch.stream.learning.budget_table import BudgetOffer, BudgetTable, WorkedOut
from dyadwatch.stream.learning.learning_codes import Origin
from dyadwatch.stream.learning.versions import SiteModels, VersionTable

# Of the section `alarm`: where one of them is set, levels of a version are not those that the detector judges by.
_PREVAIL = ("calibration", "raise_at", "clear_at", "rules")


def levels_elsewhere(alarm: AlarmOptions) -> str:
    """The key that sets levels whatever version is in use, such as `alarm.calibration`; empty for none."""
    return next((f"alarm.{key}" for key in _PREVAIL if getattr(alarm, key) not in (None, "")), "")


def offered(worked: WorkedOut, budget: str) -> tuple[BudgetOffer, dict[str, Any]]:
    """A budget that can be used, and its calibration.

    Raises:
        ConfigError: it is none of those that were worked out, or the hours are too few for it.
    """
    offers = {offer.budget: offer for offer in worked.table.offers}
    offer = offers.get(budget)
    if offer is None:
        raise ConfigError(f"budget is {budget!r:.40}; expected one of {', '.join(offers)}")
    calibration = worked.calibrations.get(budget)
    if calibration is None:
        raise ConfigError(
            f"budget is {budget}, for which {offer.hours_missing:.1f} h are missing beside the "
            f"{worked.table.hours:.1f} h that the model in use judged; expected one that these hours vouch for"
        )
    return offer, calibration


def use_budget(models: SiteModels, worked: WorkedOut, budget: str, by: str, alarm: AlarmOptions) -> VersionTable:
    """Adds the version that was looked at with the levels of a budget, and takes it into use.

    Arguments:
        models: of the site.
        worked: what the budgets would do.
        budget: one of them.
        by: who asked for it.
        alarm: the section of the configuration.

    Raises:
        ConfigError: the hours are too few for it, another version is in use by now, or the configuration sets levels.
    """
    if key := levels_elsewhere(alarm):
        raise ConfigError(f"{key} is set, and prevails over the levels of any version; expected it to be left out")
    offer, values = offered(worked, budget)
    looked: BudgetTable = worked.table
    table = models.read()
    if not looked.version or table.current != looked.version:
        now = f"version {table.current}" if table.current else "none"
        raise ConfigError(f"version {looked.version} was looked at, and {now} is in use by now; look again")
    was = table.version(looked.version)
    with tempfile.TemporaryDirectory(dir=models.folder, prefix=".levels-") as place:
        made = Path(place) / "model.onnx"
        shutil.copyfile(models.path(was.number), made)
        write_calibration(calibration_path(made), msgspec.convert(values, Calibration))
        version = structs.replace(
            was,
            made=time.time_ns(),
            by=by,
            how=Origin.RECALIBRATED,
            on=was.number,
            unseen_hours=looked.hours,
            budget=budget,
            events=offer.events,
            per_hour_95=offer.per_hour_95,
            would_be=(),
        )
        added = models.add(version, made)
    return models.use(added.number, by)
