"""Reports how far the time of a source has come where neither windows nor ends of pairs tell it."""

from __future__ import annotations

from dyadwatch.core.units import NS
from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.items import Item, Moment, Window
from dyadwatch.stream.windows.source_line import SourceLine


class QuietSpells:
    """Adds to the items of sources one `Moment` once nothing else came of them for a while, and one at their end.

    What waits for time to go on, such as an incident that may resume, needs no more. All in event time.

    Arguments:
        after_s: seconds by the source's stamps from its last item on.
    """

    def __init__(self, after_s: float) -> None:
        self._after = round(after_s * NS)
        self._last: dict[str, int] = {}  # source -> ns of its last item, until a moment was reported

    def clear(self) -> None:
        """Forgets all sources."""
        self._last.clear()

    def note(self, items: list[Item]) -> None:
        """Records the items of any sources."""
        for item in items:
            self._last[item.source] = item.end if isinstance(item, Window) else item.stamp

    def look(self, line: SourceLine, items: list[Item]) -> None:
        """Adds a moment to `items` where a source has been quiet for long enough, or its time stepped far back."""
        last = self._last.get(line.source)
        if last is not None and not -NS <= line.scene.stamp - last <= self._after:
            del self._last[line.source]
            items.append(Moment(line.source, line.scene.stamp))

    def end(self, line: SourceLine, reason: PairEnd, items: list[Item]) -> None:
        """Adds a moment to `items` that says why no more of a source comes, unless it was quiet before."""
        last = self._last.pop(line.source, None)
        if last is not None:
            items.append(Moment(line.source, max(line.scene.stamp, last), reason))
