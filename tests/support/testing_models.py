"""Models of a site."""

from __future__ import annotations

import shutil
from pathlib import Path

from dyadwatch.core.decision.calibration_file import calibration_path
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.learning.learning_codes import Origin
from dyadwatch.stream.learning.versions import SiteModels, Version


def site_of_shipped_model(folder: Path) -> SiteModels:
    """The model that comes along as version 1, in use."""
    models = SiteModels(folder)
    models.folder.mkdir()
    copy = models.folder / "copy.onnx"
    shutil.copyfile(shipped_model(), copy)
    shutil.copyfile(calibration_path(shipped_model()), calibration_path(copy))
    models.add(Version(made=1, how=Origin.ENROLLED, clips=6, minutes=0.5), copy)
    models.use(1, "ann")
    return models
