"""Recordings that are whole, cut, torn, damaged, foreign or empty."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import Writer

from dyadwatch.core.errors import RecordingError
from dyadwatch.core.iso_time import moment
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.messages import ScoreMessage
from dyadwatch.stream.recordings.channels import Ended, EndReason, RecordingHeader
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.playback import Playback, is_recording
from dyadwatch.stream.recordings.reader import Recording
from dyadwatch.stream.recordings.write_queue import Published, ReceivedMessage
from dyadwatch.stream.wire import encode_pose

START = 1_790_000_000_000_000_000
STEP = 33_333_333
SCORE = ScoreMessage(
    source="hall", pair=("ann", 2), start=1, end=2, score=3.5, relation=1.0, unusual=2.0, model="m 1", latency_ms=4.0
)


def write(path: Path, frames: list[PoseFrame], *, per_chunk: int = 10, close: bool = True, run: str = "5") -> Path:
    """A recording of frames 1/30 s apart, and a score with every chunk."""
    file = RecordingFile(path, RecordingHeader(run=run))
    for i, frame in enumerate(frames):
        at = START + i * STEP
        file.parts(f"pose.{frame.source}", encode_pose(frame), at, frame.stamp, i)
        if i % per_chunk == per_chunk - 1:
            file.message(SCORE, at)
            file.flush()
    if close:
        file.close()
    else:
        file.abandon()
    return path


@pytest.fixture
def frames(encounter: Callable[..., list[PoseFrame]]) -> list[PoseFrame]:
    return encounter(seconds=2.0)


def parts(path: Path) -> list[list[bytes]]:
    return [e.parts for e in Recording(path).entries() if isinstance(e, ReceivedMessage)]


def test_what_was_received_comes_back_byte_for_byte(tmp_path: Path, frames: list[PoseFrame]) -> None:
    file = RecordingFile(tmp_path / "a.mcap", RecordingHeader(run="5"))
    sent = [encode_pose(f) for f in frames]
    odd = [b"\xff\x00", b"", b"\x01" * 3, b"four"]
    for i, message in enumerate([*sent, odd]):
        topic = "refused" if message is odd else "pose.hall"
        file.parts(topic, message, START + i, 7 + i, i)
    file.message(SCORE, START + 99)
    file.ended(Ended(source="hall", reason=EndReason.SHUTDOWN), START + 100)
    file.close()
    recording = Recording(tmp_path / "a.mcap")
    entries = list(recording.entries())
    assert entries[: len(sent)] == [ReceivedMessage(m, "hall", 7 + i, START + i, i) for i, m in enumerate(sent)]
    assert entries[len(sent) :] == [
        ReceivedMessage(odd, None, 0, START + len(sent), len(sent)),
        Published(SCORE, START + 99),
        Published(Ended(source="hall", reason=EndReason.SHUTDOWN), START + 100),
    ]
    assert (recording.whole, recording.notes, recording.span) == (True, [], (START, START + 100))


def test_another_reader_finds_json_with_schemas_that_fit(tmp_path: Path, frames: list[PoseFrame]) -> None:
    path = write(tmp_path / "a.mcap", frames)
    with path.open("rb") as stream:
        reader = make_reader(stream)
        summary = reader.get_summary()
        assert summary is not None
        assert {c.topic: c.message_encoding for c in summary.channels.values()} == {
            "pose.hall": "msgpack",
            "score.hall": "json",
        }
        schemas = {s.name: s for s in summary.schemas.values()}
        assert schemas["dyadwatch.Score"].encoding == "jsonschema"
        properties = json.loads(schemas["dyadwatch.Score"].data)["properties"]
        (_, _, message), *_ = reader.iter_messages(topics=["score.hall"])
        told = json.loads(message.data)
        assert set(told) == set(properties)
        kinds = {"boolean": bool, "string": str, "integer": int, "number": (int, float), "array": list}
        assert all(isinstance(told[key], kinds[properties[key]["type"]]) for key in told)
        assert message.publish_time == SCORE.end


def test_a_file_never_closed_is_read_up_to_its_last_whole_chunk(tmp_path: Path, frames: list[PoseFrame]) -> None:
    path = write(tmp_path / "a.mcap", frames[:55], close=False)
    recording = Recording(path)
    received = [e for e in recording.entries() if isinstance(e, ReceivedMessage)]
    assert [e.parts for e in received] == [encode_pose(f) for f in frames[:50]]
    assert not recording.whole
    assert recording.notes == [f"{path}: was not closed; everything up to {moment(START + 49 * STEP)} is whole"]
    assert Recording(write(tmp_path / "b.mcap", frames[:5], close=False)).notes == [
        f"{tmp_path / 'b.mcap'}: was not closed; nothing was recorded in it"
    ]
    with path.open("ab") as stream:
        stream.write(b"\x06\xff")
    assert Recording(path).notes == [
        f"{path}: was cut short; 2 bytes at its end hold nothing whole, "
        f"what came after {moment(START + 49 * STEP)} is missing"
    ]


def test_a_torn_copy_gives_every_chunk_that_is_whole(tmp_path: Path, frames: list[PoseFrame]) -> None:
    whole = write(tmp_path / "a.mcap", frames).read_bytes()
    all_parts = parts(tmp_path / "a.mcap")
    counts = set()
    for size in range(len(whole) - 1, 400, -997):
        torn = tmp_path / "torn.mcap"
        torn.write_bytes(whole[:size])
        recording = Recording(torn)
        got = [e.parts for e in recording.entries() if isinstance(e, ReceivedMessage)]
        assert got == all_parts[: len(got)]
        assert len(got) % 10 == 0
        assert "was cut short" in recording.notes[0]
        counts.add(len(got))
    assert len(counts) == len(all_parts) // 10 + 1


def test_a_damaged_chunk_is_left_out_and_the_rest_is_read(tmp_path: Path, frames: list[PoseFrame]) -> None:
    path = write(tmp_path / "a.mcap", frames)
    data = bytearray(path.read_bytes())
    middle = Recording(path)._frames.chunks[2]
    data[middle.offset + middle.length // 2] ^= 0x10
    path.write_bytes(data)
    recording = Recording(path)
    got = [e.sequence for e in recording.entries() if isinstance(e, ReceivedMessage)]
    assert got == [*range(20), *range(30, 60)]
    assert len(recording.notes) == 1
    assert f"{path}: the chunk at byte {middle.offset} is damaged (" in recording.notes[0]
    assert f"what came from {moment(START + 20 * STEP)} to {moment(START + 29 * STEP)} is missing" in recording.notes[0]
    playback = Playback([path])
    list(playback)
    assert f"{path}: 10 received messages in or before it are missing" in playback.notes


@given(data=st.data())
def test_damage_raises_only_our_own_error(
    tmp_path_factory: pytest.TempPathFactory, encounter: Callable[..., list[PoseFrame]], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.mcap"
    clean = tmp_path_factory.getbasetemp() / "clean.mcap"
    if not clean.exists():
        write(clean, encounter(seconds=1.0))
    content = bytearray(clean.read_bytes())
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    # Headers, lengths and the index are a small part of the bytes; half of the damage is done there.
    ends = [c.offset for c in Recording(clean)._frames.chunks] + [0, len(content)]
    for _ in range(data.draw(st.integers(0, 8))):
        at = rng.choice(ends) + rng.randint(-60, 60) if rng.random() < 0.5 else rng.randrange(len(content))
        content[at % len(content)] ^= 1 << rng.randrange(8)
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if rng.random() < 0.5 else content)
    told = []
    with suppress(RecordingError):
        playback = Playback([path])
        assert sum(1 for _ in playback) <= 33
        told = playback.notes
    assert all(str(path) in note for note in told)


FOREIGN = [
    (b"", "is empty; expected a recording (.mcap)"),
    (
        b"PK\x03\x04 a zip file",
        r"begins with b'PK\x03\x04 a z'; expected an MCAP file, such as `dyadwatch record` writes",
    ),
    (b"\x89MCAP0\r\n", "is cut off after 8 bytes, before anything was recorded"),
    (b"\x89MC", "is cut off after 3 bytes, before anything was recorded"),
]


@pytest.mark.parametrize(("content", "text"), FOREIGN)
def test_files_that_are_no_recordings(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(content)
    with pytest.raises(RecordingError) as e:
        Recording(path)
    assert str(e.value) == f"{path}: {text}"


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"a\.mcap cannot be read \(No such file or directory\); expected a rec"):
        Recording(tmp_path / "a.mcap")


def test_mcap_of_others_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with path.open("wb") as stream:
        writer = Writer(stream)
        writer.start(profile="ros2")
        writer.finish()
    with pytest.raises(RecordingError, match="is an MCAP file of profile 'ros2'; expected a recording of dyadwatch"):
        Recording(path)


@pytest.mark.parametrize(
    ("about", "text"),
    [
        (RecordingHeader(run="5", format="2"), "is of format '2'; this program reads format 1"),
        (RecordingHeader(run="five"), "metadata 'dyadwatch': run is 'five'; expected a number"),
        (RecordingHeader(run="5", part="-1"), "metadata 'dyadwatch': part is '-1'; expected a number"),
    ],
)
def test_heads_that_make_no_sense(tmp_path: Path, about: RecordingHeader, text: str) -> None:
    RecordingFile(tmp_path / "a.mcap", about).close()
    with pytest.raises(RecordingError) as e:
        Recording(tmp_path / "a.mcap")
    assert str(e.value) == f"{tmp_path / 'a.mcap'}: {text}"


def test_a_recording_is_known_by_its_content_or_suffix(tmp_path: Path, frames: list[PoseFrame]) -> None:
    write(tmp_path / "other.suffix", frames)
    (tmp_path / "empty.mcap").touch()
    (tmp_path / "clips.npz").write_bytes(b"PK")
    assert is_recording(tmp_path / "other.suffix")
    assert is_recording(tmp_path / "empty.mcap")
    assert is_recording(tmp_path)
    assert not is_recording(tmp_path / "clips.npz")
    assert not is_recording(tmp_path / "nothing")


def test_files_are_played_in_order_of_runs_and_parts(tmp_path: Path, frames: list[PoseFrame]) -> None:
    def part(name: str, run: str, number: int, some: list[PoseFrame]) -> None:
        file = RecordingFile(tmp_path / name, RecordingHeader(run=run, part=str(number)))
        for f in some:
            file.parts("pose.hall", encode_pose(f), START + f.seq, f.stamp, f.seq)
        file.close()

    part("z.mcap", "5", 1, frames[:10])
    part("b.mcap", "5", 2, frames[10:20])
    part("a.mcap", "5", 4, frames[25:30])
    part("c.mcap", "6", 1, frames[30:40])
    (tmp_path / "broken.mcap").write_bytes(b"")
    playback = Playback([tmp_path])
    got = [e.sequence if isinstance(e, ReceivedMessage) else "new run" for e in playback]
    assert got == [*range(20), *range(25, 30), "new run", *range(30, 40)]
    assert playback.notes == [
        f"left out: {tmp_path / 'broken.mcap'}: is empty; expected a recording (.mcap)",
        f"{tmp_path / 'a.mcap'}: part 4 follows part 2; parts between are missing",
        f"{tmp_path / 'a.mcap'}: 5 received messages in or before it are missing",
    ]
    with pytest.raises(
        RecordingError, match=r"z\.mcap: holds the same part of the same run as .*z\.mcap; expected each once"
    ):
        Playback([tmp_path / "z.mcap", tmp_path / "z.mcap"])


def test_a_folder_without_recordings(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"a folder without recordings; expected files \*\.mcap"):
        Playback([tmp_path])


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ({"start": "0.5"}, (16, 60)),
        ({"end": "1"}, (0, 31)),
        ({"start": "0.5", "end": "1.0"}, (16, 31)),
        ({"start": "2026-09-21T14:13:21"}, (31, 60)),
        ({"start": "2026-09-21T16:13:21+02:00"}, (31, 60)),
    ],
)
def test_a_stretch_of_time(
    tmp_path: Path, frames: list[PoseFrame], span: dict[str, Any], expected: tuple[int, int]
) -> None:
    path = write(tmp_path / "a.mcap", frames)
    got = [e.sequence for e in Playback([path], **span).received()]
    assert got == list(range(*expected))
