"""Why a clip can neither be trained on nor enrolled; sentences are in `core/words.py`."""

from __future__ import annotations

from enum import StrEnum

from dyadwatch.core.finding import Finding


class Unusable(StrEnum):
    """What is wrong with a clip, and the data that belong to it."""

    UNREADABLE = "unreadable"  # error: what its reader says
    EMPTY = "empty"
    PERSON_UNSEEN = "person_unseen"  # person: 0 or 1
    JOINT_UNSEEN = "joint_unseen"  # joint: its name
    TOO_FAR = "too_far"  # most_m
    SHORT = "short"  # window_s; fitting_s and fitting: a window that so many of them are long enough for; of: them all
    INTERRUPTED = "interrupted"  # window_s
    NO_EXTENT = "no_extent"  # person, size_m, least_m


WhyUnusable = Finding[Unusable]
