"""A real detector that records, and people who have a hard time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec import structs
from testing_sinks import Kept

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.live_detector import free_address
from dyadwatch.stream.configuration.config import Config, RecordOptions, ScorerOptions, SinkOptions
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.service import Service
from dyadwatch.stream.wire import encode_pose

THRESHOLDS = Thresholds(3.5, 2.5)
_WAIT_S = 60
_LAST = "last-one"


def record_options(folder: Path | None, **options: float) -> RecordOptions:
    return RecordOptions(folder=str(folder or ""), **{"min_free_mb": 0.0, **options})


_AHEAD = 30  # messages that are sent and not yet looked at


class Live:
    """A detector in a thread with a publisher connected over a real socket."""

    def __init__(
        self, scorer: Scorer, record: RecordOptions, config: Config | None = None, thresholds: Thresholds = THRESHOLDS
    ) -> None:
        self.address = free_address()
        base = config or Config(scorer=ScorerOptions(max_queue=10**6))
        wire = structs.replace(base.wire, bind=self.address)
        self.config = structs.replace(base, wire=wire, sinks=SinkOptions(bind="", status_s=0.05), record=record)
        self.kept = Kept()
        self.service = Service(scorer, thresholds, self.config, {"kept": self.kept})
        self._thread = threading.Thread(target=self.service.run)

    def __enter__(self) -> Live:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.service.stop()
        self._thread.join(_WAIT_S)
        assert not self._thread.is_alive()

    def take(self, messages: Sequence[list[bytes]], epoch: int = 1) -> None:
        """Sends messages and returns once the detector has taken them all in.

        Hardly faster than they are taken, as cameras do: of what waits for seconds, topics take turns.
        """
        name = f"{_LAST}-{epoch}"
        blank = PoseFrame(name, epoch, 0, 1, "unix", BLANK.layout, BLANK.joints, BLANK.confidence, None)
        with PosePublisher(self.address, wait_s=_WAIT_S) as publisher:
            for parts in messages:
                publisher.send_parts(parts)
                self.until(lambda: self._waiting() < _AHEAD)
            publisher.send_parts(encode_pose(blank))
            self.until(lambda: self.kept.last_status(name) is not None and not self._waiting())

    def _waiting(self) -> int:
        return self.service._receiving.waiting()["messages"]

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not condition():
            assert time.monotonic() < deadline, f"did not come about in {_WAIT_S} s"
            time.sleep(0.005)


def _blank() -> PoseFrame:
    import numpy as np

    from dyadwatch.core.skeletons.layouts import UPPER11

    none = np.zeros((0, 11, 3), np.float32)
    return PoseFrame("x", 1, 0, 0, "unix", UPPER11, none, none[..., 0], None)


BLANK = _blank()


@pytest.fixture
def thresholds() -> Thresholds:
    return THRESHOLDS


@pytest.fixture
def live(scorer: Scorer) -> Callable[..., Live]:
    def start(
        folder: Path | None = None,
        config: Config | None = None,
        thresholds: Thresholds = THRESHOLDS,
        **options: float,
    ) -> Live:
        return Live(scorer, record_options(folder, **options), config, thresholds)

    return start
