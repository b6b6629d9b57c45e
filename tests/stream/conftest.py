"""People and streams that the tests of the live path share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.layouts import UPPER11
from dyadwatch.core.pose import PoseFrame, TrackId
from dyadwatch.core.skeleton import Layout

NS = 1_000_000_000
START = 1_700_000_000 * NS

# An upright body: metres from the floor below its pelvis, in the order of UPPER11.
BODY = np.array(
    [
        [0.0, 1.65, 0.05],
        [0.0, 1.45, 0.0],
        [0.0, 0.95, 0.0],
        [0.2, 1.4, 0.0],
        [-0.2, 1.4, 0.0],
        [0.25, 1.1, 0.0],
        [-0.25, 1.1, 0.0],
        [0.25, 0.9, 0.1],
        [-0.25, 0.9, 0.1],
        [0.1, 0.95, 0.0],
        [-0.1, 0.95, 0.0],
    ],
    np.float32,
)


class Drops(Counter[str]):
    """Counts reasons the way a station calls it."""

    def __call__(self, reason: str) -> None:
        self[reason] += 1


def person(x: float, z: float = 0.0) -> NDArray[np.float32]:
    """Joints (11, 3) of somebody who stands at (x, z)."""
    return BODY + np.array([x, 0, z], np.float32)


def make_frame(
    seq: int,
    people: Sequence[NDArray[np.float32]] = (),
    *,
    stamp: int | None = None,
    ids: Sequence[TrackId] | None = None,
    source: str = "hall",
    epoch: int = 1,
    fps: float = 30.0,
    layout: Layout = UPPER11,
    clock: str = "unix",
) -> PoseFrame:
    """A frame as the wire decoder would make it; frame `seq` of a clean source unless a stamp is given."""
    joints = np.stack(people).astype(np.float32) if len(people) else np.zeros((0, len(layout), 3), np.float32)
    seen = ~np.isnan(joints).any(axis=2)
    return PoseFrame(
        source=source,
        epoch=epoch,
        seq=seq,
        stamp=START + round(seq * NS / fps) if stamp is None else stamp,
        clock=clock,
        layout=layout,
        joints=joints,
        confidence=seen.astype(np.float32),
        ids=None if ids is None else tuple(ids),
    )


# Factories rather than values, and once a session, so that property tests may use them.
@pytest.fixture(scope="session", name="Drops")
def drops_fixture() -> type[Drops]:
    return Drops


@pytest.fixture(scope="session", name="person")
def person_fixture() -> Callable[..., NDArray[np.float32]]:
    return person


@pytest.fixture(scope="session", name="frame")
def frame_fixture() -> Callable[..., PoseFrame]:
    return make_frame
