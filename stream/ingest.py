"""The first half of the live path: frames of all sources in, windows of pairs and ends of pairs out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import Fault, PairEnd, Reason
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.items import Item, WindowShape
from dyadwatch.stream.merging.group import Group
from dyadwatch.stream.merging.merged_lines import GroupLine, MemberLine
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.tracking.scene_tracker import SceneStep, SceneTracker
from dyadwatch.stream.windows.source_line import SourceLine
from dyadwatch.stream.windows.time_marks import QuietSpells

_log = logging.getLogger(__name__)


class _Count:
    """What a line of one source calls with a reason, once or for many at a time."""

    def __init__(self, lines: dict[str, SourceLine], source: str, losses: DropLog) -> None:
        self._lines, self._source, self._losses = lines, source, losses

    def __call__(self, reason: Reason) -> None:
        self.many(reason, 1)

    def many(self, reason: Reason, n: int) -> None:
        line = self._lines.get(self._source)
        self._losses.add(self._source, reason, line.cause(reason) if line else None, n)


class Ingest:
    """The lines of all sources.

    Arguments:
        shape: the windows the model wants.
        config: the whole configuration.
        losses: where drops are counted.

    Attributes:
        lines: of sources and groups, by name.
        groups: by their own names.
        group_of: the group that a source belongs to, by the source's name.
        tracked: monotonic ns at which the people of the latest frame were followed; their windows came after it.
    """

    def __init__(self, shape: WindowShape, config: Config, losses: DropLog) -> None:
        self._shape = shape
        self._config = config
        self._losses = losses
        self.lines: dict[str, SourceLine] = {}
        self._quiet = QuietSpells(config.incidents.linger_s)
        self.groups: dict[str, Group] = {}
        self.group_of: dict[str, Group] = {}
        self.tracked = 0
        self.clear()

    def clear(self) -> None:
        """Forgets all sources; those of groups are expected from the start, and stand before all others."""
        self.lines.clear()
        self._quiet.clear()
        for name, sources in self._config.merge.groups.items():
            layout = self._shape.layout
            group = self.groups[name] = Group(name, self._config, self._shape.fps, layout, self._count_for, layout)
            for source in sources:
                self.group_of[source] = group
                self._renew_line(source)
            self.lines[name] = GroupLine(group, self._shape, self._config, self._count_for(name))

    def _count_for(self, source: str) -> _Count:
        return _Count(self.lines, source, self._losses)

    def _renew_line(self, source: str) -> None:
        group, count = self.group_of[source], self._count_for(source)
        self.lines[source] = MemberLine(group, group.members[source], self._shape, self._config, count)

    def _group(self, source: str) -> Group | None:
        """The group that takes what comes under a name."""
        return self.group_of.get(source) or self.groups.get(source)

    def _items(self, steps: Iterable[SceneStep], arrived: int) -> list[Item]:
        return [item for step in steps for item in self.lines[step.source].windows.take(step, arrived)]

    def push(self, frame: PoseFrame, arrived: int) -> list[Item]:
        """Takes a frame; returns the windows it completes and the pairs it ends, in order."""
        line = self.lines.get(frame.source)
        if line is None:
            if len(self.lines) >= self._config.wire.max_sources:
                self._losses.add(DETECTOR, Fault.TOO_MANY_SOURCES)
                self.tracked = time.monotonic_ns()  # or the frame before would tell how long this one took
                return []
            count = self._count_for(frame.source)
            line = self.lines[frame.source] = SourceLine(frame.source, self._shape, self._config, count)
        group = self._group(frame.source)
        steps = line.scene.push(frame) if group is None else group.push(frame)
        self.tracked = time.monotonic_ns()
        single = group is None and len(steps) == 1  # as nearly always
        items = line.windows.take(steps[0], arrived) if single else self._items(steps, arrived)
        self._quiet.note(items)
        self._quiet.look(line, items)
        if group is not None:
            self._quiet.look(self.lines[group.name], items)
        return items

    def scene(self, source: str) -> SceneTracker | None:
        """The scene that the people of a source are in: its own, or that of the group it is merged into."""
        line = self.lines.get(source)
        group = self.group_of.get(source)
        if group is None or group.members[source].apart is not None:
            return None if line is None else line.scene
        return group.scene

    def forget(self, source: str, reason: PairEnd = PairEnd.SOURCE_FORGOTTEN) -> list[Item]:
        """Gives up a source that has been silent for long, which makes room for another; ends its pairs."""
        arrived = time.monotonic_ns()
        group, line = self._group(source), self.lines[source]
        if group is None:
            items = line.finish(arrived, reason)
            del self.lines[source]
            return self._ended(line, items, reason)
        items = self._items(group.give_up(source, reason), arrived)
        if source in self.group_of:
            self._renew_line(source)
        return self._ended(line, items, reason)

    def failed(self, source: str, error: Exception) -> list[Item]:
        """Restarts a source whose frames the stations failed on, which is a fault of ours; ends its pairs."""
        blamed = source if source in self.lines else DETECTOR
        self._losses.add(blamed, Fault.STATION_FAILED, f"{type(error).__name__}: {error}")
        _log.error("%s: the detector failed on a frame of this source", source, exc_info=error)
        line = self.lines.get(source)
        if line is None:
            return []
        try:
            return self.forget(source, PairEnd.STATION_FAILED)
        except Exception as e:  # noqa: BLE001 - even its end fails: its pairs end without what was held back
            _log.error("%s: the detector failed to end this source", source, exc_info=e)
            if source in self.group_of:
                self.group_of[source].renew(source)
                self._renew_line(source)
            elif source not in self.groups:
                del self.lines[source]
            return self._ended(line, line.end_pairs(PairEnd.STATION_FAILED), PairEnd.STATION_FAILED)

    def finish(self, reason: PairEnd) -> list[Item]:
        """Releases what is held back and ends all pairs of all sources."""
        arrived = time.monotonic_ns()
        steps = [step for group in self.groups.values() for step in group.finish(reason)]
        alone = [line for source, line in self.lines.items() if self._group(source) is None]
        items = self._items(steps, arrived) + [item for line in alone for item in line.finish(arrived, reason)]
        for line in self.lines.values():
            items = self._ended(line, items, reason)
        return items

    def _ended(self, line: SourceLine, items: list[Item], reason: PairEnd) -> list[Item]:
        """Items that end a source, and a moment that says so."""
        self._quiet.note(items)
        self._quiet.end(line, reason, items)
        return items
