"""Every error that dyadwatch raises on purpose.

DyadwatchError
├── LayoutError          joints do not fit: rename them, or choose another model or layout
├── ClipError            a clip file cannot be used: names the file and what is wrong with it
│   └── UnknownFormatError   a file or folder is in no format that is known
├── TrainingError        training cannot start or go on: says what it needs
│   └── CollapseError    the network has unlearnt everything: has the report of what was seen
├── ArtefactError        a model file does not fit or is damaged: export or fetch it again
├── CalibrationError     a calibration file does not belong to the model, or cannot be made
│   └── TooShortError        recordings are too short to vouch for a budget: has the hours that are missing
├── ConfigError          a configuration key is wrong: names key, value, what was expected, the line
├── MissingExtraError    an optional dependency is not installed: names the command that installs it
├── RecordingError       a recording cannot be read or used: names the file and what was found in it
├── MemoryFileError      the file of incidents cannot be used
│   └── UnknownIncidentError   it does not hold the incident that is asked for, or several that begin so
├── DeliveryError        the spool of deliveries cannot be used
│   ├── UnreachableError     the other side does not answer, or not now: to be tried again
│   └── RefusedError         the other side will never take an update: not to be tried again
│       └── GoneError            nor any other: who it was for is not there any more
├── ServerLostError      a page that is listened to does not answer any more; it is tried again
├── ProviderError        the inference engine cannot run where it was told to
├── ScoreError           a loaded model gave no usable scores; has a countable `reason`
└── WireError            a message from a publisher breaks the wire protocol; has a countable `reason`
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from dyadwatch.core.extras import install_command


class DyadwatchError(Exception):
    """Base of all errors a caller may want to show to a person as one sentence."""


class LayoutError(DyadwatchError):
    """Joints of a source or model do not fit the layout that is asked of them.

    Arguments:
        text: one sentence.
        missing: names of the joints that are asked for and cannot be had.
    """

    def __init__(self, text: str, missing: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.missing = tuple(missing)


class ClipError(DyadwatchError):
    """A clip file or data folder cannot be read or holds unusable clips."""


class UnknownFormatError(ClipError):
    """A file or folder is nothing that the pose readers know; the message ends with all that they know."""


class TrainingError(DyadwatchError):
    """Training cannot start, or must stop, and the message says what is needed."""


class CollapseError(TrainingError):
    """Training was stopped because it made everything look alike.

    Arguments:
        text: what was seen, and what to do.
        report: everything measured until then, as plain values.
    """

    def __init__(self, text: str, report: dict[str, Any]) -> None:
        super().__init__(text)
        self.report = report


class ArtefactError(DyadwatchError):
    """A model file is damaged, of another version, or does not fit what is asked of it."""


class CalibrationError(DyadwatchError):
    """A calibration file is unreadable, was made for another model, or cannot be made."""


class TooShortError(CalibrationError):
    """Recordings are too short to vouch for a budget of false events.

    Arguments:
        hours: watched.
        needed: hours without an event that would do.
        budget: as it was asked for.
    """

    def __init__(self, hours: float, needed: float, budget: str) -> None:
        super().__init__(
            f"{hours:.2f} h were watched, and {budget} takes {needed:.2f} h without an event: "
            f"{needed - hours:.2f} h are missing"
        )
        self.hours = hours
        self.needed = needed


class ConfigError(DyadwatchError):
    """A configuration value is wrong; the message names key, value, expectation and line.

    Arguments:
        text: one sentence.
        key: of the configuration that is the culprit, such as `alarm.hold_s`; empty where it is none, or not known.
    """

    def __init__(self, text: str = "", *, key: str = "") -> None:
        super().__init__(text)
        self.key = key


class RecordingError(DyadwatchError):
    """A file is no recording, holds nothing whole, or does not allow what is asked of it."""


class MemoryFileError(DyadwatchError):
    """The file in which incidents are kept cannot be used, or does not hold what is asked for."""


class UnknownIncidentError(MemoryFileError):
    """No incident has the id that is asked for, or several ids begin with it."""


class DeliveryError(DyadwatchError):
    """The spool of deliveries cannot be used, or a delivery did not arrive."""


class UnreachableError(DeliveryError):
    """The other side did not take an update now; it may later."""


class RefusedError(DeliveryError):
    """The other side says that it will never take this update."""


class GoneError(RefusedError):
    """Who an update was for is not there any more, and will take no other either."""


class ServerLostError(DyadwatchError):
    """The page that is listened to, or the detector behind it, is not heard any more; it is tried again."""


class ProviderError(DyadwatchError):
    """ONNX Runtime cannot run on the execution provider that was asked for."""


class MissingExtraError(DyadwatchError):
    """An optional dependency is missing.

    Arguments:
        package: the import that failed.
        extra: the extra of dyadwatch that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; install it with: {install_command(extra)}")
        self.package = package
        self.extra = extra

    @classmethod
    def of(cls, error: ModuleNotFoundError, extra: str) -> Exception:
        """What to raise in the place of an import that failed: of a module of our own the error itself."""
        if (error.name or "").startswith("dyadwatch"):
            return error
        return cls(error.name or "a library", extra)


class ScoreError(DyadwatchError):
    """A loaded model did not score a batch of windows; the next batch may go well.

    Arguments:
        reason: the code under which the windows left out are counted: `score_failed` (the engine raised an error),
            `score_invalid` (the outputs have not the shapes the model file describes) or `score_cancelled`.
        text: one sentence for the log, naming the model file and what was found.
    """

    def __init__(self, reason: StrEnum, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class WireError(DyadwatchError):
    """A message breaks the wire protocol.

    Arguments:
        reason: the code under which the refusal is counted, such as `bad_topic`.
        text: one sentence for the log, naming the value and what was expected.
    """

    def __init__(self, reason: StrEnum, text: str) -> None:
        super().__init__(text)
        self.reason = reason
