"""How long sources sent frames, from where these stand in a recording: what they hold is not looked into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from dyadwatch.core.units import NS
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.recordings.channels import POSE
from dyadwatch.stream.recordings.chunks import RawMessage
from dyadwatch.stream.recordings.playback import Playback

_STEP_BACK_NS = 5 * NS  # no frame comes so late; the clock was set back
_TELL_NS = 60 * NS


class FrameTimes:
    """The time between frames of a source that are less than a second apart.

    Arguments:
        progress: called with the seconds of the recording that were read, once a minute of it.
    """

    def __init__(self, progress: Callable[[float], None] = lambda seconds: None) -> None:
        self._progress = progress
        self._last: dict[str, int] = {}  # topic -> stamp of the newest frame
        self._ns: Counter[str] = Counter()
        self._first: int | None = None
        self._told = 0

    def new_run(self) -> None:
        """Nothing joins two runs of a recorder."""
        self._last.clear()

    def received(self, raw: RawMessage) -> None:
        """Takes note that a frame came."""
        topic = raw.channel.topic
        if not topic.startswith(POSE):
            return
        before, now = self._last.get(topic, 0), raw.publish_time
        if before - _STEP_BACK_NS < now <= before:  # late, or doubled
            return
        self._last[topic] = now
        if 0 < now - before < NS:
            self._ns[topic] += now - before
        if self._first is None:
            self._first = raw.log_time
        if raw.log_time - self._told > _TELL_NS:
            self._told = raw.log_time
            self._progress((raw.log_time - self._first) / NS)

    def hours(self, config: Config) -> dict[str, float]:
        """Hours by source; a group was watched as long as the one of its sources that was watched longest."""
        found = {topic.removeprefix(POSE): ns / NS / 3600 for topic, ns in sorted(self._ns.items())}
        for group, members in config.merge.groups.items():
            mine = [found.pop(name) for name in members if name in found]
            if mine:
                found[group] = max(mine)
        return found


def recorded_hours(playback: Playback, config: Config) -> float:
    """Hours in which frames came, of all sources together; not all of them may have been of use."""
    times, run = FrameTimes(), None
    for recording in playback.recordings:
        if recording.about.run != run:
            times.new_run()
            run = recording.about.run
        for raw in recording.messages(playback.start, playback.end):
            times.received(raw)
    return sum(times.hours(config).values())
