from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.finding import Finding
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import Blindness
from dyadwatch.stream.configuration.config import Config, LivenessOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.health.source_watch import SourceWatch
from dyadwatch.stream.ingest import Ingest
from dyadwatch.stream.items import WindowShape

S = 1_000_000_000
Frame = Callable[..., PoseFrame]
Person = Callable[..., NDArray[np.float32]]


class House:
    """Sources that were heard so many seconds ago."""

    def __init__(self) -> None:
        self.intake = Ingest(WindowShape(UPPER11, 30, 15.0), Config(), DropLog(Counters()))
        self.watch = SourceWatch(self.intake, LivenessOptions(silent_s=5.0))
        self.now = time.monotonic_ns()

    def hear(self, frame: PoseFrame, ago_s: float) -> None:
        self.intake.push(frame, self.now)
        self.watch.beat(frame, self.now - round(ago_s * S))


@pytest.fixture
def house() -> House:
    return House()


def test_who_is_of_least_worth_makes_room_first_and_who_is_of_use_only_after_long_silence(
    house: House, frame: Frame, person: Person
) -> None:
    for seq in range(40):
        house.hear(frame(seq, [person(0)], source="absent"), 61.0)
        house.hear(frame(seq, [person(0)], source="away"), 59.0)
        house.hear(frame(seq, [person(0)], source="there"), 0.0)
    house.hear(frame(0, source="once"), 6.0)
    house.hear(frame(0, source="new"), 0.9)
    assert [house.watch.replaceable(house.now) for _ in range(3)] == ["once", "absent", None]


def test_who_sends_a_frame_now_and_then_makes_room_after_its_trial(house: House, frame: Frame) -> None:
    house.hear(frame(0, source="drip"), 11.0)
    house.hear(frame(1, source="drip"), 0.0)
    assert house.watch.replaceable(house.now) == "drip"


def test_time_in_which_nobody_listened_is_no_silence(house: House, frame: Frame, person: Person) -> None:
    house.hear(frame(0, [person(0)]), 20.0)
    house.watch.pause(20 * S)
    (view,) = house.watch.views()
    assert view.heard == house.now
    assert view.used == house.now


def test_a_view_does_not_change_when_its_source_goes_on(house: House, frame: Frame, person: Person) -> None:
    house.hear(frame(0, [person(0)]), 1.0)
    (before,) = house.watch.views()
    house.hear(frame(1, [person(0), person(1)]), 0.0)
    (after,) = house.watch.views()
    assert (before.frames, before.people, before.blind) == (1, 1, Finding(Blindness.ONE_PERSON))
    assert (after.frames, after.people) == (2, 2)
