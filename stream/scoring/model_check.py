"""Tries a model file before it serves, in a process of its own with limits: a graph may well never end.

What a file says of itself can be compared without running it (`model_signature`); what its graph does cannot. The
trial scores one window, then a full batch, on the CPU, within limits on time and memory.
"""

from __future__ import annotations

import importlib.util
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.errors import ArtefactError, DyadwatchError
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.core.model_file.onnx_runtime import onnxruntime
from dyadwatch.stream.configuration.config import ScorerOptions
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.scoring.scorer import Scorer

_REFUSED = 3  # exit status of a trial that says itself what is wrong
_MB = 1 << 20
_NO_MEMORY = re.compile(r"\ballocat|bad_alloc|no memory", re.IGNORECASE)
# A score has four decimals; what a batch may change by rounding alone stays far below this.
_ALIKE = 0.01


def check_model(path: Path, options: ScorerOptions) -> None:
    """Refuses a model that cannot serve.

    Arguments:
        path: the .onnx artefact.
        options: the section `scorer` of the configuration; `trial_s` and `trial_mb` are the limits.

    Raises:
        ArtefactError: the file is damaged, its graph is not what its description says, it fails on one window or on
            `max_batch` windows, or it exceeds a limit.
    """
    read_info(path)
    if options.trial_s == 0 or importlib.util.find_spec("onnxruntime") is None:
        return  # without an engine `Scorer` says what to install
    command = [sys.executable, "-m", __name__, str(path), msgspec.json.encode(options).decode()]
    try:
        done = subprocess.run(command, capture_output=True, timeout=options.trial_s, check=False)
    except subprocess.TimeoutExpired:
        raise ArtefactError(
            f"{path}: the trial did not end within {options.trial_s:g} s (scorer.trial_s): the graph takes for ever or "
            f"is too slow for {options.max_batch} windows at once (scorer.max_batch)"
        ) from None
    if done.returncode == 0:
        return
    said = (done.stderr.decode("utf8", "replace").strip().splitlines() or ["it said nothing"])[-1]
    if done.returncode == _REFUSED:
        raise ArtefactError(said)
    ended = f"with code {done.returncode}"
    if done.returncode < 0:
        ended = f"by {signal.Signals(-done.returncode).name}"
    raise ArtefactError(
        f"{path}: the trial ended {ended} (scorer.trial_mb allows {options.trial_mb} MB): {said:.300}; export it again"
    )


def trial_windows(shape: WindowShape, count: int) -> list[NDArray[np.float32]]:
    """Windows (2, T, J, 3) in metres of two people a metre apart who stand and sway a little, each its own."""
    rng = np.random.default_rng(0)
    out: list[NDArray[np.float32]] = []
    for _ in range(count):
        window = rng.normal(0, 0.002, (2, shape.frames, len(shape.layout), 3)).cumsum(axis=1)
        window += rng.normal(0, 0.4, (2, 1, len(shape.layout), 3))
        window[1, ..., 0] += 1.0
        out.append(window.astype(np.float32))
    return out


def trial(path: Path, options: ScorerOptions) -> None:
    """Loads a model and scores one window, then `max_batch` at once, in this process.

    Raises:
        DyadwatchError: it cannot be loaded, fails, gives no numbers, or scores a window by what else is in the batch.
    """
    scorer = Scorer(path, msgspec.structs.replace(options, provider="cpu"))
    windows = trial_windows(scorer.shape, options.max_batch)
    (alone,), together = scorer.score(windows[:1]), scorer.score(windows)
    worst = [s for s in (alone, *together) if not np.isfinite(sum(s.parts))]
    if worst:
        raise ArtefactError(
            f"{path}: {len(worst)} of {1 + len(together)} scores of people who stand are no finite numbers, such as "
            f"{worst[0].score}"
        )
    for name in ScorePart:
        one, other = getattr(alone, name), getattr(together[0], name)
        if abs(one - other) > _ALIKE * max(1.0, abs(one)):
            raise ArtefactError(
                f"{path}: {name} of one window is {one:g} alone and {other:g} in a batch of {len(windows)}; expected "
                "the same whatever else is in a batch"
            )


def _limit(options: ScorerOptions) -> None:
    """Limits this process's memory beyond what it has already, where the system can, and its time on the processor."""
    seconds = int(options.trial_s * options.threads) + 2  # should the parent be killed before it can end this one
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    statm = Path("/proc/self/statm")
    if statm.exists():
        most = int(statm.read_text().split()[0]) * resource.getpagesize() + options.trial_mb * _MB
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main(path: str, document: str) -> int:
    """The trial as a program: exit status 0, or 3 with the reason as the last line on standard error."""
    onnxruntime()  # its own libraries are not the model's memory

    options = msgspec.json.decode(document, type=ScorerOptions)
    _limit(options)
    try:
        trial(Path(path), options)
    except (DyadwatchError, MemoryError) as e:
        said = " ".join(str(e).split()) or f"{path}: no memory is left"
        hint = f" (scorer.trial_mb allows {options.trial_mb} MB)" if _NO_MEMORY.search(said) else ""
        sys.stderr.write(f"{said}{hint}\n")
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
