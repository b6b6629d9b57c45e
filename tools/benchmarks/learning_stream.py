"""A site played as a source into a detector: learnt by its learner, or a model trained meanwhile and switched in."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import DyadwatchError
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.core.skeletons.pose import PoseFrame, TrackId
from dyadwatch.core.units import NS
from dyadwatch.heard_clips import heard_lately
from dyadwatch.live_detector import free_address
from dyadwatch.model_files import shipped_model
from dyadwatch.proposing import propose_trained
from dyadwatch.site_training import BackgroundTraining
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.versions import SiteModels
from dyadwatch.stream.messages import ScoreMessage, StatusMessage
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.clip_player import clip_frames, clip_intervals
from dyadwatch.stream.publishers.publisher import PosePublisher, pace
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.subscriber import Subscriber

SOURCE = "site"
_READY_S = 60.0
_QUIET_S = 4.0  # after the last score
_AFTER_S = 5.0  # of stream by the model that was trained
_MOST_S = 900.0  # that a training may take
_END_S = 120.0  # the learner ends its turn first
Cut = set[tuple[tuple[TrackId, TrackId], int]]  # pair and end of windows


class _Scores:
    """What a detector tells, until `stop`.

    Attributes:
        told: scores, and when each came.
        dropped: frames and windows, as the last status says.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="listener")
        self.told: list[tuple[float, ScoreMessage]] = []
        self.dropped: dict[str, int] = {}
        self._thread.start()

    def stop(self) -> None:
        """Waits for the last score."""
        self._over.set()
        self._thread.join()

    def _listen(self) -> None:
        last = time.monotonic()
        with Subscriber(self._address, most_waiting=0) as subscriber:
            while not self._over.is_set() or time.monotonic() - last < _QUIET_S:
                message = subscriber.receive(0.1)
                if isinstance(message, ScoreMessage):
                    last = time.monotonic()
                    self.told.append((last, message))
                elif isinstance(message, StatusMessage) and message.source != DETECTOR:
                    self.dropped = dict(message.dropped)

    def row(self, expected: Cut) -> dict[str, Any]:
        """Windows that were to be told, and those that were."""
        told = [(m.pair, m.end) for _, m in self.told]
        return {
            "models": list(dict.fromkeys(m.model for _, m in self.told)),
            "windows": len(expected),
            "told": len(told),
            "told_twice": len(told) - len(set(told)),
            "lost": len(expected - set(told)),
            "dropped": self.dropped,
        }


def _cut(frames: Iterable[PoseFrame], config: Config) -> Cut:
    """The windows that a detector cuts of frames."""
    pipeline = Pipeline(Scorer(shipped_model(), config.scorer), Thresholds(1e6, 1e5), config)
    return {(m.pair, m.end) for m in pipeline.run(frames) if isinstance(m, ScoreMessage)}


@contextmanager
def _running(config: Config, *verbs: tuple[str, ...]) -> Generator[tuple[str, str], None, None]:
    """A detector, and what else runs beside it, in processes of their own; gives the addresses in and out."""
    into, out = free_address(), free_address()
    options = (f"wire.bind={into}", f"sinks.bind={out}", f"record.folder={config.record.folder}",
               "record.min_free_mb=0", "learning.auto=true")  # fmt: skip
    words = [word for option in options for word in ("--set", option)]
    program = [sys.executable, "-m", "dyadwatch.tools.main"]
    log = Path(config.record.folder) / "log"
    with log.open("ab") as said:
        started = [
            subprocess.Popen([*program, *verb, *words], stdout=subprocess.DEVNULL, stderr=said)
            for verb in (("run", "--json"), *verbs)
        ]
    try:
        with Subscriber(out, kinds=("status",)) as ready:
            until = time.monotonic() + _READY_S
            while ready.receive(0.1) is None:
                if time.monotonic() > until or started[0].poll() is not None:
                    raise DyadwatchError(f"the detector did not start: {log.read_text('utf8', 'replace')}")
        yield into, out
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(_END_S)


def learnt_live(
    config: Config, models: SiteModels, clips: Sequence[Clip], seconds: float
) -> tuple[dict[str, Any], int]:
    """What came of a stream beside a learner, and how many clips were streamed."""
    used = sum(p.end_ns < seconds * NS for p in clip_intervals(clips))
    frames = list(clip_frames(clips[:used], SOURCE))
    first_s = 0.0
    with _running(config, ("learn", "run")) as (into, out):
        scores = _Scores(out)
        try:
            with PosePublisher(into) as publisher:
                began = time.monotonic()
                for frame in pace(frames, 1.0):
                    publisher.send(frame)
                    if not first_s and models.read().versions:
                        first_s = time.monotonic() - began
        finally:
            scores.stop()
    row = scores.row(_cut(frames, config))
    swap = next((at - began for at, m in scores.told if m.model != row["models"][0]), None)
    version = models.read().versions[0] if models.read().versions else None
    return {
        "streamed_s": seconds,
        "clips": used,
        "first_model_s": round(first_s, 1),
        "first_model_minutes_of_pairs": version and version.minutes,
        "judged_from_s": None if swap is None else round(swap, 1),
        **row,
    }, used


def trained_live(config: Config, models: SiteModels, clips: Sequence[Clip], steps: int) -> dict[str, Any]:
    """A model trained on what was recorded while frames go on, as the learner trains it, and switched in.

    Arguments:
        steps: of the training; few make a poor model, of the same shape.
    """
    frames: list[PoseFrame] = []
    done = threading.Event()
    failed: list[str] = []
    seconds = {"training_s": 0.0, "switched_in_s": 0.0}
    began = time.monotonic()

    def train() -> None:
        try:
            version = _trained(config, models, steps, began, seconds)
            models.use(version, "bench")
            seconds["switched_in_s"] = round(time.monotonic() - began, 1)
        except (DyadwatchError, OSError) as e:
            failed.append(str(e))
        finally:
            done.set()

    with _running(config) as (into, out):
        scores, learner = _Scores(out), threading.Thread(target=train, name="learner")
        learner.start()
        end = 0.0
        try:
            with PosePublisher(into) as publisher:
                for frame in pace(clip_frames(clips, SOURCE, loop=True), 1.0):
                    publisher.send(frame)
                    frames.append(frame)
                    if done.is_set():
                        end = end or time.monotonic() + _AFTER_S
                        if time.monotonic() > end:
                            break
        finally:
            learner.join()
            scores.stop()
    if failed:
        raise DyadwatchError(f"no model could be trained: {failed[0]}")
    return {"steps": steps, **seconds, **scores.row(_cut(frames, config))}


def _trained(config: Config, models: SiteModels, steps: int, began: float, seconds: dict[str, float]) -> int:
    """Number of a version that was trained on what was recorded, in a process of low priority."""
    folder = Path(config.record.folder)
    out = models.folder / "trained.onnx"
    words = ["learn", "train", "--out", str(out), "--steps", str(steps), "--set", f"record.folder={folder}"]
    minutes = sum(v.minutes for v in models.read().versions[-1:])
    training = BackgroundTraining(out, words, minutes)
    while training.result is None:
        if time.monotonic() - began > _MOST_S:
            raise DyadwatchError(f"it took longer than {_MOST_S:g} s")
        time.sleep(0.2)
    seconds["training_s"] = round(time.monotonic() - began, 1)
    if not training.result:
        raise DyadwatchError(training.error)
    heard = heard_lately(folder, read_info(out).fps)
    return propose_trained(models, out, heard.paths, minutes=minutes, clips=len(heard.clips)).number
