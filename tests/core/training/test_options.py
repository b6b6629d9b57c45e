"""Training options: what cannot be is refused by name."""

import pytest

from dyadwatch.core.errors import TrainingError
from dyadwatch.core.training.options import TrainOptions


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"fps": 241.0}, "training option fps = 241.0: expected 1 to 240 frames per second"),
        ({"window_s": 20.0}, "training option window_s = 20.0: expected 8 to 240 frames, 0.53 to 16 s at 15 fps"),
        (
            {"window_s": 1.0, "fps": 240.0, "position": "none"},
            "training option position = 'none': expected synchronised or unsynchronised or sinusoidal",
        ),
        ({"least_trust": 1.5}, "training option least_trust = 1.5: expected 0 to 1"),
        ({"tempo": -0.1}, "training option tempo = -0.1: expected 0 to 0.5"),
        ({"folds": -1}, "training option folds = -1: expected 0 to 10"),
        ({"folds": 11}, "training option folds = 11: expected 0 to 10"),
        ({"budget_per_h": 0.0}, "training option budget_per_h = 0.0: expected more than 0"),
        ({"max_minutes": -1.0}, "training option max_minutes = -1.0: expected more than 0"),
        *(
            ({key: 0}, f"training option {key} = 0: expected at least 1")
            for key in ("hop", "batch", "epochs", "width", "units", "support")
        ),
    ],
)
def test_options_name_key_value_and_expectation(change, text):
    with pytest.raises(TrainingError) as caught:
        TrainOptions(**change)
    assert str(caught.value) == text


def test_nothing_needs_to_be_set() -> None:
    usual = TrainOptions()
    assert (usual.frames, usual.lead, usual.folds, usual.budget_per_h) == (22, 13, 2, 6.0)
    assert TrainOptions(recipe="paper").lead == 0
    assert TrainOptions(window_s=1.5, fps=30).frames == 45
