"""Why a clip cannot be used, as a sentence on one and on several."""

from __future__ import annotations

from typing import Any

import pytest

from dyadwatch.core.data.unusable import Unusable
from dyadwatch.core.finding import Finding
from dyadwatch.core.words import counted, of_clip, of_clips

# code, data, what completes "3 clips ...", and what stands behind the name of one where that is another
SENTENCES: list[tuple[Unusable, dict[str, Any], str, str | None]] = [
    (Unusable.UNREADABLE, {"error": "0 frames"}, "that cannot be used: 0 frames", "0 frames"),
    (Unusable.EMPTY, {}, "of zero length", None),
    (Unusable.PERSON_UNSEEN, {"person": 1}, "without person 1", None),
    (Unusable.JOINT_UNSEEN, {"joint": "head"}, "that never show head", "never shows head"),
    (Unusable.TOO_FAR, {"most_m": 100.0}, "with joints more than 100 m away (not in metres?)",
     "joints more than 100 m away (not in metres?)"),
    (Unusable.SHORT, {"window_s": 2 / 3}, "shorter than 0.667 s", None),
    (Unusable.INTERRUPTED, {"window_s": 2.0}, "without 2 s in which all joints are seen", None),
    (Unusable.NO_EXTENT, {"person": 0, "size_m": 0.04, "least_m": 0.2}, "in which person 0 is 0.04 m large",
     "person 0 is 0.04 m large; expected joints 0.2 m apart or more"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "detail", "several", "one"), SENTENCES, ids=[code for code, *_ in SENTENCES])
def test_a_sentence_is_made_of_a_code_and_its_data(
    code: Unusable, detail: dict[str, Any], several: str, one: str | None
) -> None:
    why = Finding(code, **detail)
    assert of_clips(why) == several
    assert of_clip(why) == (one or several)


def test_every_reason_is_tried() -> None:
    assert [code for code, *_ in SENTENCES] == list(Unusable)


@pytest.mark.parametrize(("fitting", "which"), [(3, "them"), (2, "2 of them")])
def test_what_is_too_short_says_which_window_would_use_it(fitting: int, which: str) -> None:
    why = Finding(Unusable.SHORT, window_s=2.0, fitting_s=1.5, fitting=fitting, of=3)
    assert of_clips(why) == f"shorter than 2 s (--window-s 1.5 would use {which})"


def test_one_is_one() -> None:
    assert (counted(1, "clip"), counted(0, "clip"), counted(2, "clip")) == ("1 clip", "0 clips", "2 clips")
