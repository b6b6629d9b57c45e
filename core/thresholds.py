"""From the surprise of normal windows to the thresholds of an alarm, and what they rest on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from dyadwatch.core.recordings import Windows

# How alarms are raised in the default configuration; evidence is counted the same way.
_SUSTAINED_S = 0.5
_LEAST_RAISE = 2.5
_MARGIN = 0.25
_EXCESS = 0.005  # part of the held-out recordings that may exceed the threshold
_STEP = 0.01
_CLEAR_PART = 0.6


def thresholds(score: NDArray[np.floating], windows: Windows, hop_s: float) -> dict[str, Any]:
    """Where an alarm is raised and cleared, and what that rests on.

    An alarm needs the score up for half a second, so for each held-out normal recording the highest level is found
    that it kept up for that long. With few recordings the threshold lies a margin above the highest of them. With
    many, one in 200 may exceed it: the one oddest of hundreds is as often a fault of the tracking as of the model,
    and a threshold above it is blind to much. Never below 2.5, where 1 normal window in 300 scores so high.

    Arguments:
        score: joined surprise of held-out normal windows, in the order of `windows`, shape (N,).
        hop_s: seconds from one window to the next.

    Returns:
        `raise_at`, `clear_at`, and `evidence`: what was measured, as plain numbers. The bound on false alarms is the
        one-sided 95 % Poisson bound on as many recordings as exceeded the threshold, one event each.
    """
    span = math.ceil(_SUSTAINED_S / hop_s) + 1  # from the first to the last of them the time has passed
    recordings = np.unique(windows.recording)
    sustained = np.sort(
        [
            np.lib.stride_tricks.sliding_window_view(s, min(span, len(s))).min(axis=-1).max()
            for s in (score[windows.recording == r] for r in recordings)
        ]
    )
    excess = int(_EXCESS * len(sustained))
    level = float(sustained[-1 - excess]) + (_MARGIN if excess == 0 else _STEP)
    raise_at = round(max(_LEAST_RAISE, level), 2)
    events = int((sustained >= raise_at).sum())
    hours = float(len(score) * hop_s / 3600)
    evidence = {
        "method": "surprise that held-out normal recordings kept up for half a second: "
        + ("the highest, plus a margin" if excess == 0 else f"exceeded by {_EXCESS:.1%} of them")
        + (f"; never less than {_LEAST_RAISE:g}, which is what holds here" if raise_at == _LEAST_RAISE else ""),
        "windows": len(score),
        "recordings": len(sustained),
        "hours": round(hours, 4),
        "window_frames": int(windows.joints.shape[2]),
        "hop_s": round(hop_s, 4),
        "highest_window": round(float(score.max()), 3),
        "highest_sustained": round(float(sustained[-1]), 3),
        "recordings_above_raise": events,
        "windows_above_raise": int((score >= raise_at).sum()),
        "events_per_hour_95": round(float(gammaincinv(events + 1, 0.95)) / max(hours, 1e-9), 2),
    }
    return {"raise_at": raise_at, "clear_at": round(_CLEAR_PART * raise_at, 2), "evidence": evidence}
