"""`dyadwatch models`: versions of a site's own model, and the pose model that cameras need."""

from __future__ import annotations

import getpass
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape

from dyadwatch.core.decision.calibration_file import calibration_path, check_belongs, read_calibration
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.iso_time import moment
from dyadwatch.model_files import named_model
from dyadwatch.stream.learning.learning_codes import Origin
from dyadwatch.stream.learning.learning_words import of_version
from dyadwatch.stream.learning.versions import SiteModels, Version, VersionTable, site_models
from dyadwatch.stream.publishers.camera.pose_model import MODELS, fetch_model, find_model
from dyadwatch.tools.learn import models_of, settings_of

app = App(name="models", help="List and use versions of a site's model; fetch the pose model that cameras need.")
_Config = Annotated[Path | None, Parameter(help="Configuration file of the detector.")]
_Set = Annotated[
    tuple[str, ...],
    Parameter(name="--set", negative=(), help="One configuration key, such as --set alarm.hold_s=3"),
]
_Data = Annotated[Path | None, Parameter(help="Folder that dyadwatch up was given with --data.")]


@app.command
def fetch(name: str = "lite", /, *, bundle: str | None = None) -> None:
    """Get a pose model, verify it, and keep it in the user's data folder (or in DYADWATCH_MODELS).

    Parameters
    ----------
    name
        lite, full or heavy: slower and more exact in this order.
    bundle
        A file or URL of the .task bundle, a file of the npm package @mediapipe/pose, or npm, which has npm get that
        package; by default Google's address.
    """
    path = fetch_model(name, bundle)
    Console(stderr=True).print(f"{escape(str(path))}: {path.stat().st_size / 1e6:.1f} MB, verified")


@app.command(name="list")
def list_(*, config: _Config = None, set_: _Set = (), data: _Data = None) -> None:
    """List the versions of the site's own model, and the pose models that are there and what they should be."""
    models = site_models(settings_of(config, set_, data))
    table = models.read() if models is not None else VersionTable()
    for version in table.versions:
        mark = "in use" if version.number == table.current else "proposed" if version.number == table.proposed else ""
        made = f"made {moment(version.made)[:19]}{f' by {version.by}' if version.by else ''}"
        text = f"version {version.number}{f' ({mark})' if mark else ''}: {made}, {of_version(version)}"
        Console().print(escape(text), soft_wrap=True, highlight=False)
    for name in MODELS:
        try:
            text = str(find_model(name))
        except ConfigError as e:
            text = str(e)
        Console().print(f"{name}: {escape(text)}", soft_wrap=True)


@app.command
def use(version: str, /, *, config: _Config = None, set_: _Set = (), data: _Data = None) -> None:
    """Use a version of the site's model from now on; a detector that runs takes it up without losing a window.

    Parameters
    ----------
    version
        Its number, or a model file with its calibration beside it, which becomes the next version.
    """
    models = models_of(settings_of(config, set_, data))
    number = int(version) if version.isdecimal() else _taken_in(models, version).number
    models.use(number, getpass.getuser())
    sys.stdout.write(f"version {number} is in use\n")


def _taken_in(models: SiteModels, name: str) -> Version:
    """A copy of a model file as a version.

    Raises:
        ArtefactError, CalibrationError: there is no such file, or no calibration of it.
    """
    model = named_model(name)
    check_belongs(read_calibration(calibration_path(model)), model)
    models.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=models.folder) as folder:
        copy = Path(folder) / "given.onnx"
        shutil.copyfile(model, copy)
        shutil.copyfile(calibration_path(model), calibration_path(copy))
        return models.add(Version(made=time.time_ns(), by=getpass.getuser(), how=Origin.GIVEN), copy)


@app.command
def back(*, config: _Config = None, set_: _Set = (), data: _Data = None) -> None:
    """Go back to the version that was in use before; before the first one nobody was judged."""
    table = models_of(settings_of(config, set_, data)).back(getpass.getuser())
    sys.stdout.write(f"version {table.current} is in use\n" if table.current else "nobody is judged\n")
