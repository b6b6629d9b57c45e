"""What a source looks like, without a model: who is there, how tall, upright or not, and what to change."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from msgspec import Meta, Struct

from dyadwatch.core.sense.sense_codes import Odd, Oddity, is_blinding, settled
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Blindness
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.texts import text_of
from dyadwatch.stream.windows.source_line import SourceLine

_FPS, _FRAMES = 30.0, 60  # of windows that nobody scores
_EVERY = 5  # frames from one look at heights to the next
# What is in the way of scoring, and is a matter of who is there now rather than of the source.
_PASSING = frozenset({Blindness.NOBODY, Blindness.ONE_PERSON, Blindness.FILLING, Blindness.JOINTS_HIDDEN})


class Remark(Struct, frozen=True, kw_only=True):
    """Something that is wrong or doubtful, and a sentence with what to change."""

    code: str
    blinding: Annotated[
        bool, Meta(description="True: nothing of it is scored. False: it opens no event, or is merely said (mirrored).")
    ]
    text: str


class SourceVerdict(Struct, frozen=True, kw_only=True):
    """What was seen of a source.

    Arguments:
        source: its name, or that of a clip or file.
        frames, people: how many came, and the most people of one.
        fps: frames a second by their stamps; 0 for fewer than two.
        height_m: of the smallest and the tallest, by the bones; None where too little of them is seen.
        upright, of: how many were seen upright, of how many for whom that can be known.
        floor_m: least and most x, least and most z of where they were; None where nobody was.
        remarks: what is wrong or doubtful; empty where all is well.
    """

    source: str
    frames: int
    people: int
    fps: float
    height_m: tuple[float, float] | None
    upright: int
    of: int
    floor_m: tuple[float, float, float, float] | None = None
    remarks: tuple[Remark, ...]


class SourceCheck:
    """Looks at the frames of one source.

    Arguments:
        source: its name.
        config: the whole configuration; `sense.ignore` matters, and what decides who is who.
    """

    def __init__(self, source: str, config: Config) -> None:
        self._source, self._config = source, config
        self._line: SourceLine | None = None
        self._counts: Counter[str] = Counter()
        self._frames = self._people = 0
        self._first = self._last = 0
        self._heights: dict[int | str, float] = {}
        self._floor: tuple[float, float, float, float] | None = None
        self._upright: dict[int | str, bool] = {}
        self._odd: dict[Oddity, Odd] = {}
        self._blind: dict[Blindness, str] = {}

    def push(self, frame: PoseFrame) -> None:
        """Takes a frame."""
        if self._line is None:
            shape = WindowShape(frame.layout, _FRAMES, _FPS)
            self._line = SourceLine(self._source, shape, self._config, self._count)
        line = self._line
        line.push(frame, 0)
        self._first = self._first if self._frames else frame.stamp
        self._last = max(self._last, frame.stamp)
        self._frames += 1
        self._people = max(self._people, line.scene.people)
        for odd in line.odd:
            self._odd.setdefault(odd.code, odd)
        if self._frames % _EVERY == 0:
            self._look(line)

    def _count(self, reason: str) -> None:
        self._counts[reason] += 1

    def _look(self, line: SourceLine) -> None:
        self._heights |= line.scene.sense.heights
        for track in line.scene.tracker.alive.values():
            x, z = round(float(track.root[0]), 2), round(float(track.root[2]), 2)
            x0, x1, z0, z1 = self._floor or (x, x, z, z)
            self._floor = min(x0, x), max(x1, x), min(z0, z), max(z1, z)
        for who, upright in line.scene.sense.upright.items():
            self._upright[who] = upright or self._upright.get(who, False)
        blind = line.blind
        if blind is not None and blind.code not in _PASSING and str(blind.code) not in set(Oddity):
            self._blind[blind.code] = text_of(blind)

    def verdict(self, refused: str = "") -> SourceVerdict:
        """What was seen so far.

        Arguments:
            refused: what was said of messages of the source that were refused; empty where none were.
        """
        if self._line is not None:
            self._look(self._line)
        remarks = [Remark(code="refused", blinding=True, text=refused)] if refused else []
        remarks += [Remark(code=code, blinding=True, text=text) for code, text in self._blind.items()]
        remarks += [
            Remark(code=odd.code, blinding=is_blinding(odd), text=text_of(odd)) for odd in settled(self._odd.values())
        ]
        span = self._last - self._first
        tall = sorted(self._heights.values())
        return SourceVerdict(
            source=self._source,
            frames=self._frames,
            people=self._people,
            fps=round((self._frames - 1) * NS / span, 1) if span > 0 else 0.0,
            height_m=(round(tall[0], 2), round(tall[-1], 2)) if tall else None,
            upright=sum(self._upright.values()),
            of=len(self._upright),
            floor_m=self._floor,
            remarks=tuple(remarks),
        )
