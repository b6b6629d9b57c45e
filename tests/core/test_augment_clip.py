"""Variations of a recording: alike, not the same, never too short."""

from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.core.enrolment.augment_clip import varied
from dyadwatch.core.features.pair_frame import anchors
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.exporters.parity import random_pairs

JOINTS = random_pairs(1, 60, 11, seed=1)[0].transpose(1, 0, 2, 3)
AT = anchors(UPPER11)


def test_each_is_another_and_all_are_people() -> None:
    rng = np.random.default_rng(0)
    made = [varied(JOINTS, AT, 15.0, 30, rng) for _ in range(20)]
    assert len({len(m) for m in made}) > 3, "tempo does not vary"
    for joints in made:
        assert joints.dtype == np.float32
        assert 50 <= len(joints) <= 70
        assert np.isfinite(joints).all()
        moved = np.abs(joints.mean(axis=0) - JOINTS.mean(axis=0))
        assert 0.02 < moved.mean() < 0.6
    same = varied(JOINTS, AT, 15.0, 30, np.random.default_rng(0))
    np.testing.assert_array_equal(same, made[0])


@pytest.mark.parametrize("seed", range(5))
def test_never_shorter_than_a_window(seed: int) -> None:
    assert len(varied(JOINTS[:30], AT, 15.0, 30, np.random.default_rng(seed))) >= 30
