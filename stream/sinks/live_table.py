"""A live table in the terminal: every source, its pairs and their scores, and the latest incidents."""

from __future__ import annotations

import io
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dyadwatch.core.files.atomic import write_atomically
from dyadwatch.core.iso_time import clock_moment
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import EventReason, IncidentReason, SourceState
from dyadwatch.stream.messages import EventMessage, IncidentMessage, Message, ScoreMessage, StatusMessage

_TENTH, _MILLI = 100_000_000, 1_000_000  # ns; stamps are reported cut to it: on other clocks, and in unix time
_STALE_S = 3.0  # a pair not scored for so long leaves the table
_BAR = 24
_PICTURE_WIDTH = 130
_STYLES = {
    SourceState.WATCHING: "green",
    SourceState.LEARNING: "cyan",
    SourceState.BEHIND: "yellow",
    SourceState.BLIND: "yellow",
    SourceState.SILENT: "red",
}


def incident_line(incident: IncidentMessage) -> Text:
    """One line about a change in an incident."""
    rose = incident.reason is IncidentReason.SEVERITY_ROSE
    style = {"open": "bold red", "update": "red", "close": "green"}[incident.type]
    line = Text(f"{clock_moment(incident.stamp, incident.clock):>10}  ")
    line.append(f"{'RISE' if rose else incident.type.upper():6}", style)
    line.append(f" {incident.source}  {_who(incident)}{incident.severity}, ")
    if incident.type == "close":
        end = incident.stamp if incident.end is None else incident.end
        first, last = clock_moment(incident.start, incident.clock), clock_moment(end, incident.clock)
        told = _MILLI if incident.clock == "unix" else _TENTH
        lasted = (end // told - incident.start // told) * told / NS  # the time between what is reported
        line.append(f"from {first} to {last}, {lasted:.1f} s ({incident.text})")
        line.append(f", peak {incident.peak_score:.1f}" if incident.pairs else "")
    else:
        line.append(f"score {incident.peak_score:.1f}  " if incident.pairs else "")
        line.append(incident.explanation)
    return line


def _warnings(status: StatusMessage) -> list[str]:
    """What a source warns of, and sentences on what is odd about its people, but for what blinds it anyway."""
    codes = {str(odd.code) for odd in status.odd}
    said = [odd.text for odd in status.odd if status.blind is None or str(odd.code) != str(status.blind.code)]
    stale = [status.calibration.text] if status.calibration else []
    return [w for w in status.warnings if w not in codes] + said + stale


def _who(incident: IncidentMessage) -> str:
    """1 + 2, with 3, 4: the leading pair, and who else is involved; nothing of what is about a source."""
    if not incident.pairs:
        return ""
    first, second = incident.pairs[0].pair
    others = ", ".join(str(person) for person in incident.people if person not in (first, second))
    return f"{first} + {second}{f', with {others}' if others else ''}  "


def is_worth_a_line(incident: IncidentMessage) -> bool:
    """Whether people should read it: a beginning, an end, or that it became graver."""
    return incident.type != "update" or incident.reason is IncidentReason.SEVERITY_ROSE


class IncidentLinesSink:
    """Prints a line when an incident opens, becomes graver or closes, for logs and pipes that people read.

    Arguments:
        console: to print on.
        as_read: makes of an incident what people read; by default it is reported as it is.
    """

    def __init__(
        self, console: Console, as_read: Callable[[IncidentMessage], IncidentMessage] = lambda incident: incident
    ) -> None:
        self._console = console
        self._as_read = as_read

    def emit(self, messages: Sequence[Message]) -> None:
        """Prints the incidents among the messages."""
        for m in messages:
            if isinstance(m, IncidentMessage) and is_worth_a_line(m):
                self._console.print(incident_line(self._as_read(m)), soft_wrap=True)

    def close(self) -> None:
        """Nothing is held."""


class Board:
    """What the table shows: the latest status of every source, the scores of its pairs, the last incidents.

    Arguments:
        title: shown above.
    """

    def __init__(self, title: str = "dyadwatch") -> None:
        self._title = title
        self._scores: dict[tuple[str, tuple[TrackId, TrackId]], tuple[ScoreMessage, float]] = {}
        self._status: dict[str, StatusMessage] = {}
        self._open: set[tuple[str, tuple[TrackId, TrackId]]] = set()
        self._incidents: deque[IncidentMessage] = deque(maxlen=8)

    @property
    def alarm_score(self) -> float:
        """The highest present score of a pair whose event is open; 0 without any."""
        return max((m.score for key, (m, _) in self._scores.items() if key in self._open), default=0.0)

    def take(self, messages: Sequence[Message]) -> None:
        """Records messages, in order."""
        now = time.monotonic()
        # The status of all sources is reported at once; a source that is not in it is gone.
        told = {m.source: m for m in messages if isinstance(m, StatusMessage)}
        if told:
            self._status = told
            here = {source for source, m in told.items() if m.state is not SourceState.SILENT}
            self._drop_scores([key for key in list(self._scores) if key[0] not in here])
        for m in messages:
            if isinstance(m, ScoreMessage):
                self._scores[m.source, m.pair] = (m, now)
            elif isinstance(m, EventMessage):
                (self._open.discard if m.type == "close" else self._open.add)((m.source, m.pair))
                if m.type == "close" and m.reason is not EventReason.CALM_AGAIN:
                    self._drop_scores([(m.source, m.pair)])  # the pair ended with it
            elif isinstance(m, IncidentMessage) and is_worth_a_line(m):
                self._incidents.append(m)

    def end(self) -> None:
        """Drops the scores, for nothing is scored any more."""
        self._drop_scores(list(self._scores))

    def _drop_scores(self, keys: Iterable[tuple[str, tuple[TrackId, TrackId]]]) -> None:
        for key in keys:
            self._scores.pop(key, None)  # the thread that draws may have been faster

    def render(self) -> RenderableType:
        """The table as it stands now."""
        now = time.monotonic()
        sources = Table(title=self._title, title_justify="left", expand=True)
        for name in ("source", "state", "fps", "people", "pairs", "windows", "dropped"):
            sources.add_column(name, justify="left" if name in ("source", "state", "dropped") else "right")
        for s in list(self._status.values()):
            dropped = ", ".join(f"{k} {v}" for k, v in sorted(s.dropped.items())) or "-"
            state = Text(s.state + (f": {s.blind.text}" if s.blind else ""), _STYLES[s.state])
            state.append(f"\n{s.learning.text}" if s.learning else "", "cyan")
            state.append("".join(f"\n{rule.text}" for rule in (() if s.learning else s.site)), "cyan")
            state.append("\nshadow: nobody is called" if s.shadow else "", "cyan")
            state.append("".join(f"\nWARNING: {w}" for w in _warnings(s)), "bold red")
            sources.add_row(Text(s.source), state, f"{s.fps:.0f}", str(s.people), str(s.pairs), str(s.windows), dropped)
        pairs = Table(expand=True)
        for name in ("source", "pair", "score", "", "relation", "unusual", "latency"):
            left = name in ("source", "pair", "")
            pairs.add_column(name, justify="left" if left else "right", min_width=None if name else _BAR)
        for (source, pair), (m, at) in list(self._scores.items()):
            if now - at > _STALE_S:
                self._scores.pop((source, pair), None)
                continue
            style = "bold red" if (source, pair) in self._open else ""
            bar = Text("not judged", "cyan") if m.learning else self._bar(m.evidence)
            cells = (f"{m.score:.2f}", bar, f"{m.relation:.2f}", f"{m.unusual:.2f}", f"{m.latency_ms:.0f} ms")
            pairs.add_row(Text(source), Text(f"{pair[0]} + {pair[1]}"), *cells, style=style)
        return Group(sources, pairs, *(incident_line(i) for i in list(self._incidents)))

    @staticmethod
    def _bar(evidence: float) -> Text:
        """Full at twice the evidence that raises an alarm; red from there on."""
        filled = min(_BAR, round(evidence * _BAR / 2))
        bar = Text("━" * min(filled, _BAR // 2), "green")
        bar.append("━" * max(filled - _BAR // 2, 0), "red")
        return bar


class TableSink:
    """Draws the board live.

    Arguments:
        console: a terminal.
        title: shown above.
    """

    def __init__(self, console: Console, title: str = "dyadwatch") -> None:
        self.board = Board(title)
        # What goes to a file is not for the terminal; what would go there is put above the table, which else hides it.
        self._live = Live(
            console=console,
            refresh_per_second=8,
            get_renderable=self.board.render,
            redirect_stderr=sys.stderr.isatty(),
        )
        self._live.start()

    def emit(self, messages: Sequence[Message]) -> None:
        """Takes note; drawing happens eight times a second on the table's own thread."""
        self.board.take(messages)

    def close(self) -> None:
        """Leaves the last table on the screen, without the scores of pairs that are scored no more."""
        self.board.end()
        self._live.stop()


class PictureSink:
    """Keeps a picture of the board as SVG, as it stood when the score of an open event was highest.

    Arguments:
        path: file to write when the detector stops.
        title: shown above.
    """

    def __init__(self, path: Path, title: str = "dyadwatch") -> None:
        self._path = path
        self._title = title
        self._board = Board(title)
        self._picture = ""
        self._highest = 0.0

    def emit(self, messages: Sequence[Message]) -> None:
        """Takes note, and a picture when the score of an open event is higher than any before."""
        self._board.take(messages)
        if self._board.alarm_score > self._highest:
            self._highest = self._board.alarm_score
            console = Console(record=True, width=_PICTURE_WIDTH, file=io.StringIO())
            console.print(self._board.render())
            # Without the fonts that rich would have every viewer fetch from elsewhere.
            self._picture = re.sub(
                r"@font-face \{.*?\}", "", console.export_svg(title="dyadwatch run"), flags=re.DOTALL
            )

    def close(self) -> None:
        """Writes the last picture, if there was anything to see."""
        if self._picture:
            write_atomically(self._path, self._picture.encode())
