"""`dyadwatch doctor`: what is installed, whether it truly runs, and what to do where it does not."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import zmq
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dyadwatch.core.errors import ArtefactError, DyadwatchError, ProviderError
from dyadwatch.core.extras import install_command
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.loading import configure, load_thresholds, model_path
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.names import PROVIDERS
from dyadwatch.stream.sockets.exposure import is_local
from dyadwatch.tools.provider_trial import try_provider

_ENGINES = f"{install_command('cpu')}; on a machine with an NVIDIA GPU {install_command('gpu')}"
# What each extra brings; the first of each is enough to tell that it is there.
EXTRAS = {
    "cpu": ("onnxruntime",),
    "gpu": ("onnxruntime-gpu",),
    "train": ("torch", "onnx", "onnxscript", "scikit-learn"),
    "camera": ("mediapipe", "opencv-python"),
    "lsl": ("pylsl",),
    "notify": ("apprise", "cryptography", "http-ece", "httpx", "paho-mqtt", "pillow", "prometheus-client", "py-vapid"),
    "foxglove": ("foxglove-sdk",),
    "view": ("pillow", "imageio-ffmpeg"),
}
_BASE = ("numpy", "scipy", "pyzmq", "msgspec", "PyYAML", "mcap", "zstandard", "rich", "cyclopts")
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "info": "dim"}


class Check(msgspec.Struct, frozen=True):
    """One line of the report; `advice` says what to do and is empty where nothing is to be done."""

    name: str
    state: Literal["ok", "warn", "fail", "info"]
    detail: str
    advice: str = ""


def doctor(
    *,
    config: Path | None = None,
    model: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Check what is installed and whether a detector would run here; exit code 1 if it would not.

    Parameters
    ----------
    config
        Configuration file to check; without one the defaults hold, see `dyadwatch config show`.
    model
        Model file to check, instead of the one the configuration names; shipped: the one that comes with
        dyadwatch.
    set_
        One configuration key, such as --set scorer.provider=cuda; may be repeated.
    json
        Print one JSON object instead of a table.
    """
    checks = list(examine(config, set_, model))
    ok = all(check.state != "fail" for check in checks)
    if json:
        sys.stdout.write(msgspec.json.encode({"ok": ok, "checks": checks}).decode() + "\n")
    else:
        _print(checks, ok)
    if not ok:
        sys.exit(1)


def examine(path: Path | None, options: tuple[str, ...], model: Path | None) -> Iterator[Check]:
    """All checks, in the order in which a detector would stumble."""
    yield Check("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    yield Check("dyadwatch", "ok", _version("dyadwatch") or "not installed: run from a checkout")
    yield from check_libraries()
    yield check_engine()
    try:
        settings = configure(path, options, model)
    except DyadwatchError as e:
        yield Check("configuration", "fail", str(e), "correct it; the checks below use the defaults")
        settings = configure(None, (), model)
    else:
        yield Check("configuration", "ok", str(path or "the packaged default"))
    yield check_threads(settings)
    yield from check_model(settings)
    yield check_address("wire.bind", settings.wire.bind)
    if settings.sinks.bind:
        yield check_address("sinks.bind", settings.sinks.bind)


def check_libraries() -> Iterator[Check]:
    """Versions of what the detector needs, and which extras are there."""
    yield Check("libraries", "ok", ", ".join(f"{name} {_version(name)}" for name in _BASE))
    for extra, packages in EXTRAS.items():
        if extra in ("cpu", "gpu"):
            continue
        found = [f"{name} {_version(name)}" for name in packages if _version(name)]
        missing = [name for name in packages if not _version(name)]
        if not missing:
            yield Check(f"extra {extra}", "ok", ", ".join(found))
        elif found:
            detail = f"has {', '.join(found)}; lacks {', '.join(missing)}"
            yield Check(f"extra {extra}", "warn", detail, install_command(extra))
        else:
            yield Check(f"extra {extra}", "info", "not installed", f"if wanted: {install_command(extra)}")


def check_engine() -> Check:
    """Exactly one ONNX Runtime must be there: the two packages write into the same folder."""
    cpu, gpu = _version("onnxruntime"), _version("onnxruntime-gpu")
    if cpu and gpu:
        return Check(
            "inference engine",
            "fail",
            f"both onnxruntime {cpu} and onnxruntime-gpu {gpu} are installed; each overwrites files of the other",
            f"pip uninstall -y onnxruntime onnxruntime-gpu, then {_ENGINES}",
        )
    if cpu or gpu:
        return Check("inference engine", "ok", f"onnxruntime {cpu}" if cpu else f"onnxruntime-gpu {gpu}")
    return Check(
        "inference engine",
        "fail",
        "neither onnxruntime nor onnxruntime-gpu is installed",
        _ENGINES,
    )


def check_threads(settings: Config) -> Check:
    """Whether the machine has the cores that scoring is told to use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = settings.scorer.threads
    if threads > cores:
        detail = f"scorer.threads is {threads}; this process may use {cores} cores"
        return Check("cores", "warn", detail, f"--set scorer.threads={cores}")
    return Check("cores", "ok", f"{cores}, of which {threads} score")


def check_model(settings: Config) -> Iterator[Check]:
    """The model file, its thresholds, and the providers that can compute it."""
    try:
        path = model_path(settings)
        info = read_info(path)
    except ArtefactError as e:
        yield Check("model", "fail", str(e), "export it again with 'dyadwatch export', or name another with --model")
        return
    seconds = info.frames / info.fps
    detail = f"{info.name} {info.version}: layout {info.layout}, {len(info.joints)} joints, "
    yield Check("model", "ok", f"{detail}{info.frames} frames at {info.fps:g} fps ({seconds:g} s)")
    try:
        levels = load_thresholds(settings, path)
    except DyadwatchError as e:
        yield Check("thresholds", "fail", str(e), "calibrate, or set alarm.raise_at and alarm.clear_at")
    else:
        yield Check("thresholds", "ok", str(levels))
    for provider, name in PROVIDERS.items():
        yield check_provider(provider, name, path, wanted=provider == settings.scorer.provider)


def check_provider(provider: str, name: str, model: Path, *, wanted: bool) -> Check:
    """Whether a provider is offered by the installed engine, and truly scores a window."""
    title = f"provider {provider}" + (" (configured)" if wanted else "")
    try:
        import onnxruntime
    except ImportError as e:
        return Check(title, "fail" if wanted else "info", f"onnxruntime cannot be imported: {e}")
    if name not in onnxruntime.get_available_providers():
        advice = f"--set scorer.provider=cpu, or pip uninstall -y onnxruntime, then {install_command('gpu')}"
        detail = "not in the installed ONNX Runtime"
        return Check(title, "fail" if wanted else "info", detail, advice if wanted else "")
    try:
        return Check(title, "ok", try_provider(provider, model))
    except ProviderError as e:
        advice = "look for a missing driver or library in the text, or --set scorer.provider=cpu"
        return Check(title, "fail" if wanted else "warn", f"offered, but does not run: {e}", advice)


def check_address(key: str, address: str) -> Check:
    """Whether an address can be bound, and who could reach it."""
    if address.startswith("ipc://"):
        # Not tried: binding would take the file away from a detector that is running.
        folder = Path(address.removeprefix("ipc://")).parent
        if os.access(folder, os.W_OK):
            return Check(key, "ok", f"{address} can be made")
        return Check(key, "fail", f"{folder} is not a folder that can be written to", f"set another: --set {key}=...")
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.linger = 0
        try:
            socket.bind(address)
        except zmq.ZMQError as e:
            advice = f"stop the program that uses it (another detector?), or set another: --set {key}=..."
            return Check(key, "fail", f"{address} cannot be bound: {zmq.strerror(e.errno or 0)}", advice)
    if not is_local(address):
        detail = f"{address} is free, and open to the whole network"
        return Check(
            key,
            "warn",
            detail,
            "needs keys (security.keys) or --insecure; prefer tcp://127.0.0.1:..., see `dyadwatch docs security`",
        )
    return Check(key, "ok", f"{address} is free")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _print(checks: list[Check], ok: bool) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")  # a path too long for the terminal is still told whole
    for check in checks:
        style = _STYLES[check.state]
        # Text, not markup: an advice such as dyadwatch[cpu] would lose its brackets.
        table.add_row(Text(check.state, style), Text(check.name), Text(check.detail))
        if check.advice:
            table.add_row("", "", Text(f"-> {check.advice}", style))
    console = Console()
    console.print(table)
    failed = [check.name for check in checks if check.state == "fail"]
    verdict = "a detector would run here" if ok else f"a detector would not run here: {', '.join(failed)}"
    console.print(Text(verdict, "green" if ok else "bold red"))
