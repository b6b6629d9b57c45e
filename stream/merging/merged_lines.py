"""What is known of a group and of its sources, as lines like those of any source."""

from __future__ import annotations

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.sense_codes import Odd
from dyadwatch.stream.codes import Blindness, MergeState
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.counters import Count
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.merging.group import Group, GroupMember
from dyadwatch.stream.windows.source_line import SourceLine


class MemberLine(SourceLine):
    """A source of a group; while it is kept apart, a line like any other."""

    def __init__(self, group: Group, member: GroupMember, shape: WindowShape, config: Config, count: Count) -> None:
        super().__init__(member.source, shape, config, count, member.scene)
        self._group = group
        self._member = member

    @property
    def merge(self) -> Finding[MergeState]:
        """Where its people go."""
        return self._member.apart or Finding(MergeState.MERGED, group=self._group.name)

    @property
    def blind(self) -> Finding[Blindness] | None:
        """As for any line; but a source that is merged needs no two people of its own."""
        scene = self.scene
        if not self._member.heard:
            return Finding(Blindness.NOT_HEARD)
        if scene.order.trouble is not None:
            return scene.order.trouble
        reason = super().blind
        alone = self._member.apart is not None or scene.unfit is not None or scene.people == 0
        return reason if alone or scene.blinding is not None else None

    @property
    def left_out_for(self) -> Odd | None:
        """As for any line, or why somebody was not merged."""
        return self._member.left_out_for or super().left_out_for


class GroupLine(SourceLine):
    """A group after its sources have become one."""

    def __init__(self, group: Group, shape: WindowShape, config: Config, count: Count) -> None:
        super().__init__(group.name, shape, config, count, group.scene)
        self._group = group

    @property
    def merge(self) -> Finding[MergeState]:
        """Who is merged now."""
        return self._group.summary

    @property
    def blind(self) -> Finding[Blindness] | None:
        """As for any line."""
        return super().blind if self._group.heard else Finding(Blindness.GROUP_NOT_HEARD)
