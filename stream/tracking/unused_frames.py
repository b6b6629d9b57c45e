"""Frames that come and are not used: why now, and when a refused run is believed after all."""

from __future__ import annotations

from dyadwatch.core.finding import Finding
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Blindness, Fault

_ENOUGH = 5  # frames in a row that are not used before that is the reported state of a source
_RETURN_FRAMES = 30  # frames of one earlier run in a row, with no other between, before it is taken up again
_RETURN_NS = NS  # and how long they last by their stamps


class Unused:
    """The unbroken row of frames up to now of which none was used.

    Attributes:
        frames: how many.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._reason: Fault | None = None
        self._frame: PoseFrame | None = None

    @property
    def reason(self) -> Fault | None:
        """Why the latest was not used; None where there are too few of them."""
        return self._reason if self.frames >= _ENOUGH else None

    def add(self, reason: Fault, frame: PoseFrame) -> None:
        """Records one more."""
        self.frames += 1
        self._reason, self._frame = reason, frame

    def clear(self) -> None:
        """A frame was used."""
        self.frames = 0
        self._frame = None

    def finding(self, epoch: int | None, last_stamp: int | None) -> Finding[Blindness] | None:
        """The same with its numbers.

        Arguments:
            epoch: of the present run.
            last_stamp: ns, of the last frame used.
        """
        frame = self._frame
        if frame is None or epoch is None:
            return None
        match self.reason:
            case None:
                return None
            case Fault.OLD_EPOCH:
                return Finding(Blindness.OLD_EPOCH, epoch=frame.epoch, present=epoch)
            case Fault.STAMP_NOT_INCREASING if last_stamp is not None:
                return Finding(Blindness.STAMPS_NOT_INCREASING, stamp=frame.stamp, last_stamp=last_stamp)
            case Fault.STAMP_JUMP_AHEAD | Fault.STAMP_JUMP_BACK if last_stamp is not None:
                return Finding(Blindness.STAMPS_JUMP, step_s=(frame.stamp - last_stamp) / NS)
            case Fault.DUPLICATE:
                return Finding(Blindness.SAME_FRAME, seq=frame.seq)
            case _:
                return Finding(Blindness.SEQ_NOT_RISING, seq=frame.seq)


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
