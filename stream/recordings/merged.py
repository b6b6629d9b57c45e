"""Clips of people whom several sources of one place see, merged as the live detector merges them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from dyadwatch.core.clips import Clip
from dyadwatch.core.pose import PoseFrame
from dyadwatch.stream.config import Config
from dyadwatch.stream.line import Item, WindowShape
from dyadwatch.stream.merge import Group, GroupLine, MemberLine

_UNFIT = "layout_unfit"


class Cutter(Protocol):
    """Cuts clips out of the frames of one source."""

    def push(self, frame: PoseFrame, fresh: bool) -> list[Clip]:
        """Takes a frame in its turn; returns the clips that it ends."""
        ...

    def finish(self) -> list[Clip]:
        """Ends all pairs."""
        ...


NewCutter = Callable[[str], Cutter]


class _Member(MemberLine):
    """A source of a group; while it is kept apart its people make clips of its own."""

    def __init__(self, source: str, *rest: Any, cutters: NewCutter) -> None:
        super().__init__(source, *rest)
        self._cutter = cutters(source)
        self._fresh = True
        self.clips: list[Clip] = []

    def _advance(self, frame: PoseFrame, arrived: int) -> list[Item]:
        if self.apart is None:
            return super()._advance(frame, arrived)
        self.clips += self._cutter.push(frame, self._fresh)
        self._fresh = False
        return []

    def _restart(self, reason: str) -> list[Item]:
        self.clips += self._cutter.finish()
        self._fresh = True
        return super()._restart(reason)


class _Merged(GroupLine):
    """The persons of a group, whose frames make clips instead of windows."""

    def __init__(self, source: str, *rest: Any, cutters: NewCutter) -> None:
        super().__init__(source, *rest)
        self._cutter = cutters(source)
        self.clips: list[Clip] = []

    def fused(self, frame: PoseFrame, restart: str | None, arrived: int) -> list[Item]:
        self.clips += self._cutter.push(frame, restart is not None)
        return []

    def finish(self, arrived: int, reason: str = "end_of_stream") -> list[Item]:
        out = self.group.flush(arrived)
        self.clips += self._cutter.finish()
        return out


class GroupClips:
    """The clips of one group of sources. The joints are those of the first source that is heard.

    Arguments:
        name: of the group.
        config: the group stands in its section `merge`.
        fps: frames a second of the clips.
        cutters: makes what cuts the clips of a source by that name.

    Attributes:
        unfit: frames left out by source, because theirs are not the joints of the group.
    """

    def __init__(self, name: str, config: Config, fps: float, cutters: NewCutter) -> None:
        self._name = name
        self._config = config
        self._fps = fps
        self._cutters = cutters
        self._group: Group | None = None
        self.unfit: Counter[str] = Counter()

    def push(self, frame: PoseFrame) -> list[Clip]:
        """Takes a frame as received; returns the clips that it ends."""
        if self._group is None:
            self._group = Group(
                self._name,
                WindowShape(frame.layout, 2, self._fps),
                self._config,
                lambda source: partial(self._count, source),
                partial(_Member, cutters=self._cutters),
                partial(_Merged, cutters=self._cutters),
            )
        self._group.members[frame.source].push(frame, 0)
        return self._taken()

    def end(self, source: str) -> list[Clip]:
        """The detector gave up a source of the group, or the group itself, here."""
        if self._group is None:
            return []
        line = self._group.line if source == self._name else self._group.members[source]
        line.finish(0)
        clips = self._taken()
        if source != self._name:
            self._group.renew(source)
        return clips

    def finish(self) -> list[Clip]:
        """Ends all pairs; what comes next has nothing to do with what came."""
        if self._group is None:
            return []
        for line in (*self._group.members.values(), self._group.line):
            line.finish(0)
        clips = self._taken()
        self._group = None
        return clips

    def _taken(self) -> list[Clip]:
        clips: list[Clip] = []
        if self._group is not None:
            for line in (*self._group.members.values(), self._group.line):
                assert isinstance(line, _Member | _Merged), "made by `push`"
                clips += line.clips
                line.clips = []
        return clips

    def _count(self, source: str, reason: str) -> None:
        self.unfit[source] += reason == _UNFIT
