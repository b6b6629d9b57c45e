"""`dyadwatch bench compare`: this checkout and another by turns, so that the machine's moods strike both alike."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.tools.benchmarks import compared
from dyadwatch.tools.benchmarks.machine import describe_machine
from dyadwatch.tools.benchmarks.verdict import Bar, print_verdict, table

WORSE = 0.05  # the bar: no more than 5 % worse
_ROOMS = ("core", "stream", "exporters", "tools")
_SCRIPT = Path(compared.__file__)
_RUN_S = 300.0
# Figure, and whether more of it is better.
_FIGURES = {"same_work_us_p50": False, "same_work_us_mean": False, "windows_per_s": True}
# How alike the work is; then of the default configuration, with what its cost buys. Without a bar, for what a checkout
# does by default may differ.
_DEFAULT = ("same_work_windows_per_message", "message_us_p50", "message_us_mean", "windows_per_message")


def compare(
    other: Path,
    *,
    rounds: int = 10,
    seconds: float = 6.0,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Compare the cost from message to windows and the rate of scoring with those of another checkout.

    Both run by turns, with this Python and its packages: here, there, there, here, ... Each round gives one ratio, this
    checkout's figure to the other's. Exit status 1 where the median ratio is more than 5 % worse, for the same work:
    windows as often on both sides, and bodies not judged. What a message costs by default, and how many windows it then
    makes, is told beside it: a checkout may judge bodies, and more often, and pay for that.

    Parameters
    ----------
    other
        Folder of the other checkout, such as one made by `git worktree add ../before v0.1.0`.
    rounds
        How many ratios.
    seconds
        How long one run of one checkout measures.
    json
        Print one JSON object instead.
    """
    here = _SCRIPT.resolve().parents[2]
    if rounds < 1:
        raise ConfigError(f"--rounds is {rounds}; expected at least 1")
    if missing := [room for room in _ROOMS if not (other / room).is_dir()]:
        raise ConfigError(f"{other} has no folder {missing[0]!r}; expected a checkout of dyadwatch")
    progress = Console(stderr=True)
    report: dict[str, Any] = {"machine": describe_machine(), "here": [], "other": []}
    with tempfile.TemporaryDirectory(prefix="dyadwatch-compare-") as name:
        paths = {side: _paths(Path(name) / side, root) for side, root in (("here", here), ("other", other.resolve()))}
        for n in range(rounds):
            progress.print(f"round {n + 1} of {rounds}")
            for side in ("here", "other") if n % 2 == 0 else ("other", "here"):
                report[side].append(_run(paths[side], seconds))
    both = list(zip(report["here"], report["other"], strict=True))
    ratios = {f: [a[f] / b[f] for a, b in both] for f in (*_FIGURES, *_DEFAULT)}
    report["ratios"] = ratios
    rows = [_row(f, report, ratios[f]) for f in ratios]
    header = ("figure", "here", "other", "ratio: median", "least", "most")
    print_verdict(report, [_bar(f, ratios[f]) for f in _FIGURES], table(header, rows), json)


def _paths(folder: Path, root: Path) -> Path:
    """A folder to import `dyadwatch` from, whatever is installed: rooms of a checkout under that name."""
    package = folder / "dyadwatch"
    package.mkdir(parents=True)
    for room in _ROOMS:
        (package / room).symlink_to(root / room)
    for module in (root / "tools" / "python-api").glob("*.py"):  # what is `dyadwatch` itself, where there is such
        (package / module.name).symlink_to(module)
    return folder


def _run(path: Path, seconds: float) -> dict[str, Any]:
    command = [sys.executable, str(_SCRIPT), str(seconds)]
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=_RUN_S, check=False)
    if done.returncode:
        raise DyadwatchError(f"the measurement failed: {done.stderr.decode('utf8', 'replace').strip()[-1000:]}")
    result = msgspec.json.decode(done.stdout)
    if not result["checkout"].startswith(str(path)):
        raise DyadwatchError(f"measured {result['checkout']}; expected the checkout under {path}")
    return result


def _row(figure: str, report: dict[str, Any], ratios: Sequence[float]) -> list[str]:
    sides = [float(np.median([r[figure] for r in report[side]])) for side in ("here", "other")]
    return [figure, *(f"{s:.4g}" for s in sides), *(f"{v:.3f}" for v in (np.median(ratios), min(ratios), max(ratios)))]


def _bar(figure: str, ratios: Sequence[float]) -> Bar:
    median = float(np.median(ratios))
    fine = median >= 1 - WORSE if _FIGURES[figure] else median <= 1 + WORSE
    wanted = f">= {1 - WORSE:g}" if _FIGURES[figure] else f"<= {1 + WORSE:g}"
    return Bar(f"{figure}, this checkout to the other", f"{median:.3f}", wanted, fine)
