"""Which joint a head is drawn at, and which skeletons stand on something."""

from __future__ import annotations

import pytest

from dyadwatch.core.skeletons.landmarks import has_soles, head_of


@pytest.mark.parametrize(
    ("joints", "head", "soles"),
    [
        (("nose", "neck", "head"), 2, False),
        (("neck", "nose", "left_ankle"), 1, True),
        (("pelvis", "left_foot_index"), -1, True),
        (("pelvis", "right_big_toe"), -1, True),
        (("pelvis", "left_knee"), -1, False),
    ],
)
def test_heads_and_soles(joints: tuple[str, ...], head: int, soles: bool) -> None:
    assert (head_of(joints), has_soles(joints)) == (head, soles)
