"""Tiny data sets of simulated pairs: who answers whom is known."""

from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.skeletons.layouts import UPPER11

BODY = np.random.default_rng(5).normal(scale=0.2, size=(len(UPPER11), 3))
BODY[2], BODY[9], BODY[10] = (0.0, -0.3, 0.0), (0.1, -0.3, 0.0), (-0.1, -0.3, 0.0)  # pelvis between the hips
BODY[1], BODY[3], BODY[4] = (0.0, 0.25, 0.0), (0.2, 0.25, 0.0), (-0.2, 0.25, 0.0)  # neck between the shoulders


def make_clip(seed: int, frames: int, label: str, split: str, fps: float = 15.0, gap_m: float = 1.0) -> Clip:
    """Two people facing each other; person 1 does what person 0 does, a little later and `gap_m` away."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / fps
    phase, speed = rng.uniform(0, 6, 2), rng.uniform(2, 3)

    def sway(t: np.ndarray) -> np.ndarray:
        wave = np.stack([0.2 * np.sin(speed * t + phase[0]), 0 * t, 0.2 * np.sin(1.3 * speed * t + phase[1])], axis=-1)
        return wave[:, None, :] * np.linspace(0.5, 1.5, len(UPPER11))[None, :, None]

    first = BODY + np.asarray([0, 1, 0]) + sway(time)
    second = (BODY + sway(time - 0.2)) * [-1, 1, -1] + np.asarray([gap_m, 1, 0])
    noise = rng.normal(scale=0.003, size=(frames, 2, len(UPPER11), 3))
    joints = (np.stack([first, second], axis=1) + noise).astype(np.float32)
    return Clip(joints, UPPER11, fps, label, f"clip{seed}", split, f"session{seed}")


@pytest.fixture(scope="session")
def folded() -> ClipSet:
    """Three categories, which differ in distance, in three folds; clips of 20 to 40 frames."""
    clips = [
        make_clip(100 * f + 10 * c + i, 20 + 5 * i, label, f"fold{f + 1}", gap_m=gap)
        for f in range(3)
        for c, (label, gap) in enumerate((("near", 0.6), ("middle", 1.0), ("far", 1.6)))
        for i in range(4)
    ]
    return ClipSet(tuple(clips), UPPER11, "folded")


@pytest.fixture(scope="session")
def handovers() -> ClipSet:
    """Long clips at 30 fps, train and test, and some odd ones in the test."""
    clips = [make_clip(i, 180, "normal", "train" if i < 8 else "test", 30.0) for i in range(14)]
    clips += [make_clip(50 + i, 150, "odd", "test", 30.0, gap_m=2.5) for i in range(3)]
    return ClipSet(tuple(clips), UPPER11, "handovers")
