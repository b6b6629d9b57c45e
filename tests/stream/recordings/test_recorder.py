"""What the recorder does with full disks, old files, floods and kills; the detector never notices."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from testing_waits import until

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import RecordingState
from dyadwatch.stream.configuration.config import RecordOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.recordings import recorder as recorder_module
from dyadwatch.stream.recordings.channels import Ended, EndReason
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recorder import Recorder
from dyadwatch.stream.recordings.recordings_folder import delete_expired, make_writable, recording_name
from dyadwatch.stream.recordings.write_queue import Published, ReceivedMessage, WriteQueue
from dyadwatch.stream.texts import text_of
from dyadwatch.stream.wire import encode_pose

Frames = Callable[..., list[PoseFrame]]


def noisy(frames: list[PoseFrame]) -> list[list[bytes]]:
    """Messages that hardly compress."""
    rng = np.random.default_rng(0)
    return [encode_pose(replace(f, joints=f.joints + rng.normal(0, 1e-3, f.joints.shape).astype("f4"))) for f in frames]


def test_files_are_begun_anew_by_size_and_nothing_is_lost(
    live: Callable[..., Any], encounter: Frames, tmp_path: Path
) -> None:
    sent = noisy(encounter(seconds=4.0))
    with live(tmp_path, max_mb=0.01) as detector:
        for at in range(0, len(sent), 40):
            detector.take(sent[at : at + 40], epoch=at + 1)
            time.sleep(0.6)
    playback = Playback([tmp_path])
    assert len(playback.recordings) >= 3
    assert [r.about.part for r in playback.recordings] == [str(i + 1) for i in range(len(playback.recordings))]
    assert [e.parts for e in playback.received() if e.source == "hall"] == sent
    assert playback.notes == []
    assert [e.what for e in playback.said() if not isinstance(e.what, Ended)] == detector.kept.all


def test_files_are_begun_anew_by_age(encounter: Frames, tmp_path: Path) -> None:
    recorder = Recorder(RecordOptions(folder=str(tmp_path), max_minutes=0.005, min_free_mb=0), Counters())
    recorder.start()
    for frame in encounter(seconds=0.1):
        recorder.received(encode_pose(frame), frame, time.monotonic_ns())
        time.sleep(0.45)
    recorder.close()
    assert len(list(tmp_path.iterdir())) > 1
    assert len(list(Playback([tmp_path]).received())) == 3


def test_what_has_expired_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    now = 1_790_000_000
    old, young, written = (tmp_path / recording_name(10**18 + i, 1, now * 10**9) for i in range(3))
    foreign, link = tmp_path / "holiday.mcap", tmp_path / recording_name(10**18 + 9, 1, now * 10**9)
    for path, age in ((old, 3.1), (young, 2.9), (written, 9), (foreign, 99)):
        path.touch()
        os.utime(path, (now - age * 86400, now - age * 86400))
    link.symlink_to(foreign)
    failed: list[Path] = []
    assert delete_expired(tmp_path, 3, now, lambda path, _: failed.append(path), spare=written) == [old]
    assert {p.name for p in tmp_path.iterdir()} == {young.name, written.name, foreign.name, link.name}
    assert delete_expired(tmp_path, 0, now + 10**9, lambda path, _: failed.append(path)) == []
    assert failed == []


def test_an_expired_file_that_cannot_be_deleted_is_passed_over(
    encounter: Frames, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "_LOOK_S", 0.1)
    stuck, old = (tmp_path / recording_name(10**18 + i, 1, 10**18) for i in range(2))
    stuck.mkdir()  # even root cannot unlink a folder
    old.touch()
    for path in (stuck, old):
        os.utime(path, (10**9, 10**9))
    counters = Counters()
    recorder = Recorder(RecordOptions(folder=str(tmp_path), min_free_mb=0), counters)
    recorder.start()
    for frame in encounter(seconds=0.2):
        recorder.received(encode_pose(frame), frame, time.monotonic_ns())
        time.sleep(0.1)
    state = recorder.state.code
    recorder.close()
    assert state == "on"
    assert counters.snapshot() == {}
    assert not old.exists()
    stuck.rmdir()
    assert len(list(tmp_path.iterdir())) == 1
    assert len(list(Playback([tmp_path]).received())) == 6
    told = f"{stuck} is older than record.keep_days and cannot be deleted (Is a directory); delete it by hand"
    assert caplog.messages == [f"@detector: keep_days: {told}"]


def test_what_is_in_a_closed_file_is_not_lost_with_the_disk(
    encounter: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too little room ends the file; that no other can be begun later costs nothing that is in it."""
    room = [1e6]
    monkeypatch.setattr(recorder_module, "_LOOK_S", 0.2)
    monkeypatch.setattr(recorder_module, "_FLUSH_S", 60.0)
    monkeypatch.setattr(recorder_module, "free_mb", lambda folder: room[0])
    folder, kept, counters = tmp_path / "recordings", tmp_path / "kept", Counters()
    recorder = Recorder(RecordOptions(folder=str(folder)), counters)
    for frame in encounter(seconds=0.2):
        recorder.received(encode_pose(frame), frame, time.monotonic_ns())
    recorder.start()
    until(lambda: list(folder.iterdir()))
    room[0] = 0.0
    until(lambda: "MB free in" in text_of(recorder.state))
    folder.rename(kept)
    room[0] = 1e6
    until(lambda: "No such file or directory in" in text_of(recorder.state))
    recorder.close()
    assert len(list(Playback([kept]).received())) == 6
    assert counters.snapshot() == {}


def test_too_little_room_stops_recording_but_not_detecting(
    live: Callable[..., Any], encounter: Frames, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sent = [encode_pose(f) for f in encounter(seconds=5.0)]
    with live(tmp_path, min_free_mb=10**9) as detector:
        detector.take(sent)
        detector.until(lambda: (s := detector.kept.last_status("@detector")) and s.dropped)
    status = detector.kept.last_status("@detector")
    assert status.recording.text.startswith("stopped: ")
    assert status.recording.text.endswith(f" MB free in {tmp_path}, less than record.min_free_mb, 1e+09")
    assert detector.service.counters.of("@detector")["record_disk_full"] >= len(sent)
    assert detector.kept.events
    assert list(tmp_path.glob("*.mcap")) == []
    assert sum("recording stopped: " in m for m in caplog.messages) == 1


def test_the_status_says_that_it_records(live: Callable[..., Any], tmp_path: Path) -> None:
    with live(tmp_path) as detector:
        detector.until(lambda: detector.kept.last_status("@detector"))
    assert detector.kept.last_status("@detector").recording.code is RecordingState.ON


FULL = """
mount -t tmpfs -o size=100k none "$1" && {python} -m dyadwatch.tools.main record --out "$1" --listen "$2" \
  --set record.min_free_mb=0 2>"$3/log"; cp "$1"/* "$3"
"""


def test_a_disk_that_fills_up_keeps_what_was_whole(encounter: Frames, tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"], check=False).returncode:
        pytest.skip("no small disk can be made here: unshare -Urm with a tmpfs does not work")
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    copy.mkdir()
    address = f"ipc://{tmp_path / 's'}"
    sent = noisy(encounter(seconds=15.0))
    script = FULL.format(python=sys.executable)
    with subprocess.Popen(["unshare", "-Urm", "sh", "-c", script, "sh", disk, address, copy]) as process:
        with PosePublisher(address, wait_s=60) as publisher:
            for at in range(0, len(sent), 60):
                for parts in sent[at : at + 60]:
                    publisher.send_parts(parts)
                time.sleep(0.25)
            time.sleep(0.3)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), 15)
        assert process.wait(30) == 0
    log = (copy / "log").read_text()
    assert (
        f"recording stopped: No space left on device in {disk}; detecting goes on, and it is tried again every 10 s"
        in log
    )
    assert "record_disk_full" in log.splitlines()[-1]
    received = [e.parts for e in Playback([copy]).received()]
    assert 60 <= len(received) < len(sent)
    assert received == sent[: len(received)]


def test_what_does_not_find_room_in_the_queue_is_refused_but_ends_of_sources() -> None:
    queue = WriteQueue(most=2, most_bytes=100)
    assert queue.put(ReceivedMessage([b"x" * 60], "a", 0, 0, 0))
    assert not queue.put(ReceivedMessage([b"x" * 60], "a", 0, 0, 1))
    assert queue.put(ReceivedMessage([b"x" * 40], "a", 0, 0, 2))
    assert not queue.put(ReceivedMessage([b""], "a", 0, 0, 3))
    assert queue.put(Published(Ended(source="a", reason=EndReason.SHUTDOWN), 0))
    assert len(queue.take_all()) == 3
    assert queue.put(ReceivedMessage([b"x" * 60], "a", 0, 0, 4))


def test_a_flood_is_counted_and_told_on_reading(encounter: Frames, tmp_path: Path) -> None:
    counters = Counters()
    recorder = Recorder(RecordOptions(folder=str(tmp_path), min_free_mb=0), counters)
    frame = encounter(seconds=0.1)[0]
    for _ in range(20_010):  # nothing is taken out before it starts
        recorder.received(encode_pose(frame), frame, time.monotonic_ns())
    recorder.start()
    time.sleep(0.5)
    recorder.received(encode_pose(frame), frame, time.monotonic_ns())
    recorder.close()
    assert counters.of("@detector") == {"record_overflow": 10}
    playback = Playback([tmp_path])
    assert len(list(playback.received())) == 20_001
    assert playback.notes == [f"{playback.recordings[0].path}: 10 received messages in or before it are missing"]


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "x")
    with pytest.raises(ConfigError) as e:
        Recorder(RecordOptions(folder=folder), Counters())
    assert str(e.value) == f"record.folder is {folder!r}; expected a folder that can be written to (Not a directory)"


def test_a_folder_that_can_be_read_but_not_written_to() -> None:
    folder = "/proc/self/task"  # not even root can make a file there
    if not Path(folder).is_dir():
        pytest.skip("no folder here that nobody can write to: there is no /proc/self/task")
    with pytest.raises(ConfigError) as e:
        Recorder(RecordOptions(folder=folder), Counters())
    assert str(e.value).startswith(f"record.folder is {folder!r}; expected a folder that can be written to (")


def test_trying_to_write_leaves_nothing_behind_and_a_full_disk_is_no_error(tmp_path: Path) -> None:
    make_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        'mount -t tmpfs -o size=4k,nr_inodes=2 none "$1" && touch "$1/x" && ! touch "$1/y" && exec "$2" -c "$3" "$1"'
    )
    code = "import sys, pathlib; from dyadwatch.stream.recordings.recordings_folder import make_writable as m; "
    code += "m(pathlib.Path(sys.argv[1])); print('may have room later')"
    command = ["unshare", "-Urm", "sh", "-c", script, "sh", disk, sys.executable, code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "dyadwatch" not in done.stderr:
        pytest.skip("no small disk can be made here: unshare -Urm with a tmpfs does not work")
    assert done.stdout == "may have room later\n", done.stderr


HUNG = """
import os, sys, time
from pathlib import Path
from dyadwatch.stream.texts import text_of
from dyadwatch.stream.configuration.config import RecordOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.recordings import recorder as module

out, into = os.pipe()  # a disk that takes some bytes and then no more is a pipe that nobody reads

class OnAPipe:
    def __init__(self):
        self.raw, self.at = os.fdopen(into, "wb"), 0
    def write(self, data):
        self.at += len(data)
        return self.raw.write(data)
    def flush(self):
        self.raw.flush()
    def tell(self):
        return self.at

opened = Path.open
Path.open = lambda self, mode="r", *rest: OnAPipe() if mode == "xb" else opened(self, mode, *rest)

class Frame:
    source, stamp = "hall", 0

recorder = module.Recorder(RecordOptions(folder=sys.argv[1], min_free_mb=0), Counters())
recorder.start()
for k in range(200):
    recorder.received([b"pose.hall", os.urandom(2000), b""], Frame, time.monotonic_ns())
module._STUCK_S = 0.5
time.sleep(1.5)
print(text_of(recorder.state), flush=True)
began = time.monotonic()
recorder.close()
print(time.monotonic() - began, flush=True)
"""


@pytest.mark.slow
def test_a_disk_that_does_not_answer_holds_up_neither_the_close_nor_the_end(tmp_path: Path) -> None:
    """A write that hangs for good, as on a network disk that is gone."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", HUNG, tmp_path], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    state, took = done.stdout.splitlines()
    assert state.startswith(f"stopped: {tmp_path} has not answered for ")
    assert 1.9 < float(took) < 2.5
    assert time.monotonic() - began < 20
    assert (
        f"the disk of the recording in {tmp_path} does not answer for 2 s; it is given up: 200 messages" in done.stderr
    )
