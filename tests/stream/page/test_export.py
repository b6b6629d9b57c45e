"""What is taken along of an incident is read again by what reads such files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from dyadwatch.core.data.clip_files import read_clips
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import Config, WireOptions
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.memory.kept import KeptIncident
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import IncidentMessage, ScoreMessage
from dyadwatch.stream.page.incident_export import ExportFormat, export
from dyadwatch.stream.page.queries import IncidentRecord
from dyadwatch.stream.page.tokens import Role
from dyadwatch.stream.publishers.json_declaration import Declaration
from dyadwatch.stream.publishers.json_lines import JsonSender
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.header import recorded_config
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recordings_folder import recording_name
from dyadwatch.stream.wire import encode_pose

S = 1_000_000_000
START = 1_700_000_000 * S
AT = "/api/v1/incidents/beef01/export"


@pytest.fixture
def recorded(
    tmp_path: Path,
    encounter: Callable[..., list[PoseFrame]],
    incident: Callable[..., IncidentMessage],
    page_config: Config,
    kept: MemoryWriter,
) -> Iterator[Config]:
    """A page beside twelve seconds of two people in the hall and two in the yard, and an incident from 5 to 8 s."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    file = RecordingFile(folder / recording_name(1, 1, START), RecordingHeader(run="1"))
    for source in ("hall", "yard"):
        for frame in encounter(source, seconds=12.0):
            parts = encode_pose(frame)
            file.parts(f"pose.{source}", parts, frame.stamp, frame.stamp + S // 100, frame.seq)
    for k in range(24):
        at = START + k * S // 2
        score = ScoreMessage(
            source="hall", pair=("ann", "bob"), start=at - S, end=at, score=1.0, relation=0.0, unusual=1.0,
            evidence=k / 10, model="m 1", latency_ms=1.0,
        )  # fmt: skip
        file.message(score, at)
    file.flush()
    message = incident("beef01", began=START + 5 * S, people=("ann", "bob"))
    pair = msgspec.structs.replace(message.pairs[0], pair=("ann", "bob"))
    kept.keep([msgspec.structs.replace(message, pairs=(pair,))], message.stamp)
    yield set_option(page_config, f"record.folder={folder}", "page.before_s=2", "page.after_s=1")
    file.close()


@pytest.fixture
def take(
    recorded: Config, serve: Callable[[Config], AbstractContextManager[Any]]
) -> Iterator[Callable[[str], tuple[str, bytes]]]:
    """Downloads in a format: name of the file, and what is in it."""
    with serve(recorded) as page, page.client(Role.VIEWER, timeout=60) as viewer:

        def download(format_: str) -> tuple[str, bytes]:
            answer = viewer.get(AT, params={"format": format_})
            assert answer.status_code == 200, answer.text
            given = answer.headers["content-disposition"]
            assert given.startswith('attachment; filename="')
            return given.partition('"')[2].rstrip('"'), answer.content

        yield download


def test_a_recording_holds_that_source_and_time_alone(take: Callable[[str], tuple[str, bytes]], tmp_path: Path) -> None:
    name, data = take("mcap")
    assert name == "dyadwatch-hall-20231114T221325Z-beef01.mcap"
    path = tmp_path / name
    path.write_bytes(data)
    playback = Playback([path])
    received = list(playback.received())
    assert {e.source for e in received} == {"hall"}
    stamps = [(e.stamp - START) / S for e in received]
    assert min(stamps) == pytest.approx(2.0, abs=0.1), "a second more than is shown, for frames that came early"
    assert max(stamps) == pytest.approx(12.0, abs=0.1)
    assert {type(e.what) for e in playback.said()} == {ScoreMessage}


def test_clips_are_read_as_any_clips(take: Callable[[str], tuple[str, bytes]], tmp_path: Path) -> None:
    name, data = take("clips")
    assert name.endswith("-beef01.zip")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["clips.npz", "incident.json", "meta.json"]
        archive.extractall(tmp_path / "clips")
    (clip,) = read_clips(tmp_path / "clips")
    assert (clip.clip_id, clip.fps, clip.layout) == ("beef01 ann bob", 30.0, UPPER11)
    assert clip.joints.shape[:2] == (pytest.approx(180, abs=2), 2)
    told = msgspec.json.decode((tmp_path / "clips" / "incident.json").read_bytes())
    assert told["incident"]["message"]["id"] == "beef01"


def test_json_lines_are_what_a_publisher_reads(take: Callable[[str], tuple[str, bytes]]) -> None:
    name, data = take("jsonl")
    assert name.endswith("-beef01.jsonl")
    sender = JsonSender(Declaration(), WireOptions())
    frames = [sender.read(line, 0, "hall", seq) for seq, line in enumerate(data.splitlines())]
    assert frames[0] is None, "the first line declares"
    poses = [frame for frame in frames[1:] if frame is not None]
    assert len(poses) == len(frames) - 1 == pytest.approx(180, abs=2)
    assert {frame.ids for frame in poses} == {("ann", "bob")}
    assert poses[0].stamp == pytest.approx(START + 3 * S, abs=S // 20)
    assert poses[0].layout.joints == UPPER11.joints
    assert not np.isnan(poses[0].joints).any()


def test_of_a_merged_source_what_is_recorded_goes_along_without_secrets(
    tmp_path: Path, encounter: Callable[..., list[PoseFrame]], incident: Callable[..., IncidentMessage]
) -> None:
    """Of the two sources that are merged one was silent; the configuration has a token in it."""
    config = msgspec.convert(
        {
            "merge": {"groups": {"room": ["hall", "yard"]}},
            "delivery": {"to": {"them": {"kind": "webhook", "url": "https://example.org/hook?token=s3cr3t"}}},
            "page": {"key": "/etc/keys/s3cr3t.pem"},
        },
        Config,
    )
    header = RecordingHeader(run="1", config=msgspec.json.encode(config).decode())
    file = RecordingFile(tmp_path / recording_name(1, 1, START), header)
    for frame in encounter("hall", seconds=4.0):
        file.parts("pose.hall", encode_pose(frame), frame.stamp, frame.stamp + S // 100, frame.seq)
    message = incident(began=START + S, source="room")
    file.message(message, START + S)
    file.close()
    kept = KeptIncident(message=message, run="r", began=START, told=START)
    record = IncidentRecord(incident=kept, updates=(), actions=(), clock_ahead=0)
    data = export(tmp_path, record, START, START + 4 * S, ExportFormat.MCAP)
    path = tmp_path / "taken.mcap"
    path.write_bytes(data)
    (taken,) = Playback([path]).recordings
    assert recorded_config(taken.about) == msgspec.structs.replace(Config(), merge=config.merge)
    assert b"s3cr3t" not in data
    assert {e.source for e in Playback([path]).received()} == {"hall"}


@pytest.mark.parametrize(
    ("query", "status", "code", "said"),
    [
        ("format=pdf", 400, "query", "format is 'pdf'; expected one of mcap, clips, jsonl, mp4"),
        ("", 400, "query", "format is ''; expected one of"),
        ("format=mp4", 404, "no_film", "films need Pillow and ffmpeg, which are not installed here"),
    ],
)
def test_what_cannot_be_made_is_said(
    recorded: Config,
    serve: Callable[[Config], AbstractContextManager[Any]],
    query: str,
    status: int,
    code: str,
    said: str,
) -> None:
    with serve(recorded) as page, page.client(Role.VIEWER) as viewer:
        assert not viewer.get("/api/v1/session").json()["films"]
        answer = viewer.get(f"{AT}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json()["text"].startswith(said)
        gone = viewer.get("/api/v1/incidents/a1b2c3/export?format=mcap")  # of today: nothing was recorded then
        assert (gone.status_code, gone.json()["code"]) == (404, "unreadable")
