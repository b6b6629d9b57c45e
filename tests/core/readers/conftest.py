"""Two people as every format holds them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

from dyadwatch.core.skeletons.layouts import UPPER11

_STANDING = {
    "head": (0, 1.7, 0), "neck": (0, 1.5, 0), "pelvis": (0, 1.0, 0), "left_shoulder": (0.2, 1.45, 0),
    "right_shoulder": (-0.2, 1.45, 0), "left_elbow": (0.25, 1.2, 0), "right_elbow": (-0.25, 1.2, 0),
    "left_wrist": (0.25, 0.95, 0.1), "right_wrist": (-0.25, 0.95, 0.1), "left_hip": (0.1, 0.95, 0),
    "right_hip": (-0.1, 0.95, 0),
}  # fmt: skip


@pytest.fixture
def walkers() -> NDArray[np.float32]:
    """Two people who walk past each other; metres, Y up, layout upper11; shape (20, 2, 11, 3)."""
    body = np.asarray([_STANDING[j] for j in UPPER11.joints])
    t = np.linspace(0, 1, 20)[:, None, None]
    first = body + t * np.asarray([0, 0, 1.0])
    second = body * np.asarray([1, 0.9, -1]) + [0.8, 0, 2.0] - t * np.asarray([0, 0, 1.0])
    return np.stack([first, second], axis=1).astype(np.float32)


@pytest.fixture
def damage() -> Callable[[st.DataObject, bytes], bytes]:
    """Flips bytes anywhere or among the first ones, and cuts some files short."""

    def spoil(data: st.DataObject, content: bytes) -> bytes:
        out = bytearray(content)
        for _ in range(data.draw(st.integers(0, 4))):
            reach = data.draw(st.sampled_from([40, 1100, len(out)]))
            out[data.draw(st.integers(0, min(reach, len(out)) - 1))] = data.draw(st.integers(0, 255))
        return bytes(out[: data.draw(st.one_of(st.just(len(out)), st.integers(0, len(out))))])

    return spoil
