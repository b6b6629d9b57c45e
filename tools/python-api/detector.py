"""The detector without sockets: frames in, scores and events out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.data.windows import CleanRecording, cut, led, usable_runs
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ArtefactError, ClipError, ConfigError, DyadwatchError, LayoutError
from dyadwatch.core.model_file.artefact import ArtefactInfo
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.skeletons.unseen import without_zeros
from dyadwatch.core.words import of_clips
from dyadwatch.loading import configure, is_learning, load_scorer, with_model
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.messages import EventMessage, Message
from dyadwatch.stream.pipeline import Pipeline, events_of
from dyadwatch.stream.publishers.publisher import check_source
from dyadwatch.stream.scoring.scorer import Score, Scorer
from dyadwatch.stream.service import Service
from dyadwatch.stream.sinks.sink_thread import Sink
from dyadwatch.stream.start_check import check_start


def load_detector(
    model: str | Path | None = None, config: str | Path | Mapping[str, Any] | Config | None = None
) -> Detector:
    """Loads a model with its thresholds.

    Arguments:
        model: a model file (.onnx) with its calibration beside it, or `simulated`, the bundled one; None is
            the one that the configuration names. By default that is none: `push` and `run` then take the simulated one,
            and a `service` is learning.
        config: a configuration file; or keys and values that differ from the default, such as `{"alarm.hold_s": 3}`;
            or a whole configuration. None is the default.

    Raises:
        ArtefactError: the model file is missing, damaged, or fails its trial.
        CalibrationError: no thresholds belong to the model.
        ConfigError: naming the key of the configuration, its value and what was expected.
        MissingExtraError: no ONNX Runtime is installed.
        ProviderError: the engine cannot run where the configuration wants it.
    """
    if isinstance(config, Mapping):
        settings = configure(None, [f"{key}={_written(value)}" for key, value in config.items()], None)
    elif isinstance(config, Config):
        settings = config
    elif config is None or isinstance(config, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance] - of others
        settings = configure(None if config is None else Path(config), [], None)
    else:
        raise ConfigError(
            f"config is {config!r:.80}; expected a file, a mapping such as {{'alarm.hold_s': 3}}, a Config or None"
        )
    if model is not None:
        if not isinstance(model, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArtefactError(f"model is {model!r:.80}; expected a model file (.onnx), or shipped")
        settings = with_model(settings, model)
    return Detector(*load_scorer(settings), settings)


def _written(value: object) -> str:
    """A value as an option of the command line has it."""
    if value is None:
        return ""
    return str(value) if isinstance(value, str | Path) else msgspec.json.encode(value).decode()


class Detector:
    """A loaded model with thresholds: frames in, scores and events out, in event time; no socket and no thread.

    Made by `load_detector`.

    Arguments:
        scorer: the loaded model.
        thresholds: when a score raises and clears an alarm.
        config: the whole configuration.

    Attributes:
        model: what the model file says of itself: name, version, joints, training.
        thresholds: `raise_at` and `clear_at`, in the units of scores.
        config: as given.
    """

    def __init__(self, scorer: Scorer, thresholds: Thresholds, config: Config) -> None:
        self._scorer = scorer
        self.model: ArtefactInfo = scorer.info
        self.thresholds = thresholds
        self.config = config
        self._pipeline = self._fresh()
        self._checked: set[str] = set()

    def _fresh(self) -> Pipeline:
        return Pipeline(self._scorer, self.thresholds, self.config)

    @property
    def layout(self) -> Layout:
        """The joints that the model takes; frames and clips of other layouts are mapped onto it by joint name."""
        return self._scorer.shape.layout

    @property
    def frames(self) -> int:
        """T, frames of a window."""
        return self._scorer.shape.frames

    @property
    def lead(self) -> int:
        """The most frames of a window that repeat the first in which both people were seen."""
        return self._scorer.shape.lead

    @property
    def fps(self) -> float:
        """Frames per second of a window."""
        return self._scorer.shape.fps

    def push(self, frame: PoseFrame) -> list[Message]:
        """Takes a frame of any source; returns the scores and events that it leads to, often none.

        Scores are left out where the configuration has `sinks.scores: false`.

        Raises:
            LayoutError: the arrays of the frame do not fit each other or its layout.
            ConfigError: the name of its source is none that detectors take.
            ScoreError: the engine failed on the windows.
        """
        return self._pipeline.push(self._checked_frame(frame))

    def finish(self) -> list[Message]:
        """Ends the stream of what was pushed: scores what is held back and closes open events; then begins anew."""
        messages = self._pipeline.finish()
        self._pipeline = self._fresh()
        return messages

    def run(self, frames: Iterable[PoseFrame]) -> list[EventMessage]:
        """Takes a stream from beginning to end and returns its events, those that `dyadwatch detect` tells of it.

        The same frames give the same events. What was pushed before has no part in it.

        Arguments:
            frames: of one or more sources, in the order of their stamps; `clip_frames` makes them of clips.

        Raises:
            LayoutError, ConfigError, ScoreError: as `push`.
        """
        return events_of(self._fresh().run(self._checked_all(frames)))

    def windows(self, clip: Clip, hop: int = 1) -> NDArray[np.float32]:
        """Windows of a clip as the model takes them: joints mapped by name, on the model's time grid, gaps closed.

        Arguments:
            clip: of two people, of any layout and rate.
            hop: frames of the grid from one window to the next.

        Returns:
            Metres, shape (N, 2, T, J, 3), at least one window.

        Raises:
            LayoutError: joints of the clip do not map onto the model's.
            ClipError: nothing of the clip fills a window; says why.
        """
        if hop < 1:
            raise ClipError(f"hop is {hop}; expected at least 1 frame")
        runs, why = usable_runs(clip, JointMap.between(clip.layout, self.layout), self.fps, self.frames - self.lead)
        if why is not None:
            raise ClipError(f"clip {clip.clip_id or '(without id)'}: no window can be cut from clips {of_clips(why)}")
        recordings = [CleanRecording(led(joints, self.lead), 0, clip.clip_id, lead=self.lead) for _, joints in runs]
        return cut(recordings, self.frames, hop).joints

    def score(self, windows: NDArray[np.floating]) -> list[Score]:
        """Scores windows, each by itself.

        Arguments:
            windows: metres, right-handed, Y up; shape (N, 2, T, J, 3) with `frames` for T and the joints of `layout`,
                `fps` frames a second, no NaN; neck, pelvis and head as the middle of shoulders, hips and ears.
                `windows()` cuts them from clips so.

        Returns:
            One for each window: `score`, `relation`, `unusual`, `timing` (-log10 of how rare a normal window scores
            so high), `joint_pairs` and `shift`, shape (J, J).

        Raises:
            LayoutError: naming the shape and what was expected.
            ClipError: a window holds something that is no number.
            ScoreError: the engine failed.
        """
        expected = (2, self.frames, len(self.layout), 3)
        try:
            array = np.asarray(windows, np.float32)
        except (TypeError, ValueError):
            raise LayoutError(
                f"windows are {type(windows).__name__}; expected an array (N, {_listed(expected)})"
            ) from None
        if array.ndim != 5 or array.shape[1:] != expected:
            raise LayoutError(f"windows have shape {array.shape}; expected (N, {_listed(expected)})")
        bad = np.flatnonzero(~np.isfinite(array).all(axis=(1, 2, 3, 4)))
        if len(bad):
            raise ClipError(f"window {bad[0]} holds NaN or infinite joints; expected metres, every joint seen")
        return self._scorer.score(list(array))

    def service(self, sinks: Mapping[str, Sink] | None = None) -> Service:
        """The detector behind sockets, as `dyadwatch run` has it: `run()` blocks until another thread calls `stop()`.

        Where no model was named, it is learning: scores are reported, and no event opens. It records only where
        `record.folder` says so.

        Addresses are `wire.bind` and `sinks.bind` of the configuration; they are bound from now on.

        Arguments:
            sinks: further places where messages go, by name, each on a thread of its own, see `Sink`.

        Raises:
            ConfigError: an address is taken, or open to other machines without keys.
        """
        check_start(self.config)
        learning = is_learning(self.config)
        return Service(self._scorer, self.thresholds, self.config, dict(sinks or {}), learning=learning)

    def _checked_all(self, frames: Iterable[PoseFrame]) -> Iterable[PoseFrame]:
        for frame in frames:
            yield self._checked_frame(frame)

    def _checked_frame(self, frame: PoseFrame) -> PoseFrame:
        """The frame with joints at 0 0 0 unseen, if it is none that the wire refuses, too: stations trust frames."""
        if not isinstance(frame, PoseFrame):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DyadwatchError(f"frame is {frame!r:.80}; expected a PoseFrame")
        where = f"frame {frame.seq} of {frame.source!r:.80}"
        if frame.source not in self._checked:
            check_source(frame.source)
            self._checked.add(frame.source)
        joints, expected = frame.joints, (len(frame.joints), len(frame.layout), 3)
        if joints.shape != expected or joints.dtype != np.float32:
            raise LayoutError(
                f"{where}: joints are {joints.dtype} of shape {joints.shape}; expected float32 of shape (P, "
                f"{len(frame.layout)}, 3), the joints of its layout {frame.layout.name}"
            )
        if frame.confidence.shape != joints.shape[:2]:
            raise LayoutError(
                f"{where}: confidence has shape {frame.confidence.shape}; expected {joints.shape[:2]}, one each joint"
            )
        if frame.ids is not None and len(set(frame.ids)) != len(joints):
            raise LayoutError(f"{where}: ids are {frame.ids!r:.80} for {len(joints)} people; expected each one's own")
        return without_zeros(frame)


def _listed(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))
