"""A site's model trained on what was recorded: in a process of its own, at low priority, beside all others."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.model_file.artefact import ArtefactInfo
from dyadwatch.core.training.options import Listener, TrainOptions
from dyadwatch.heard_clips import HeardClips
from dyadwatch.stream.learning.progress import Training
from dyadwatch.training import train

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Training).decode


def train_like(heard: HeardClips, out: Path, like: ArtefactInfo, progress: Listener, steps: int | None = None) -> None:
    """Trains a model whose windows have the shape of another's, so that a detector can swap the one for the other.

    Arguments:
        heard: what was recorded.
        out: the model file to write; its thresholds rest on two halves, each judged by a model of the other.
        like: description of the model whose place it may take.
        progress: called with each step.
        steps: of the encoder; None: as many as by default.

    Raises:
        TrainingError: too little can be used.
        MissingExtraError: torch or onnx is not installed.
    """
    by_layout: dict[tuple[str, ...], ClipSet] = {}
    for _, clip in heard.clips:
        known = by_layout.get(clip.layout.joints)
        clips = (*known.clips, clip) if known is not None else (clip,)
        by_layout[clip.layout.joints] = ClipSet(clips, clip.layout, "recordings")
    options = TrainOptions(
        layout=like.layout,
        fps=like.fps,
        window_s=like.frames / like.fps,
        least_s=(like.frames - like.lead) / like.fps,
        steps=TrainOptions.steps if steps is None else steps,
    )
    train(list(by_layout.values()), out, options=options, fit_windows=False, progress=progress)


def told(step: Training) -> bytes:
    """A step as the process that trains tells it to the one that started it: a line."""
    return _encode(step) + b"\n"


class BackgroundTraining:
    """A training run in another process.

    Arguments:
        out: the model file that it writes.
        words: of its command line, `learn train` with all options.
        minutes: heard of pairs when it was started.

    Attributes:
        step: what it told last.
    """

    def __init__(self, out: Path, words: Sequence[str], minutes: float) -> None:
        self.out = out
        self.minutes = minutes
        self.step = Training(what="")
        command = [sys.executable, "-m", "dyadwatch.tools.main", *words]
        # It ends with the end of its input, so that a learner that is killed leaves nobody behind.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},  # a core is enough, beside those who score
        )
        self._said = b""
        self._threads = [
            threading.Thread(target=work, name="training", daemon=True) for work in (self._listen, self._keep_error)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def result(self) -> bool | None:
        """Whether it wrote a model; None while it goes on."""
        if self._process.poll() is None or any(t.is_alive() for t in self._threads):
            return None
        if self._process.stdin is not None:
            self._process.stdin.close()
        return self._process.returncode == 0

    @property
    def error(self) -> str:
        """What it said last where it failed."""
        lines = self._said.decode("utf8", "replace").strip().splitlines()
        return lines[-1].removeprefix("dyadwatch: ") if lines else f"it ended with code {self._process.returncode}"

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for line in said:
                try:
                    self.step = _decode(line)
                except msgspec.MsgspecError:
                    continue

    def _keep_error(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as said:
            for line in said:
                self._said = line
