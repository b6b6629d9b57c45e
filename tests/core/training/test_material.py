"""What recipes start from: held-back recordings stay out of everything that is learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.errors import TrainingError
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.training.material import Material, gather
from dyadwatch.core.training.mismatched_pairs import ValidationKind
from dyadwatch.core.training.options import TrainOptions

OPTIONS = TrainOptions(window_s=0.8, hop=2)


def marked(number: int, frames: int = 60, session: str = "") -> Clip:
    """Two people as broad as their clip's number says: whoever meets a body knows where it is from."""
    rng = np.random.default_rng(number)
    body = np.zeros((frames, 2, 11, 3))
    body[:, :, UPPER11.index["pelvis"], 1] = 0.9
    body[:, :, UPPER11.index["neck"], 1] = 1.4
    body[:, :, UPPER11.index["left_wrist"], 1] = 2 + number
    body[..., 0] += np.array([0.0, 1.0])[:, None] + np.cumsum(rng.normal(scale=0.01, size=(frames, 1, 1)), axis=0)
    return Clip(body.astype(np.float32), UPPER11, 15.0, clip_id=f"clip{number}", session=session)


def numbers(windows: np.ndarray, person: int) -> set[int]:
    """The clips that a person's body in (B, 2, T, J, 3) is from."""
    heights = windows[:, person, :, UPPER11.index["left_wrist"], 1]
    return set(np.unique(np.round(heights - 2).astype(int)).tolist())


@pytest.fixture(scope="module")
def material() -> Material:
    return gather([ClipSet(tuple(marked(i) for i in range(20)), UPPER11, "made")], OPTIONS)


def test_a_fifth_of_the_clips_is_held_back_whole(material: Material) -> None:
    held = numbers(material.windows.joints[material.held], 0)
    assert len(held) == 4
    assert not held & numbers(material.windows.joints[~material.held], 0)
    assert material.values.shape == (len(material.windows), len(material.statistics))


def test_training_pairs_know_nothing_of_what_is_held_back(material: Material) -> None:
    held = numbers(material.windows.joints[material.held], 0)
    intact, broken = material.train.training_batch(400, np.random.default_rng(0))
    for windows in (intact, broken):
        for person in (0, 1):
            met = numbers(windows, person)
            assert len(met) == 16
            assert not met & held


def test_broken_pairs_to_measure_with_are_held_back_ones(material: Material) -> None:
    held = numbers(material.windows.joints[material.held], 0)
    assert set(material.broken) == set(ValidationKind)
    for intact, broken in material.broken.values():
        for windows in (intact, broken):
            assert numbers(windows, 0) | numbers(windows, 1) <= held


def test_a_session_is_held_back_whole() -> None:
    clips = [marked(i, session=f"s{i % 10}") for i in range(20)]
    found = gather([ClipSet(tuple(clips), UPPER11, "made")], OPTIONS)
    held = numbers(found.windows.joints[found.held], 0)
    assert len(held) == 4
    assert {i % 10 for i in held} == {i % 10 for i in held if i < 10} == {i % 10 for i in held if i >= 10}


def test_the_seed_chooses_who_is_held_back() -> None:
    clips = [ClipSet(tuple(marked(i, 20) for i in range(20)), UPPER11, "made")]
    held = [gather(clips, TrainOptions(window_s=0.8, hop=2, seed=seed)).held.tobytes() for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]


def test_too_few_clips_are_told() -> None:
    with pytest.raises(TrainingError) as caught:
        gather([ClipSet(tuple(marked(i) for i in range(4)), UPPER11, "made")], OPTIONS)
    assert str(caught.value) == (
        "4 usable clips; expected at least 5 clips of 0.6 s or longer, or 100 s of one recording; record more normal "
        "behaviour"
    )
