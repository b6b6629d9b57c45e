"""Records on a thread of its own: neither a slow disk nor a full one ever holds up the detector."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.finding import Finding
from dyadwatch.core.words import counted
from dyadwatch.stream.codes import RecordingLoss, RecordingState, Refusal
from dyadwatch.stream.configuration.config import Config, RecordOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.messages import Message
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.receiving.receiver import Sent
from dyadwatch.stream.recordings.channels import MOST_SOURCES, OTHERS, POSE, Ended, EndReason, RecordingHeader
from dyadwatch.stream.recordings.header import recorded_config
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.recordings_folder import delete_expired, free_mb, make_writable, recording_name
from dyadwatch.stream.recordings.refused import RefusedBudget, digest, readable, why_refused
from dyadwatch.stream.recordings.write_queue import Item, Published, ReceivedMessage, Refused, WriteQueue
from dyadwatch.stream.texts import text_of

_log = logging.getLogger(__name__)
_FLUSH_S = 0.5  # half of the second that a kill may cost
_POLL_S = 0.1
_LOOK_S = 10.0  # between two looks at the disk's room, the files' age, and tries to begin again
_SUMMARY_S = 5.0  # between two summaries of refused messages that are only counted
_STUCK_S = 5.0  # after which a disk that does not answer is reported
_KEPT_S = 3600.0  # between two lines about files that cannot be deleted


class _Writing:
    """The file that is being written, and what of it would be lost now.

    Arguments:
        file: new; its head is flushed.
        now: monotonic seconds.
    """

    def __init__(self, file: RecordingFile, now: float) -> None:
        self.file = file
        self.opened = now
        self.flushed(now)

    def flushed(self, now: float) -> None:
        """Takes note that all written so far is whole."""
        self.whole = self.file.size  # bytes
        self.pending = 0  # messages written since then
        self.last_flush = now


class Recorder:
    """Writes what is received and said to files in a folder, from `start` to `close`.

    When the disk is full, or below `min_free_mb`, recording stops: what comes is counted as `record_disk_full`, the
    status says so, and every ten seconds it looks whether there is room again. What comes faster than it can be
    written is counted as `record_overflow`. Of a message that was refused a digest is kept; of more than 600 of them
    a minute only the number (`record_refused_capped`).

    The writing thread is a daemon: a disk that does not answer holds up neither `close` nor the end of the program.

    Arguments:
        options: the section `record` of the configuration, with a folder.
        counters: where losses are counted, for the detector.
        about: what the head of every file says; run and part are filled in.

    Raises:
        ConfigError: when the folder cannot be made or written to.
    """

    def __init__(self, options: RecordOptions, counters: Counters, about: RecordingHeader | None = None) -> None:
        self._options = options
        self._counters = counters
        self._folder = Path(options.folder)
        self._run = time.time_ns()
        config = recorded_config(about) if about else None
        self._wire = (config or Config()).wire
        self._about = msgspec.structs.replace(
            about or RecordingHeader(run=""), run=str(self._run), started=str(self._run)
        )
        self._part = 0
        self._renewed = False
        self._offset = self._run - time.monotonic_ns()  # receive times keep their order when the clock is set
        self._sequence = 0
        self._received_at = 0
        self._queue = WriteQueue()
        self._refused = RefusedBudget()
        self._summed = 0.0
        self._current: _Writing | None = None
        self._looked = 0.0
        self._undeleted = LimitedLog(_log, _KEPT_S)
        self._cpu_s = 0.0
        self._in_hand = 0
        self._trouble: Finding[RecordingState] | None = None
        self._stop = threading.Event()
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        try:
            make_writable(self._folder)
        except OSError as e:
            raise ConfigError(
                f"record.folder is {options.folder!r}; expected a folder that can be written to ({e.strerror})"
            ) from None

    def renew(self, about: RecordingHeader) -> None:
        """Goes on in another file, whose head says this: what decides on events is no longer as the present has it."""
        told = self._about
        self._about = msgspec.structs.replace(about, run=told.run, started=told.started)
        self._renewed = True

    def start(self) -> None:
        """Opens the first file and begins to write; what comes before waits."""
        self._thread.start()

    @property
    def state(self) -> Finding[RecordingState]:
        """Whether anything is recorded now, or why not."""
        busy = self._busy_since
        if busy is not None and (waited := time.monotonic() - busy) > _STUCK_S:
            return Finding(RecordingState.DISK_STUCK, folder=str(self._folder), seconds=round(waited, 1))
        return self._trouble or Finding(RecordingState.ON)

    @property
    def cpu_s(self) -> float:
        """Processor seconds that the writing thread has used, as of its last turn."""
        return self._cpu_s

    def received(self, parts: list[bytes], frame: Sent | None, arrived: int, *, reason: StrEnum | None = None) -> None:
        """Takes a message as received.

        Arguments:
            parts: verbatim.
            frame: what is known of it; None if it was refused.
            arrived: monotonic ns.
            reason: why it was refused; where that is not told it is found out again.
        """
        # Never back: a recording is played in the order of its times, which is to be the order of what was taken in.
        at = self._received_at = max(arrived + self._offset, self._received_at)
        sequence = self._sequence
        self._sequence += 1
        if frame is not None:
            self._put(ReceivedMessage(parts, frame.source, frame.stamp, at, sequence))
        elif not (self._refused.admit() and self._queue.put(Refused(parts, reason, at, sequence))):
            self._refused.only_count(readable(parts), reason or Refusal.UNKNOWN)
            self._counters.add(DETECTOR, RecordingLoss.REFUSED_CAPPED)

    def ended(self, source: str, reason: EndReason) -> None:
        """Takes note that the detector gives up a source at this point of what it receives."""
        self._put(Published(Ended(source=source, reason=reason), self._now()))

    def said(self, messages: Sequence[Message]) -> None:
        """Takes what the detector published."""
        now = self._now()
        for message in messages:
            self._put(Published(message, now))

    def close(self, within_s: float = 2.0) -> bool:
        """Writes what waits and closes the file, or says what may be lost where that takes too long.

        Returns:
            Whether it is closed.
        """
        self._stop.set()
        if self._thread.ident is None:
            return True
        self._thread.join(within_s)
        if self._thread.is_alive():
            current = self._current
            waiting = len(self._queue) + self._in_hand + (current.pending if current else 0)
            _log.error(
                "the disk of the recording in %s does not answer for %.3g s; it is given up: %s may be lost, and the "
                "file is not closed", self._folder, within_s, counted(waiting, "message"),
            )  # fmt: skip
            return False
        return True

    def _now(self) -> int:
        return time.monotonic_ns() + self._offset

    def _put(self, item: Item) -> None:
        if not self._queue.put(item):
            self._counters.add(DETECTOR, RecordingLoss.OVERFLOW)

    def _work(self) -> None:
        self._turn()
        while not self._stop.wait(_POLL_S):
            self._turn()
        self._turn()
        if self._current is not None:
            try:
                self._busy_since = time.monotonic()
                self._summarise(self._current, math.inf)
                self._current.file.close()
            except OSError as e:
                self._fail(e)

    def _turn(self) -> None:
        """Writes what has come; every error of the disk ends here."""
        items = self._queue.take_all()
        self._in_hand = len(items)
        self._busy_since = time.monotonic()
        try:
            now = time.monotonic()
            if not self._looked or now - self._looked >= _LOOK_S:
                self._look()
            current = self._current
            if current is None:
                self._lost(len(items))
                return
            while items:
                self._write(current.file, items[0])
                items.popleft()
                self._in_hand -= 1
                current.pending += 1
            self._summarise(current, now)
            if self._renewed or now - current.last_flush >= _FLUSH_S:
                self._flush(current, now)
        except OSError as e:
            self._fail(e)
            self._lost(len(items))
        self._in_hand = 0
        self._busy_since = None
        self._cpu_s = time.thread_time()

    def _summarise(self, current: _Writing, now: float) -> None:
        """Writes how many refused messages were only counted, now and then."""
        if now - self._summed < _SUMMARY_S:
            return
        self._summed = now
        for summary in self._refused.take():
            current.file.refused(summary, self._now(), 0)
            current.pending += 1

    def _write(self, file: RecordingFile, item: Item) -> None:
        if isinstance(item, Published):
            if isinstance(item.what, Ended):
                file.ended(item.what, item.log_time)
            else:
                file.message(item.what, item.log_time)
            return
        if isinstance(item, Refused):
            kept = digest(item.parts, item.reason or why_refused(item.parts, self._wire))
            self._refused.spend(file.refused(kept, item.log_time, item.sequence))
            return
        topic = f"{POSE}{item.source}"
        if file.topics >= MOST_SOURCES and not file.knows(topic):
            topic = OTHERS
        file.parts(topic, item.parts, item.log_time, item.stamp, item.sequence)

    def _flush(self, current: _Writing, now: float) -> None:
        current.file.flush()
        current.flushed(now)
        options = self._options
        full = current.whole >= options.max_mb * 1e6 or now - current.opened >= options.max_minutes * 60
        if full or self._renewed:
            self._end(current)
            self._open()

    def _look(self) -> None:
        """Deletes what has expired, and stops or begins by the room there is."""
        self._looked = time.monotonic()
        options = self._options
        spare = self._current and self._current.file.path
        for path in delete_expired(self._folder, options.keep_days, time.time(), self._not_deleted, spare):
            _log.info("deleted %s: older than record.keep_days, which is %g", path, options.keep_days)
        free = free_mb(self._folder)
        if free < options.min_free_mb:
            if self._current is not None:
                self._end(self._current)
            folder, least = str(self._folder), options.min_free_mb
            self._say(Finding(RecordingState.NO_ROOM, folder=folder, free_mb=round(free), min_free_mb=least))
        elif self._current is None:
            self._open()

    def _not_deleted(self, path: Path, error: OSError) -> None:
        text = f"{path} is older than record.keep_days and cannot be deleted ({error.strerror}); delete it by hand"
        self._undeleted.warning(DETECTOR, "keep_days", text)

    def _end(self, current: _Writing) -> None:
        current.file.close()
        self._current = None

    def _open(self) -> None:
        self._offset = max(self._offset, time.time_ns() - time.monotonic_ns())
        self._part += 1
        self._renewed = False
        about = msgspec.structs.replace(self._about, part=str(self._part))
        file = RecordingFile(self._folder / recording_name(self._run, self._part, time.time_ns()), about)
        self._current = _Writing(file, time.monotonic())
        if self._trouble:
            _log.warning("recording again, in %s", file.path)
        self._trouble = None

    def _fail(self, error: OSError) -> None:
        if self._current is not None:
            lost, self._current = self._current, None
            self._lost(lost.pending)
            try:
                lost.file.abandon(lost.whole)
            except OSError as e:
                _log.error("%s could not be closed: %s", lost.file.path, e.strerror)
        self._looked = time.monotonic()
        why = error.strerror or str(error)
        self._say(Finding(RecordingState.DISK_ERROR, folder=str(self._folder), error=why))

    def _lost(self, messages: int) -> None:
        if messages:
            self._counters.add(DETECTOR, RecordingLoss.DISK_FULL, messages)

    def _say(self, trouble: Finding[RecordingState]) -> None:
        if not self._trouble:
            _log.error("recording %s; detecting goes on, and it is tried again every %g s", text_of(trouble), _LOOK_S)
        self._trouble = trouble


class RecordSink:
    """Passes on to the recorder what the detector publishes."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def emit(self, messages: Sequence[Message]) -> None:
        """Takes the messages; never waits and never fails."""
        self._recorder.said(messages)

    def close(self) -> None:
        """The recorder outlives the sinks and is closed by who made it."""
