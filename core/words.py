"""Words for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from dyadwatch.core.data.unusable import Unusable, WhyUnusable

Detail = Mapping[str, Any]


def counted(number: int, thing: str) -> str:
    """A number and what it counts: 1 file, 2 files."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _short(detail: Detail) -> str:
    text = f"shorter than {detail['window_s']:.3g} s"
    if "fitting_s" not in detail:
        return text
    which = "them" if detail["fitting"] == detail["of"] else f"{detail['fitting']} of them"
    return f"{text} (--window-s {detail['fitting_s']:g} would use {which})"


# Each completes "3 clips ...".
_CLIPS: dict[Unusable, str | Callable[[Detail], str]] = {
    Unusable.UNREADABLE: "that cannot be used: {error}",
    Unusable.EMPTY: "of zero length",
    Unusable.PERSON_UNSEEN: "without person {person}",
    Unusable.JOINT_UNSEEN: "that never show {joint}",
    Unusable.TOO_FAR: "with joints more than {most_m:.0f} m away (not in metres?)",
    Unusable.SHORT: _short,
    Unusable.INTERRUPTED: "without {window_s:.3g} s in which all joints are seen",
    Unusable.NO_EXTENT: "in which person {person} is {size_m:.2f} m large",
}
# Of a single clip, where that is said otherwise.
_CLIP: dict[Unusable, str] = {
    Unusable.UNREADABLE: "{error}",
    Unusable.JOINT_UNSEEN: "never shows {joint}",
    Unusable.TOO_FAR: "joints more than {most_m:.0f} m away (not in metres?)",
    Unusable.NO_EXTENT: "person {person} is {size_m:.2f} m large; expected joints {least_m:g} m apart or more",
}


def of_clips(why: WhyUnusable) -> str:
    """Why several clips cannot be used; completes "3 clips ..."."""
    sentence = _CLIPS[why.code]
    return sentence(why.detail) if callable(sentence) else sentence.format(**why.detail)


def of_clip(why: WhyUnusable) -> str:
    """Why one clip cannot be used; stands behind its name and a colon."""
    return _CLIP[why.code].format(**why.detail) if why.code in _CLIP else of_clips(why)


def rarity(score: float) -> str:
    """10 ** score with one significant digit; past ten thousand the tail is extrapolated, not counted."""
    if score >= 4:
        return "10,000"
    n = 10.0 ** max(score, 0.0)
    digit = 10 ** math.floor(math.log10(n))
    return f"{round(n / digit) * digit:,}"
