"""What is installed is what the folders hold, and a detector host gets by without torch."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import requires, version
from pathlib import Path

import pytest

ROOMS = ("core", "stream", "exporters", "tools")
API = Path("tools", "python-api")  # the package dyadwatch itself
PAGES = "docs"  # a package without code, so that what is written there is installed, too


@pytest.fixture(scope="module")
def project(repo_root: Path) -> dict[str, dict]:
    return tomllib.loads((repo_root / "pyproject.toml").read_text("utf8"))


def python(code: str, *arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def installed_as(path: Path) -> Path:
    """Where a file or folder of the checkout lies in an installed dyadwatch."""
    return Path("dyadwatch", path.relative_to(API) if path.is_relative_to(API) else path)


def folders_with_code(root: Path) -> set[str]:
    return {
        ".".join(installed_as(init.parent.relative_to(root)).parts)
        for room in (*ROOMS, PAGES)
        for init in (root / room).rglob("__init__.py")
    }


def test_every_package_is_listed(repo_root: Path, project: dict[str, dict]) -> None:
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(folders_with_code(repo_root))


def test_every_folder_with_modules_is_a_package(repo_root: Path) -> None:
    holding = {path.parent for room in ROOMS for path in (repo_root / room).rglob("*.py")}
    assert [folder for folder in sorted(holding) if not (folder / "__init__.py").is_file()] == []


def test_type_checkers_see_the_rooms_under_their_import_name(repo_root: Path) -> None:
    for room in ROOMS:
        assert (repo_root / ".typing" / "dyadwatch" / room).resolve() == repo_root / room
        assert (repo_root / room / "py.typed").is_file()
    linked = {link.name: link.resolve() for link in (repo_root / ".typing" / "dyadwatch").glob("*.*")}
    assert linked == {p.name: p for p in (repo_root / API).iterdir() if p.is_file()}


def test_every_requirement_is_pinned(repo_root: Path, project: dict[str, dict]) -> None:
    lines = (repo_root / "constraints.txt").read_text("utf8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9a-z.]+", pin) for pin in pins), pins
    pinned = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins}
    extras = project["project"]["optional-dependencies"].values()
    wanted = [*project["project"]["dependencies"], *(item for extra in extras for item in extra)]
    names = {re.split(r"[\[<>=;~! ]", item)[0].lower().replace("_", "-") for item in wanted}
    assert names - pinned == set()
    assert "dyadwatch" not in pinned


def test_what_is_installed_was_pinned(repo_root: Path) -> None:
    pins = dict(
        line.split("==") for line in (repo_root / "constraints.txt").read_text("utf8").splitlines() if "==" in line
    )
    stale = {
        name: (version(name), pins[name])
        for name in ("numpy", "pyzmq", "msgspec", "onnxruntime", "torch", "onnx", "pytest", "ruff", "basedpyright")
        if version(name).partition("+")[0] != pins[name]
    }
    assert stale == {}


def test_the_detector_needs_no_engine_torch_or_camera() -> None:
    base = " ".join(item for item in requires("dyadwatch") or [] if "extra ==" not in item)
    assert "numpy" in base
    for heavy in ("torch", "onnx", "mediapipe", "opencv", "scikit"):
        assert heavy not in base


# The path is that of an installed package: the test would otherwise find the rooms by the working directory.
IMPORT_ALL = """
import importlib, pkgutil, sys
for room in sys.argv[1].split(","):
    package = importlib.import_module("dyadwatch." + room)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.startswith(tuple(sys.argv[2].split(","))):
            importlib.import_module(module.name)
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""
HEAVY = {"torch", "onnx", "onnxscript", "onnxruntime", "mediapipe", "cv2", "sklearn", "matplotlib"}


@pytest.mark.parametrize(
    ("rooms", "leave_out"),
    [("stream", "-"), ("core", "dyadwatch.core.iadnet,dyadwatch.core.training,dyadwatch.core.evaluation")],
)
def test_the_live_path_imports_nothing_heavy(rooms: str, leave_out: str, tmp_path: Path) -> None:
    loaded = python(IMPORT_ALL, rooms, leave_out, cwd=tmp_path)
    assert {name for name in HEAVY if f"'{name}'" in loaded} == set()


@pytest.mark.parametrize("verb", ["run", "doctor", "demo", "detect", "publish"])
def test_the_program_and_its_verbs_load_nothing_heavy(verb: str, tmp_path: Path) -> None:
    code = (
        "import importlib, sys; import dyadwatch.tools.main; "
        "importlib.import_module('dyadwatch.tools.' + sys.argv[1]); print(list(sys.modules))"
    )
    loaded = python(code, verb, cwd=tmp_path)
    assert {name for name in HEAVY if f"'{name}'" in loaded} == set()


@pytest.fixture(scope="module")
def wheel(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the working tree, built offline from a copy, so that no build folder is left in the checkout."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repo_root / name, copy / name)
    for room in (*ROOMS, PAGES):
        shutil.copytree(repo_root / room, copy / room, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    out = tmp_path_factory.mktemp("wheel")
    python("import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])", str(out), cwd=copy)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_every_module_and_nothing_else(wheel: Path, repo_root: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    modules = {
        installed_as(path.relative_to(repo_root)).as_posix()
        for room in (*ROOMS, PAGES)
        for path in (repo_root / room).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == modules
    assert {name.partition("/")[0] for name in names} == {"dyadwatch"}
    assert {f"dyadwatch/{room}py.typed" for room in ("", *(f"{room}/" for room in ROOMS))} <= names
    assert len(licences) == 1
    assert wheel.stat().st_size < 8e6


def test_the_wheel_brings_the_models(wheel: Path, repo_root: Path) -> None:
    folder = repo_root / "exporters" / "models"
    models = {f"dyadwatch/exporters/models/{path.name}" for path in folder.glob("*")}
    assert any(name.endswith(".onnx") for name in models), f"no model in {folder}"
    with zipfile.ZipFile(wheel) as archive:
        assert models <= set(archive.namelist())


def test_the_wheel_brings_the_pages_and_the_schema(wheel: Path, repo_root: Path) -> None:
    pages = {path.name: path.read_bytes() for kind in ("*.md", "*.json") for path in (repo_root / PAGES).glob(kind)}
    assert {"wire-protocol.md", "messages.schema.json"} <= set(pages)
    with zipfile.ZipFile(wheel) as archive:
        assert {name: archive.read(f"dyadwatch/docs/{name}") for name in pages} == pages


def test_the_wheel_brings_the_page_and_what_deploys_it(wheel: Path, repo_root: Path) -> None:
    static = repo_root / "stream" / "page" / "static"
    files = {f"dyadwatch/stream/page/static/{path.name}" for path in static.iterdir()}
    deployed = {f"dyadwatch/tools/deploy/{name}" for name in ("dyadwatch.service", "compose.yaml")}
    with zipfile.ZipFile(wheel) as archive:
        assert files | deployed <= set(archive.namelist())
        page = archive.read("dyadwatch/stream/page/static/index.html").decode()
    assert set(re.findall(r'"/static/([^"]+)"', page)) <= {path.name for path in static.iterdir()}


def test_the_wheel_works_from_its_own_folder(wheel: Path, repo_root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]; "
        "from dyadwatch.stream.configuration import config_file; print(config_file.__file__); "
        "print(config_file.load_config().wire.bind); "
        "import dyadwatch; print(dyadwatch.__file__); print(dyadwatch.load_detector().model.name); "
        "from dyadwatch.tools.docs import docs; docs('wire-protocol'); "
        "from dyadwatch.tools.config import show; print('---'); show()"
    )
    said, _, config = python(code, str(tmp_path / "site"), cwd=tmp_path).partition("---\n")
    place, bind, face, model, page = said.split("\n", 4)
    assert place == str(tmp_path / "site" / "dyadwatch" / "stream" / "configuration" / "config_file.py")
    assert bind == "tcp://127.0.0.1:5570"
    assert face == str(tmp_path / "site" / "dyadwatch" / "__init__.py")
    assert model == "simulated"
    assert page.startswith("# The wire protocol\n")
    assert config == (repo_root / "config.yaml").read_text("utf8")


def test_no_file_names_an_index_or_a_machine(repo_root: Path) -> None:
    for name in ("pyproject.toml", "constraints.txt", "Makefile", ".ci/run"):
        text = (repo_root / name).read_text("utf8")
        assert "index-url" not in text, name
        assert "find-links" not in text, name
        assert "/work" not in text, name
