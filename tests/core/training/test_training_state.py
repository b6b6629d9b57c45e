"""Files of a training run that would unfold to far more than they are."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from dyadwatch.core.errors import TrainingError
from dyadwatch.core.files.npz import read_npz
from dyadwatch.core.training.checkpoint import Checkpoint, EncoderProgress
from dyadwatch.core.training.training_state import load_state


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 MB of zeros in 80 KB."""
    path = tmp_path_factory.mktemp("bomb") / "state.npz"
    np.savez_compressed(path, document=np.zeros(1, np.uint8), zeros=np.zeros(80 << 20, np.uint8))
    return path


def test_all_arrays_are_read_unless_some_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(3), b=np.eye(2))
    assert set(read_npz(path)) == {"a", "b"}
    assert set(read_npz(path, ("b", "c"))) == {"b"}


def test_a_state_that_unfolds_to_too_much_is_refused(bomb: Path) -> None:
    says = r"state\.npz is not a training state of dyadwatch, or is damaged: \d+ bytes unfold to \d+; expected at most"
    with pytest.raises(TrainingError, match=says):
        load_state(bomb)


def test_a_checkpoint_that_unfolds_to_too_much_is_none(bomb: Path) -> None:
    standing = cast("EncoderProgress", None)  # it is not looked at
    assert not Checkpoint(bomb, "run").restore(standing)


def test_a_state_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"none\.npz is not a training state of dyadwatch, .*No such file"):
        load_state(tmp_path / "none.npz")
