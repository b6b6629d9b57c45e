"""Frames that come and are not used: why just now, in words, and when a refused run is believed after all."""

from __future__ import annotations

from dyadwatch.core.pose import PoseFrame

_NS = 1_000_000_000
_ENOUGH = 5  # frames in a row that are not used before that is what is told of a source
_RETURN_FRAMES = 30  # frames of one earlier run in a row, with no other between, before it is taken up again
_RETURN_NS = _NS  # and how long they last by their stamps


class Unused:
    """The unbroken row of frames up to now of which none was used.

    Attributes:
        frames: how many.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._reason = ""
        self._frame: PoseFrame | None = None

    @property
    def reason(self) -> str | None:
        """Why the latest was not used; None where there are too few of them."""
        return self._reason if self.frames >= _ENOUGH else None

    def add(self, reason: str, frame: PoseFrame) -> None:
        """Takes note of one more."""
        self.frames += 1
        self._reason, self._frame = reason, frame

    def clear(self) -> None:
        """A frame was used."""
        self.frames = 0
        self._frame = None

    def words(self, epoch: int | None, last_stamp: int | None) -> str | None:
        """The same for people, with numbers.

        Arguments:
            epoch: of the present run.
            last_stamp: ns, of the last frame used.
        """
        frame = self._frame
        if self.reason is None or frame is None:
            return None
        if self._reason == "old_epoch":
            return f"frames of an earlier run (epoch {frame.epoch}) are refused; the present run has epoch {epoch}"
        if self._reason == "stamp_not_increasing":
            return f"stamps do not rise ({frame.stamp} after {last_stamp})"
        if self._reason.startswith("stamp_jump") and last_stamp is not None:
            return f"stamps jump ({(frame.stamp - last_stamp) / _NS:+.1f} s from the last frame used)"
        if self._reason == "duplicate":
            return f"the same frame comes again and again (seq {frame.seq})"
        return f"frame numbers do not rise (seq {frame.seq})"


class OldRun:
    """Frames of one epoch smaller than the present one, in a row.

    A larger epoch ends the run before it. But one that came by mistake, or from somebody else, is never followed by
    anything, and no honest publisher could send a larger one than 2^63 - 1: where nothing else comes, the smaller one
    is the truth. Decided by frames alone, so that a recording gives the same when it is run again.
    """

    def __init__(self, frame: PoseFrame) -> None:
        self._first = self._last = frame
        self._frames = 1

    def goes_on(self, frame: PoseFrame) -> bool:
        """Takes one more; False where it is of another run, or not after the last in number and time."""
        last = self._last
        if frame.epoch != last.epoch or frame.seq <= last.seq or frame.stamp <= last.stamp:
            return False
        self._last = frame
        self._frames += 1
        return True

    @property
    def lasts(self) -> bool:
        """Whether the run has gone on for long enough to be the present one."""
        return self._frames >= _RETURN_FRAMES and self._last.stamp - self._first.stamp >= _RETURN_NS
