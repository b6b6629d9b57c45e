"""What of a recording could not be used, in words."""

from __future__ import annotations

from collections import Counter

from dyadwatch.core.words import counted
from dyadwatch.stream.codes import FAULTS, FRAMES_LEFT_OUT
from dyadwatch.stream.recordings.playback import Playback


def note_unusable(playback: Playback, dropped: Counter[str]) -> None:
    """Records the messages that no frame could be read from, and of frames that their order leaves no place."""
    for text in filter(None, (_unusable(dropped), _out_of_order(dropped))):
        playback.note(f"left out: {text}")


def nothing_to_export(dropped: Counter[str]) -> str:
    """Why nothing was written."""
    text = ", ".join(filter(None, (_unusable(dropped), _out_of_order(dropped))))
    return f"nothing to export: no usable frame in that time{f'; left out: {text}' if text else ''}"


def _unusable(dropped: Counter[str]) -> str:
    """Messages by what they break of the protocol or of the recorded section wire."""
    counts = {reason: count for reason, count in sorted(dropped.items()) if reason not in FAULTS}
    return ", ".join(f"{counted(count, 'message')} for {reason}" for reason, count in counts.items())


def _out_of_order(dropped: Counter[str]) -> str:
    """Frames that the live detector leaves out, too, because of their numbers, stamps or names."""
    counts = {reason: count for reason, count in sorted(dropped.items()) if reason in FRAMES_LEFT_OUT}
    return ", ".join(f"{counted(count, 'frame')} as {reason}" for reason, count in counts.items())
