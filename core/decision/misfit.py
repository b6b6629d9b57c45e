"""Whether a model was made for a source at all: one that finds most of it impossible was not.

Of normal windows one in a thousand scores above 3. Where half of what a source shows does, for a quarter of an hour of
pairs and more, that says nothing about its people. What opens an event meanwhile goes on; later ones open none by
themselves.
"""

from __future__ import annotations

from collections import deque

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.sense_codes import Odd, Oddity
from dyadwatch.core.units import NS

_PIECE_NS = 60 * NS
_IMPOSSIBLE = 3.0
_LEAST_S = 900.0  # of windows of pairs, one behind the other: no fight lasts so long
_KEPT_S = 3600.0  # what was before so much of them no longer counts
_MISFIT, _FITS = 0.5, 0.3  # part of the windows from which on it does not fit, and below which it does again


class MisfitWatch:
    """How much of one source a model finds impossible, in event time.

    Arguments:
        hop_s: seconds from one window of a pair to its next.

    Attributes:
        found: that the model does not fit, with `minutes`, `share` and `score`; None where nothing speaks for that.
    """

    def __init__(self, hop_s: float) -> None:
        self.found: Odd | None = None
        self._least, self._kept = _LEAST_S / hop_s, _KEPT_S / hop_s
        self._hop_s = hop_s
        self._pieces: deque[list[int]] = deque()  # number of the piece, windows, impossible ones
        self._count = self._impossible = 0

    def take(self, stamp: int, score: float) -> None:
        """Takes the score of a window that ended at a stamp, ns."""
        number = stamp // _PIECE_NS
        if not self._pieces or self._pieces[-1][0] != number:
            self._pieces.append([number, 0, 0])
            while self._count - self._pieces[0][1] > self._kept:
                _, count, impossible = self._pieces.popleft()
                self._count -= count
                self._impossible -= impossible
            self._decide()
        piece, above = self._pieces[-1], score >= _IMPOSSIBLE
        piece[1] += 1
        piece[2] += above
        self._count += 1
        self._impossible += above

    def _decide(self) -> None:
        """Once a piece, so that what is reported does not come and go."""
        share = self._impossible / self._count if self._count else 0.0
        least = _FITS if self.found is not None else _MISFIT
        if self._count < self._least or share < least:
            self.found = None
            return
        minutes = round(self._count * self._hop_s / 60, 1)
        self.found = Finding(Oddity.MODEL_MISFIT, minutes=minutes, share=round(share, 3), score=_IMPOSSIBLE)
