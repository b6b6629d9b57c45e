"""Clips of a new normal: how many are taken, and which."""

from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.enrolment.normal_clips import evenly, take_clips
from dyadwatch.core.errors import ClipError
from dyadwatch.core.model_file.artefact import ArtefactInfo
from dyadwatch.core.skeletons.layouts import UPPER11

INFO = ArtefactInfo(name="m", version="1", layout="upper11", joints=UPPER11.joints, frames=30, fps=15.0)


def clips(count: int, *, short: frozenset[int] = frozenset()) -> list[tuple[str, Clip]]:
    rng = np.random.default_rng(0)
    return [
        (f"c{i}", Clip(rng.normal(size=(20 if i in short else 31, 2, 11, 3)).astype(np.float32), UPPER11, 15.0))
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "wanted", "which"),
    [(21, 1, [10]), (10, 5, [1, 3, 5, 7, 9]), (4, 20, [0, 1, 2, 3]), (20, 20, list(range(20)))],
)
def test_evenly(count: int, wanted: int, which: list[int]) -> None:
    assert evenly(count, wanted) == which


def test_evenly_takes_nothing_twice() -> None:
    for count in range(1, 60):
        for wanted in range(1, 21):
            which = evenly(count, wanted)
            assert sorted(set(which)) == which
            assert len(which) == min(count, wanted)
            assert which[-1] < count


def test_those_that_can_be_used_are_taken_evenly() -> None:
    normal = take_clips(clips(60, short=frozenset(range(30))), INFO, 5)
    assert [r.name for r in normal.recordings] == ["c33", "c39", "c45", "c51", "c57"]
    assert (normal.clips, normal.units, len(normal.skipped), normal.left) == (5, 5, 30, 25)
    assert [r.name for r in take_clips(clips(3), INFO, 20).recordings] == ["c0", "c1", "c2"]


def test_too_many_are_refused_with_the_ways_on() -> None:
    with pytest.raises(ClipError) as caught:
        take_clips(clips(21), INFO)
    assert str(caught.value) == (
        "21 clips to enrol; expected 1 to 20: use 20 of them, evenly spread, with --take 20, or choose some with "
        "--label, --split or --clip, or learn from all of them with 'dyadwatch train'"
    )
    assert take_clips(clips(21), INFO, 20).left == 1
    assert take_clips(clips(21), INFO, most=21).clips == 21
    with pytest.raises(
        ClipError, match=r"^21 clips to enrol; expected 1 to 9: use 9 of them, evenly spread, with --take 9"
    ):
        take_clips(clips(21), INFO, most=9)


@pytest.mark.parametrize("take", [0, -1, 21])
def test_how_many_can_be_taken(take: int) -> None:
    with pytest.raises(ClipError, match=f"^take is {take}; expected 1 to 20 clips$"):
        take_clips(clips(3), INFO, take)


def test_reasons_of_hundreds_are_cut() -> None:
    with pytest.raises(ClipError, match=r"^none of 50 clips can be enrolled; .*c19: [^;]*; and 30 more\)$"):
        take_clips(clips(50, short=frozenset(range(50))), INFO, 20)
