"""Small made-up recordings: two people who answer each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.skeletons.layouts import UPPER11


def made_clip(seed: int, frames: int = 40, fps: float = 15.0, **told) -> Clip:
    """Person 1 does what person 0 does, a quarter of a second later, a metre away."""
    rng = np.random.default_rng(seed)
    body = np.random.default_rng(5).uniform([-0.3, 0, -0.15], [0.3, 1.6, 0.15], (11, 3))
    time = np.arange(frames + 4) / fps
    wave = np.sin(2 * np.pi * rng.uniform(0.3, 1.0) * time + rng.uniform(0, 6))[:, None, None]
    arms = np.zeros((11, 3))
    arms[[5, 6, 7, 8]] = [0.1, 0.3, 0.2]
    path = body + wave * arms + rng.normal(scale=0.004, size=(frames + 4, 11, 3))
    turned = path * [-1, 1, -1] + [1.0 + rng.uniform(-0.1, 0.1), 0, 0]
    joints = np.stack([path[4:], turned[:-4]], axis=1).astype(np.float32)
    return Clip(joints, UPPER11, fps, **{"label": "talk", "clip_id": f"clip{seed}", **told})


def made_set(count: int, frames: int = 40) -> ClipSet:
    return ClipSet(tuple(made_clip(i, frames) for i in range(count)), UPPER11, "made")


@pytest.fixture(scope="session")
def few_clips() -> ClipSet:
    return made_set(12)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Networks this small are slower on two threads, and much slower when another test has the second."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
