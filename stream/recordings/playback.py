"""Several files as one recording, in order, with what lies between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from dyadwatch.core.errors import ConfigError, RecordingError
from dyadwatch.core.iso_time import moment, parse_moment
from dyadwatch.core.units import NS
from dyadwatch.stream.recordings.channels import POSE
from dyadwatch.stream.recordings.mcap_index import is_mcap
from dyadwatch.stream.recordings.reader import Entry, Recording, source_of
from dyadwatch.stream.recordings.recordings_folder import SUFFIX
from dyadwatch.stream.recordings.write_queue import Published, ReceivedMessage

_SEQUENCES = 2**32


class NewRun:
    """Between two entries: what follows was recorded by another run; nothing joins the two."""


def is_recording(path: Path) -> bool:
    """Whether a path names a recording: an MCAP file, whatever it is called, or a folder with some."""
    return path.suffix == SUFFIX or is_mcap(path) or (path.is_dir() and any(path.glob(f"*{SUFFIX}")))


class Playback:
    """Files of one or more runs of a recorder.

    Arguments:
        paths: recordings, or folders that hold some; in any order.
        start, end: only what was recorded in between: seconds from the beginning, or times as they are printed, ISO
            with date and zone; without a zone UTC is meant, which is reported; None for everything.

    Attributes:
        recordings: in the order of runs and parts.
        notes: what is missing and why; complete once all entries were read.

    Raises:
        RecordingError: a file is no recording, or one is given twice.
        ConfigError: a time cannot be understood.
    """

    def __init__(self, paths: Sequence[Path], start: str | None = None, end: str | None = None) -> None:
        self._own_notes: list[str] = []
        found: list[Recording] = []
        for path in paths:
            found += self._folder(path) if path.is_dir() else [Recording(path)]
        self.recordings = sorted(found, key=lambda r: (r.order, r.path))
        for a, b in pairwise(self.recordings):
            if a.about.run != b.about.run:
                continue
            parts = int(a.about.part), int(b.about.part)
            if parts[0] == parts[1] and ("received" in (a.about.origin, b.about.origin) or _overlap(a, b)):
                raise RecordingError(f"{b.path}: holds the same part of the same run as {a.path}; expected each once")
            if parts[1] > parts[0] + 1 and a.about.origin == "received":
                self._own_notes.append(f"{b.path}: part {parts[1]} follows part {parts[0]}; parts between are missing")
        spans = [r.span for r in self.recordings if r.span]
        self.first = min((s[0] for s in spans), default=0)
        self.last = max((s[1] for s in spans), default=0)
        self.start = 0 if start is None else self._moment("from", start)
        self.end = 2**63 if end is None else self._moment("until", end)
        if self.end <= self.start:
            raise ConfigError(f"--until is {end}, which is not after --from, {start or 'the beginning'}")

    @property
    def notes(self) -> list[str]:
        """What is missing and why."""
        return [note for r in self.recordings for note in r.notes] + self._own_notes

    def note(self, text: str) -> None:
        """Takes note, once however often it is read, of something that whoever reads the recording could not use."""
        if text not in self._own_notes:
            self._own_notes.append(text)

    @property
    def seconds(self) -> float:
        """Length of what is played, by the receiver's clock."""
        return max(min(self.last, self.end) - max(self.first, self.start), 0) / NS

    def __iter__(self) -> Iterator[Entry | NewRun]:
        run: str | None = None
        following: int | None = None
        for recording in self.recordings:
            if recording.about.run != run:
                if run is not None:
                    yield NewRun()
                run, following = recording.about.run, None
            missing = only_counted = 0
            for entry in recording.entries(self.start, self.end):
                if isinstance(entry, ReceivedMessage) and not entry.numbered:
                    only_counted += entry.counts
                elif isinstance(entry, ReceivedMessage):
                    if following is not None and recording.about.origin == "received":
                        missing += (entry.sequence - following) % _SEQUENCES
                    following = (entry.sequence + 1) % _SEQUENCES
                yield entry
            if missing > only_counted:  # what is only counted has left its numbers free
                self.note(f"{recording.path}: {missing - only_counted} received messages in or before it are missing")

    def received(self) -> Iterator[ReceivedMessage]:
        """What was received alone."""
        return (e for e in self if isinstance(e, ReceivedMessage))

    def said(self) -> Iterator[Published]:
        """What the detector said, and where it gave up a source."""
        return (e for e in self if isinstance(e, Published))

    def expect_sources(self, wanted: Iterable[str], *, said: bool = False) -> None:
        """Checks names against the whole recording, whatever part of it is played.

        Arguments:
            wanted: names of sources.
            said: names that only the detector spoke of, such as those of groups, are known too.

        Raises:
            ConfigError: a name is not recorded; it tells those that are.
        """
        missing, there = dict.fromkeys(wanted), set[str]()
        if not missing:
            return
        for name in self._names(said=said):
            there.add(name)
            missing.pop(name, None)
            if not missing:
                return
        names = ", ".join(sorted(there)) or "nobody"
        raise ConfigError(f"--source is {next(iter(missing))!r}; expected one that is recorded: {names:.300}")

    def _names(self, *, said: bool) -> Iterator[str]:
        """The source of every message that was received, or, if that is wanted, scored."""
        for raw in (raw for r in self.recordings for raw in r.messages()):
            topic = raw.channel.topic
            if topic.startswith((POSE, "score.", "event.", "incident.") if said else POSE):
                name = source_of(topic, raw.data)
                if name:
                    yield name

    def _folder(self, folder: Path) -> list[Recording]:
        found: list[Recording] = []
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                found.append(Recording(path))
            except RecordingError as e:
                self._own_notes.append(f"left out: {e}")
        if not found:
            raise RecordingError(f"{folder}: a folder without recordings; expected files *{SUFFIX}")
        return found

    def _moment(self, option: str, text: str) -> int:
        """Unix ns of a time given in words."""
        try:
            return self.first + round(float(text) * NS)
        except (ValueError, OverflowError):
            pass
        try:
            when, zoned = parse_moment(text)
        except ValueError:
            raise ConfigError(
                f"--{option} is {text!r}; expected seconds from the beginning, or a time such as "
                "2026-11-21T14:30:00+01:00 (Z for UTC)"
            ) from None
        if not zoned:
            self.note(f"--{option} {text} names no zone and is taken as UTC, which is {moment(when)} here")
        return when


def _overlap(a: Recording, b: Recording) -> bool:
    return a.span is None or b.span is None or b.span[0] <= a.span[1]
