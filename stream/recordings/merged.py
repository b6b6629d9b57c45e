"""People whom several sources of one place see, merged as the live detector merges them: their frames, their clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from dyadwatch.core.errors import WireError
from dyadwatch.core.pose import PoseFrame
from dyadwatch.stream.codes import FRAMES_LEFT_OUT, Fault, PairEnd, Reason
from dyadwatch.stream.config import Config
from dyadwatch.stream.line import Item, WindowShape
from dyadwatch.stream.merge import Group, GroupLine, MemberLine
from dyadwatch.stream.recordings.channels import Ended
from dyadwatch.stream.recordings.playback import NewRun, Playback
from dyadwatch.stream.recordings.queue import Received
from dyadwatch.stream.recordings.reader import Entry
from dyadwatch.stream.recordings.refused import decode_received
from dyadwatch.stream.recordings.tables import note_unusable

_FPS = 30.0  # of merged frames, for those who ask for no other

T = TypeVar("T")


class Cutter(Protocol[T]):
    """Makes pieces, such as clips, out of the frames of one source."""

    def push(self, frame: PoseFrame, fresh: bool) -> list[T]:
        """Takes a frame in its turn; returns the pieces that it ends."""
        ...

    def finish(self) -> list[T]:
        """Ends all pairs."""
        ...


NewCutter = Callable[[str], Cutter[T]]


class _Member(MemberLine, Generic[T]):
    """A source of a group; while it is kept apart its people make pieces of its own."""

    def __init__(self, source: str, *rest: Any, cutters: NewCutter[T]) -> None:
        super().__init__(source, *rest)
        self._cutter = cutters(source)
        self._fresh = True
        self.made: list[T] = []

    def _advance(self, frame: PoseFrame, arrived: int) -> list[Item]:
        if self.apart is None:
            return super()._advance(frame, arrived)
        self.made += self._cutter.push(frame, self._fresh)
        self._fresh = False
        return []

    def _restart(self, reason: PairEnd) -> list[Item]:
        self.made += self._cutter.finish()
        self._fresh = True
        return super()._restart(reason)


class _Merged(GroupLine, Generic[T]):
    """The persons of a group, whose frames make pieces instead of windows."""

    def __init__(self, source: str, *rest: Any, cutters: NewCutter[T]) -> None:
        super().__init__(source, *rest)
        self._cutter = cutters(source)
        self.made: list[T] = []

    def fused(self, frame: PoseFrame, restart: PairEnd | None, arrived: int) -> list[Item]:
        self.made += self._cutter.push(frame, restart is not None)
        return []

    def finish(self, arrived: int, reason: PairEnd = PairEnd.END_OF_STREAM) -> list[Item]:
        out = self.group.flush(arrived)
        self.made += self._cutter.finish()
        return out


class GroupPieces(Generic[T]):
    """What is made of the people of one group of sources. The joints are those of the first source that is heard.

    Arguments:
        name: of the group.
        config: the group stands in its section `merge`.
        fps: frames a second of the merged people.
        cutters: makes what takes the frames of a source by that name.

    Attributes:
        unfit: frames left out by source, because theirs are not the joints of the group.
        dropped: frames left out of order, by reason.
    """

    def __init__(self, name: str, config: Config, fps: float, cutters: NewCutter[T]) -> None:
        self._name = name
        self._config = config
        self._fps = fps
        self._cutters = cutters
        self._group: Group | None = None
        self.unfit: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    def push(self, frame: PoseFrame) -> list[T]:
        """Takes a frame as received; returns the pieces that it ends."""
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

    def end(self, source: str) -> list[T]:
        """The detector gave up a source of the group, or the group itself, here."""
        if self._group is None:
            return []
        line = self._group.line if source == self._name else self._group.members[source]
        line.finish(0)
        made = self._taken()
        if source != self._name:
            self._group.renew(source)
        return made

    def finish(self) -> list[T]:
        """Ends all pairs; what comes next has nothing to do with what came."""
        if self._group is None:
            return []
        for line in (*self._group.members.values(), self._group.line):
            line.finish(0)
        made = self._taken()
        self._group = None
        return made

    def _taken(self) -> list[T]:
        made: list[T] = []
        if self._group is not None:
            for line in (*self._group.members.values(), self._group.line):
                assert isinstance(line, _Member | _Merged), "made by `push`"
                made += line.made
                line.made = []
        return made

    def _count(self, source: str, reason: Reason) -> None:
        self.unfit[source] += reason is Fault.LAYOUT_UNFIT
        self.dropped[reason] += reason in FRAMES_LEFT_OUT


class Groups(Generic[T]):
    """The groups of a configuration, or the one of them that is wanted.

    Arguments:
        config: rules for order, people, pairs and groups.
        wanted: the name of one group; None takes all.
        fps: frames a second of the merged people.
        cutters: see `GroupPieces`.

    Attributes:
        sources: by name, the group that takes what a source sends; the groups' own names are among them.
    """

    def __init__(self, config: Config, wanted: str | None, fps: float, cutters: NewCutter[T]) -> None:
        self._wire = config.wire
        self._groups: dict[str, GroupPieces[T]] = {}
        self._messages: Counter[str] = Counter()
        self.sources: dict[str | None, GroupPieces[T]] = {}
        for name, sources in config.merge.groups.items():
            if wanted in (None, name):
                group = GroupPieces(name, config, fps, cutters)
                self._groups[name] = group
                self.sources |= dict.fromkeys((name, *sources), group)

    def take(self, entry: Entry | NewRun) -> list[T]:
        """The pieces that the next entry of the recording ends."""
        if isinstance(entry, NewRun):
            return self.finish()
        source = entry.source if isinstance(entry, Received) else getattr(entry.what, "source", None)
        group = self.sources.get(source)
        if group is None or source is None:
            return []
        if not isinstance(entry, Received):
            return group.end(source) if isinstance(entry.what, Ended) else []
        if source in self._groups:  # the name is the group's; the live detector refuses such a frame, too
            self._messages[Fault.GROUP_NAME] += 1
            return []
        try:
            return group.push(decode_received(entry, self._wire))
        except WireError as e:
            self._messages[e.reason] += entry.counts
            return []

    def finish(self) -> list[T]:
        """Ends all people and pairs."""
        return [piece for group in self._groups.values() for piece in group.finish()]

    @property
    def dropped(self) -> Counter[str]:
        """Messages and frames left out, by reason."""
        return sum((group.dropped for group in self._groups.values()), self._messages)

    def notes(self) -> list[str]:
        """What was left out."""
        return [
            f"{source}: {count} frames are left out; {name} has the joints of another of its sources, which they lack"
            for name, group in self._groups.items()
            for source, count in sorted(group.unfit.items())
            if count
        ]


class _Keeper:
    """Hands on frames as they come, with whether they begin afresh; or none of a source that is not `wanted`."""

    def __init__(self, source: str, wanted: str) -> None:
        self._wanted = source == wanted
        self._begun = False

    def push(self, frame: PoseFrame, fresh: bool) -> list[tuple[PoseFrame, bool]]:
        fresh, self._begun = fresh or not self._begun, True
        return [(frame, fresh)] if self._wanted else []

    def finish(self) -> list[tuple[PoseFrame, bool]]:
        self._begun = False
        return []


def merged_frames(playback: Playback, config: Config, name: str) -> Iterator[tuple[PoseFrame, bool]]:
    """The frames of a group, each with whether it begins afresh and cannot be joined to the one before.

    Arguments:
        playback: what to read.
        config: the group stands in its section `merge`.
        name: of the group.
    """
    groups = Groups[tuple[PoseFrame, bool]](config, name, _FPS, lambda source: _Keeper(source, name))
    for entry in playback:
        yield from groups.take(entry)
    yield from groups.finish()
    note_unusable(playback, groups.dropped)
    for note in groups.notes():
        playback.note(note)
