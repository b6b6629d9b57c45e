"""What Python programs import, see docs/python.md. Nothing is loaded before it is used.

```python
import dyadwatch

events = dyadwatch.load_detector().run(dyadwatch.clip_frames(clips))
```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dyadwatch.calibrating import NormalHours, SiteCalibration, calibrate
    from dyadwatch.core.data.clip_files import Clip, ClipSet, read_clips, write_clips
    from dyadwatch.core.decision.rules import Thresholds
    from dyadwatch.core.errors import (
        ArtefactError,
        CalibrationError,
        ClipError,
        CollapseError,
        ConfigError,
        DeliveryError,
        DyadwatchError,
        GoneError,
        LayoutError,
        MemoryFileError,
        MissingExtraError,
        ProviderError,
        RecordingError,
        RefusedError,
        ScoreError,
        ServerLostError,
        TooShortError,
        TrainingError,
        UnknownFormatError,
        UnknownIncidentError,
        UnreachableError,
        WireError,
    )
    from dyadwatch.core.model_file.artefact import ArtefactInfo
    from dyadwatch.core.readers.dataset import Dataset
    from dyadwatch.core.readers.formats import PoseFormat
    from dyadwatch.core.readers.people_files import Person
    from dyadwatch.core.readers.read import read_poses
    from dyadwatch.core.readers.read_options import ReadOptions
    from dyadwatch.core.skeletons.layout import Layout
    from dyadwatch.core.skeletons.layouts import get_layout
    from dyadwatch.core.skeletons.pose import PoseFrame
    from dyadwatch.core.training.options import TrainOptions
    from dyadwatch.detector import Detector, load_detector
    from dyadwatch.enrolling import EnrolledModel, enrol
    from dyadwatch.evaluation import evaluate
    from dyadwatch.evaluation_request import Report
    from dyadwatch.redeciding import WhatIf, what_if
    from dyadwatch.stream.configuration.config import Config
    from dyadwatch.stream.messages import EventMessage, IncidentMessage, ScoreMessage, StatusMessage
    from dyadwatch.stream.publishers.clip_player import clip_frames
    from dyadwatch.stream.publishers.publisher import PosePublisher
    from dyadwatch.stream.publishers.simulator.samples import anomaly_clips, normal_clips
    from dyadwatch.stream.scoring.scorer import Score
    from dyadwatch.stream.service import Service
    from dyadwatch.stream.sinks.sink_thread import Sink
    from dyadwatch.stream.subscriber import Subscriber
    from dyadwatch.training import TrainedModel, export, train

    __version__: str

# Where each name is made. The imports above say the same to type checkers; a test compares the two.
_NAMES = {
    "calibrating": "NormalHours SiteCalibration calibrate",
    "core.data.clip_files": "Clip ClipSet read_clips write_clips",
    "core.decision.rules": "Thresholds",
    "core.errors": "ArtefactError CalibrationError ClipError CollapseError ConfigError DeliveryError DyadwatchError "
    "GoneError LayoutError MemoryFileError MissingExtraError ProviderError RecordingError RefusedError ScoreError "
    "ServerLostError TooShortError "
    "TrainingError UnknownFormatError UnknownIncidentError UnreachableError WireError",
    "core.model_file.artefact": "ArtefactInfo",
    "core.readers.dataset": "Dataset",
    "core.readers.formats": "PoseFormat",
    "core.readers.people_files": "Person",
    "core.readers.read": "read_poses",
    "core.readers.read_options": "ReadOptions",
    "core.skeletons.layout": "Layout",
    "core.skeletons.layouts": "get_layout",
    "core.skeletons.pose": "PoseFrame",
    "core.training.options": "TrainOptions",
    "detector": "Detector load_detector",
    "enrolling": "EnrolledModel enrol",
    "evaluation": "evaluate",
    "evaluation_request": "Report",
    "redeciding": "WhatIf what_if",
    "stream.configuration.config": "Config",
    "stream.messages": "EventMessage IncidentMessage ScoreMessage StatusMessage",
    "stream.publishers.clip_player": "clip_frames",
    "stream.publishers.publisher": "PosePublisher",
    "stream.publishers.simulator.samples": "anomaly_clips normal_clips",
    "stream.scoring.scorer": "Score",
    "stream.service": "Service",
    "stream.sinks.sink_thread": "Sink",
    "stream.subscriber": "Subscriber",
    "training": "TrainedModel export train",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}
__all__ = [
    "ArtefactError",
    "ArtefactInfo",
    "CalibrationError",
    "Clip",
    "ClipError",
    "ClipSet",
    "CollapseError",
    "Config",
    "ConfigError",
    "Dataset",
    "DeliveryError",
    "Detector",
    "DyadwatchError",
    "EnrolledModel",
    "EventMessage",
    "GoneError",
    "IncidentMessage",
    "Layout",
    "LayoutError",
    "MemoryFileError",
    "MissingExtraError",
    "NormalHours",
    "Person",
    "PoseFormat",
    "PoseFrame",
    "PosePublisher",
    "ProviderError",
    "ReadOptions",
    "RecordingError",
    "RefusedError",
    "Report",
    "Score",
    "ScoreError",
    "ScoreMessage",
    "ServerLostError",
    "Service",
    "Sink",
    "SiteCalibration",
    "StatusMessage",
    "Subscriber",
    "Thresholds",
    "TooShortError",
    "TrainOptions",
    "TrainedModel",
    "TrainingError",
    "UnknownFormatError",
    "UnknownIncidentError",
    "UnreachableError",
    "WhatIf",
    "WireError",
    "__version__",
    "anomaly_clips",
    "calibrate",
    "clip_frames",
    "enrol",
    "evaluate",
    "export",
    "get_layout",
    "load_detector",
    "normal_clips",
    "read_clips",
    "read_poses",
    "train",
    "what_if",
    "write_clips",
]

if not TYPE_CHECKING:  # a type checker that saw it would take every misspelt name for Any

    def __getattr__(name: str) -> Any:
        """Imports what a name stands for when it is first asked for (PEP 562).

        Raises:
            AttributeError: there is no such name.
            MissingExtraError: what it is made of needs an extra that is not installed.
        """
        if name == "__version__":
            from importlib.metadata import version

            value: Any = version("dyadwatch")
        elif name in _HOMES:
            value = getattr(import_module(f"dyadwatch.{_HOMES[name]}"), name)
        else:
            raise AttributeError(f"module 'dyadwatch' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
