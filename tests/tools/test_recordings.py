"""The verbs that record, replay and look into recordings, as a user calls them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zmq

from dyadwatch.core.data.clip_files import read_clips
from dyadwatch.core.errors import ConfigError, RecordingError
from dyadwatch.core.iso_time import moment
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.live_detector import free_address
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.wire import encode_pose
from dyadwatch.tools.benchmarks.recordings import measure_kills, measure_recording, measure_rerun
from dyadwatch.tools.detect import detect
from dyadwatch.tools.files import select_sets, tell_events
from dyadwatch.tools.recordings import cut, export, file_span, info

DYADWATCH = [sys.executable, "-m", "dyadwatch.tools.main"]
# Low enough that a few seconds hold several events.
SETTINGS = [
    "--set",
    "scorer.model=simulated",
    "--set",
    "alarm.rules=[]",
    "--set",
    "alarm.raise_at=0.8",
    "--set",
    "alarm.clear_at=0.5",
    "--set",
    "alarm.hold_s=0.5",
]
HIGH = ["--set", "alarm.rules=[]", "--set", "alarm.raise_at=5", "--set", "alarm.clear_at=5"]
NS = 10**9


@pytest.fixture
def dyadwatch(ran: Callable[..., Any]) -> Callable[..., Any]:
    """Runs the program in this process, which must go well."""

    def run(*words: str | Path) -> Any:
        done = ran(*words)
        assert done.code == 0, done.err
        return done

    return run


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of two people, as `dyadwatch record` would have written it."""
    path = tmp_path_factory.mktemp("recordings") / "two.mcap"
    file = RecordingFile(path, RecordingHeader(run="5"))
    for f in make_scenario(7, 2, duration_s=30.0, room_m=3.0).frames(30.0, source="hall", start_ns=1_700_000_000 * NS):
        file.parts("pose.hall", encode_pose(replace(f, epoch=1)), f.stamp, f.stamp, f.seq)
    file.close()
    return path


def escaped(seconds: float) -> str:
    return re.escape(moment(round(seconds * 1000) * 10**6))


def events_in(lines: str) -> list[dict[str, Any]]:
    return [m for m in map(json.loads, lines.splitlines()) if m["kind"] == "event"]


def wait_for(address: str, topic: bytes) -> None:
    """Returns once a detector at the address says something of the topic."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.SUBSCRIBE, topic)
        socket.connect(address)
        assert socket.poll(60_000), "nothing was said for a minute"


def told_live(folder: Path, replay: Callable[[str], Sequence[str | Path]]) -> list[dict[str, Any]]:
    """The events of a detector in a process of its own that records, into which something is replayed."""
    into, out = free_address(), free_address()
    # However busy the machine is, every window is scored.
    options = [f"wire.bind={into}", f"sinks.bind={out}", "scorer.overload=wait"]
    options += [f"record.folder={folder}", "record.min_free_mb=0"]
    command = [*DYADWATCH, "run", "--json", *SETTINGS, *(w for o in options for w in ("--set", o))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as detector:
        wait_for(out, b"status.")
        subprocess.run([*DYADWATCH, *map(str, replay(into))], capture_output=True, check=True, timeout=100)
        detector.send_signal(signal.SIGTERM)
        lines, _ = detector.communicate(timeout=60)
    assert detector.returncode == 0
    return events_in(lines)


@pytest.mark.slow
def test_replayed_live_and_detected_events_are_the_same(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], dyadwatch: Callable[..., Any]
) -> None:
    told = told_live(tmp_path / "a", lambda to: ("replay", recording, "--to", to, "--speed", "20"))
    assert {e["type"] for e in told} >= {"open", "close"}
    # What the detector recorded, detected without being told how it was set up ...
    done = dyadwatch("detect", tmp_path / "a", "--json")
    assert events_in(done.out) == told
    assert f"all {len(told)} event messages are those of the live run" in done.err
    # ... and set up otherwise.
    other = dyadwatch(
        "detect",
        tmp_path / "a",
        "--json",
        "--set",
        "alarm.rules=[]",
        "--set",
        "alarm.raise_at=5",
        "--set",
        "alarm.clear_at=5",
    )
    assert events_in(other.out) != told
    assert f"of {len(told)} recorded event messages, {len(told)} were not reproduced; 0 are new" in other.err
    again = told_live(tmp_path / "b", lambda to: ("replay", tmp_path / "a", "--to", to, "--speed", "max"))
    assert again == told
    info = json.loads(dyadwatch("recordings", "info", tmp_path / "a", "--json").out)
    assert info["sources"]["hall"]["events"] == sum(e["type"] == "open" for e in told)
    assert (info["sources"]["hall"]["frames"], info["model"], info["notes"]) == (900, "simulated 1", [])
    assert info["ended"] == {"shutdown": 1}
    # Whoever trains on it is told that it is not all calm.
    tell_events([tmp_path / "a", recording])
    opened = sum(e["type"] == "open" for e in told)
    were = "s were" if opened > 1 else " was"
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'a'}: {opened} event{were} told while this was recorded")


def test_record_keeps_what_a_loop_replays_under_another_name_and_clock(
    recording: Path, tmp_path: Path, dyadwatch: Callable[..., Any]
) -> None:
    to, out = free_address(), tmp_path / "out"
    began = time.time_ns()
    with subprocess.Popen(
        [*DYADWATCH, "record", "--out", out, "--listen", to], stderr=subprocess.PIPE, text=True
    ) as process:
        command = [
            *DYADWATCH,
            "replay",
            recording,
            "--to",
            to,
            "--speed",
            "max",
            "--as",
            "yard",
            "--rebase",
            "--loop",
        ]
        with subprocess.Popen([*command, "--from", "1", "--until", "2"], stderr=subprocess.DEVNULL) as replay:
            deadline = time.monotonic() + 60
            while not out.is_dir() or len(list(Playback([out]).received() if any(out.iterdir()) else ())) < 70:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            replay.send_signal(signal.SIGINT)
            assert replay.wait(30) == 0
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert said.splitlines()[-1].startswith("1 source, ")
    heads = list(Playback([out]).received())
    assert {e.source for e in heads} == {"yard"}
    assert began < heads[0].stamp < heads[0].log_time + NS
    info = json.loads(dyadwatch("recordings", "info", out, "--json").out)
    assert info["sources"]["yard"]["runs"] >= 2


def test_a_recording_of_which_nothing_was_scored_says_so(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why = ": nothing was judged: two people are seen near each other for at most "
    cut([recording], out=tmp_path / "short.mcap", from_="5", until="6")
    detect([tmp_path / "short.mcap"])
    assert why in capsys.readouterr().err
    cut([recording], out=tmp_path / "long.mcap", from_="5", until="12")
    detect([tmp_path / "long.mcap"], set_=("sinks.scores=false",))
    err = capsys.readouterr().err
    assert why not in err
    assert "0 windows" not in err


def test_info_tells_of_every_file_who_scored_it(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RecordingFile(tmp_path / "other.mcap", RecordingHeader(run="9", model="ours [2]")).close()
    info([recording, tmp_path / "other.mcap"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith(" MB, closed")
    assert lines[3] == "  nothing in it, 0.0 MB, closed, scored by ours [2]"


def test_info_tells_the_whole_path_and_short_times_at_any_width(
    recording: Path, tmp_path: Path, dyadwatch: Callable[..., Any]
) -> None:
    path = tmp_path / f"{'dyadwatch_20231114T221320Z_' * 3}0001.mcap"
    path.write_bytes(recording.read_bytes())
    told = dyadwatch("recordings", "info", path).out.splitlines()
    assert told[0] == str(path)
    assert re.fullmatch(rf"  {escaped(1_700_000_000.0)} to {escaped(1_700_000_029.967)}, \d\.\d MB, closed", told[1])
    assert told[-1].startswith("30.0 s, ")
    assert told[-1].endswith(" MB, 0 refused messages")


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (moment(NS), moment(2 * NS), f"{moment(NS)} to {moment(2 * NS)}"),
        ("9223372036854775807 ns", "9223372036854775807 ns", "9223372036854775807 ns to 9223372036854775807 ns"),
        (None, None, "nothing in it"),
    ],
)
def test_times_of_a_file(first: str | None, last: str | None, text: str) -> None:
    assert file_span(first, last) == text


def test_cut_export_and_train_on_a_recording(recording: Path, tmp_path: Path, dyadwatch: Callable[..., Any]) -> None:
    dyadwatch("recordings", "cut", recording, "--from", "5", "--until", "25", "--out", tmp_path / "c.mcap")
    assert Playback([tmp_path / "c.mcap"]).seconds == pytest.approx(20, abs=0.05)
    dyadwatch("recordings", "export", tmp_path / "c.mcap", "--out", tmp_path / "clips", "--fps", "15")
    clips = read_clips(tmp_path / "clips" / "hall-kinect25")
    (direct,) = select_sets([tmp_path / "c.mcap"])
    assert sum(map(len, direct)) == pytest.approx(2 * sum(map(len, clips)), rel=0.02)
    assert all(c.session == "hall 2023-11-14T22" for c in direct)
    assert np.isfinite(direct[0].joints).all()
    dyadwatch("recordings", "export", tmp_path / "c.mcap", "--out", tmp_path / "c3d", "--format", "c3d")
    assert list((tmp_path / "c3d").glob("hall-1-2-*.c3d"))


def near_each_other(path: Path, *takes: tuple[list[str], Layout]) -> Path:
    """People who stand 0.8 m apart for half a second, once a take, under such ids and with so many of the joints."""
    somebody = next(f.joints[0] for f in make_scenario(7, 2, duration_s=30.0).frames(30.0) if f.people)
    file = RecordingFile(path, RecordingHeader(run="5"))
    for take, (ids, layout) in enumerate(takes, 1):
        people = np.stack([somebody[: len(layout)] + np.array([0.8 * k, 0, 0]) for k in range(len(ids))]).astype(
            np.float32
        )
        for seq in range(15):
            stamp = (1_700_000_000 + take * 1000) * NS + seq * NS // 30
            ones = np.ones(people.shape[:2], np.float32)
            frame = PoseFrame("hall", take, seq, stamp, "unix", layout, people, ones, tuple(ids))
            file.parts("pose.hall", encode_pose(frame), stamp, stamp, take * 15 + seq)
    file.close()
    return path


def test_clips_whose_names_look_alike_in_c3d_have_files_of_their_own(tmp_path: Path) -> None:
    path = near_each_other(tmp_path / "a.mcap", (["张", "李", "王"], KINECT25))
    out = tmp_path / "out"
    export([path], out=out, format="c3d", least=0.2)
    stems = sorted(p.stem for p in out.iterdir())
    assert stems == [stems[0], f"{stems[0]}~2", f"{stems[0]}~3"]
    assert stems[0].startswith("hall-_-_-")
    whole = {p.name: p.read_bytes() for p in out.iterdir()}
    assert len(set(whole.values())) == 3
    (out / f"{stems[0]}.c3d").unlink()
    with pytest.raises(RecordingError, match=r"~2\.c3d: is there already; expected a folder without it"):
        export([path], out=out, format="c3d", least=0.2)
    assert sorted(p.stem for p in out.iterdir()) == stems[1:]


def test_every_skeleton_without_a_name_has_clips_of_its_own(tmp_path: Path) -> None:
    joints = KINECT25.joints
    layouts = [Layout.custom(joints[:-k]) for k in (1, 2, 3, 4)]
    path = near_each_other(tmp_path / "a.mcap", *((["ann", "bob"], layout) for layout in (*layouts, layouts[2])))
    export([path], out=tmp_path / "out", least=0.2)
    sets = {folder.name: read_clips(folder) for folder in (tmp_path / "out").iterdir()}
    figures = {name: (len(clips.layout), len(clips)) for name, clips in sets.items()}
    n = len(joints)
    assert figures == {
        "hall-custom": (n - 1, 1),
        "hall-custom-2": (n - 2, 1),
        "hall-custom-3": (n - 3, 2),
        "hall-custom-4": (n - 4, 1),
    }


@pytest.mark.parametrize("least", [float("nan"), -5.0, 60.5, float("inf")])
def test_a_shortest_length_that_no_clip_can_have(recording: Path, tmp_path: Path, least: float) -> None:
    with pytest.raises(ConfigError) as e:
        export([recording], out=tmp_path / "out", least=least)
    assert str(e.value) == f"--least is {least:g}; expected 0 to 60 seconds, the longest that a clip lasts"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", ["clips", "csv", "c3d"])
def test_a_folder_that_cannot_be_made(recording: Path, format: Literal["clips", "csv", "c3d"]) -> None:
    out = recording / "out"
    with pytest.raises(ConfigError) as e:
        export([recording], out=out, format=format)
    assert str(e.value) == f"--out is {out}, but {recording} is no folder; expected a folder, or one that can be made"


@pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")  # it reads sys.argv on purpose
@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("detect", "{no}"), "is empty; expected a recording (.mcap)"),
        (("replay", "{good}", "--speed", "0"), "--speed is '0'; expected a positive factor of real time, or max"),
        (
            ("replay", "{good}", "--as", "two words"),
            "source is 'two words'; expected 1-64 characters of A-Z a-z 0-9 _ -",
        ),
        (("replay", "{good}", "--source", "nobody"), "--source is 'nobody'; expected one that is recorded: hall"),
        (
            ("recordings", "cut", "{good}", "--out", "x", "--source", "hall", "--source", "nobody"),
            "--source is 'nobody'; expected one that is recorded: hall",
        ),
        (
            ("recordings", "merge", "{good}", "--out", "{no}/x"),
            "no.mcap/x, but there is no folder ",
        ),
        (
            ("recordings", "export", "{good}", "--out", "x", "--fps", "0"),
            "--fps is 0; expected 1 to 240 frames a second",
        ),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    recording: Path, tmp_path: Path, refused: Callable[..., str], words: tuple[str, ...], text: str
) -> None:
    (tmp_path / "no.mcap").touch()
    places = {"no": tmp_path / "no.mcap", "good": recording}
    said = refused(*(w.format(**places) for w in words))
    assert said.startswith("dyadwatch: ")
    assert text in said
    assert len(said.splitlines()) == 1


def test_a_kill_loses_less_than_a_second(tmp_path: Path) -> None:
    assert 0 <= measure_kills(tmp_path, 1, seed=3)["worst_s"] < 1.0


def test_the_other_measurements_count(tmp_path: Path) -> None:
    cost = measure_recording(tmp_path / "r", sources=2, people=2, seconds=1.5, seed=0)
    assert (cost["sent"], cost["frames"], cost["lost"]) == (90, 90, 0)
    assert 0 < cost["writing_percent"] < cost["process_percent"]
    rerun = measure_rerun(tmp_path, 10.0, seed=5)
    assert rerun["windows"] > 0
    assert rerun["speed"] == pytest.approx(10 / rerun["wall_s"], rel=0.1)


def test_the_reader_in_the_document_reads(recording: Path, tmp_path: Path, repo_root: Path) -> None:
    text = (repo_root / "docs" / "recordings.md").read_text("utf8")
    code = text.partition("<!-- reader -->\n```python\n")[2].partition("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", code, recording], capture_output=True, text=True, check=True, timeout=60
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 900
    assert lines[0].startswith(f"{1_700_000_000 * NS} hall {1_700_000_000 * NS} 1.")
