"""The scenes in a recording, followed as the live detector follows them, without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from dyadwatch.core.errors import WireError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import FRAMES_LEFT_OUT, Fault, PairEnd, Reason
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.merging.group import Group
from dyadwatch.stream.recordings.channels import Ended
from dyadwatch.stream.recordings.left_out import note_unusable
from dyadwatch.stream.recordings.playback import NewRun, Playback
from dyadwatch.stream.recordings.reader import Entry
from dyadwatch.stream.recordings.refused import decode_received
from dyadwatch.stream.recordings.write_queue import ReceivedMessage
from dyadwatch.stream.tracking.scene_tracker import SceneStep, SceneTracker


class RecordedScenes:
    """Iterates over the steps of all scenes, in order; then takes note in the playback of what was left out.

    Every source has the joints that it sends; a group those of the first of its sources that is heard. A source that
    its group keeps apart is a scene by itself.

    Arguments:
        playback: what to read.
        config: rules for messages, order, people, pairs and groups.
        fps: points of the grid a second.
        source: only this one, or only this group; a source of a group is then taken by itself.
        merged: whether groups are; otherwise every source is taken by itself.

    Attributes:
        dropped: messages and frames left out, by reason.
        capped: by source, how often there were more pairs than `pairs.max_pairs`.
    """

    def __init__(
        self, playback: Playback, config: Config, fps: float, source: str | None = None, *, merged: bool = True
    ) -> None:
        self._playback = playback
        self._config = config
        self._fps = fps
        self._wanted = source
        self.dropped: Counter[str] = Counter()
        self.capped: Counter[str] = Counter()
        self._unfit: Counter[str] = Counter()
        self._alone: dict[str, SceneTracker] = {}
        self._groups: dict[str, Group] = {}
        names = [name for name in config.merge.groups if merged and source in (None, name)]
        self._group_of = {source: name for name in names for source in (name, *config.merge.groups[name])}

    def __iter__(self) -> Iterator[SceneStep]:
        for entry in self._playback:
            yield from self._take(entry)
        yield from self._finish()
        note_unusable(self._playback, self.dropped)
        for source, count in sorted(self._unfit.items()):
            self._playback.note(
                f"{source}: {count} frames are left out; {self._group_of[source]} has the joints of another of its "
                "sources, which they lack"
            )

    def _take(self, entry: Entry | NewRun) -> list[SceneStep]:
        if isinstance(entry, NewRun):
            return self._finish()
        if isinstance(entry, ReceivedMessage):
            return self._received(entry)
        return self._give_up(entry.what.source) if isinstance(entry.what, Ended) else []

    def _received(self, entry: ReceivedMessage) -> list[SceneStep]:
        source = entry.source
        group = None if source is None else self._group_of.get(source)
        if group is None and self._wanted not in (None, source):
            return []
        if group is not None and source == group:  # the live detector refuses such a frame, too
            self.dropped[Fault.GROUP_NAME] += 1
            return []
        try:
            frame = decode_received(entry, self._config.wire)
        except WireError as e:
            self.dropped[e.reason] += entry.counts
            return []
        if group is not None:
            return self._group(group, frame.layout).push(frame)
        scene = self._alone.get(frame.source)
        if scene is None:
            count = partial(self._count, frame.source)
            scene = self._alone[frame.source] = SceneTracker(frame.source, self._config, self._fps, count)
        return scene.push(frame)

    def _group(self, name: str, layout: Layout) -> Group:
        group = self._groups.get(name)
        if group is None:
            group = Group(name, self._config, self._fps, layout, lambda source: partial(self._count, source), None)
            self._groups[name] = group
        return group

    def _give_up(self, source: str) -> list[SceneStep]:
        """The detector gave up a source, or a group, here."""
        group = self._groups.get(self._group_of.get(source, ""))
        if group is not None:
            return group.give_up(source, PairEnd.SOURCE_FORGOTTEN)
        scene = self._alone.pop(source, None)
        return [] if scene is None else scene.finish(PairEnd.SOURCE_FORGOTTEN)

    def _finish(self) -> list[SceneStep]:
        """Ends all scenes; what comes next has nothing to do with what came."""
        scenes = (*self._groups.values(), *self._alone.values())
        out = [step for scene in scenes for step in scene.finish(PairEnd.END_OF_STREAM)]
        self._groups.clear()
        self._alone.clear()
        return out

    def _count(self, source: str, reason: Reason) -> None:
        self.dropped[reason] += reason in FRAMES_LEFT_OUT
        self.capped[source] += reason is Fault.PAIRS_CAPPED
        if reason is Fault.LAYOUT_UNFIT:
            self._unfit[source] += 1


def frames_of(steps: Iterator[SceneStep], source: str | None = None) -> Iterator[tuple[PoseFrame, bool]]:
    """The frames of steps, of all sources or one, each with whether it begins anew and is joined to none before."""
    for step in steps:
        if step.frame is not None and source in (None, step.source):
            yield step.frame, step.fresh
