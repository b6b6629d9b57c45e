"""A stretch of time out of a file that is being written, was killed or is closed: the same messages, or a count."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType, Writer

from dyadwatch.stream.messages import ScoreMessage, encode_json
from dyadwatch.stream.recordings.channels import (
    ABOUT,
    JSON,
    MSGPACK,
    MULTIPART,
    PROFILE,
    RecordingHeader,
    Schema,
    encode_parts,
    schema_of,
)
from dyadwatch.stream.recordings.edit import copy
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.reader import Recording

NAMES = ("ann", "bob", "cam")
SCORE = ScoreMessage(
    source="ann", pair=(1, 2), start=1, end=2, score=3.5, relation=1.0, unusual=2.0, model="m 1", latency_ms=4.0
)
START = 1_790_000_000_000_000_000
STEP = 10_000_000


def raw(
    writer: Writer, channels: dict[str, int], topic: str, schema: Schema, encoding: str, data: bytes, k: int
) -> None:
    """A message as the recorder of 2026-11 wrote it: channels stand in the chunk of their first message alone."""
    if topic not in channels:
        number = writer.register_schema(schema.name, schema.encoding, schema.data)
        channels[topic] = writer.register_channel(topic, encoding, number)
    writer.add_message(channels[topic], START + k * STEP, data, START + k * STEP, k)


def written_before(path: Path, what: list[int], flushes: set[int], *, closed: bool) -> None:
    """A file of an earlier version."""
    channels: dict[str, int] = {}
    with path.open("wb") as stream:
        writer = Writer(stream, compression=CompressionType.ZSTD)
        writer.start(profile=PROFILE)
        writer.add_metadata(ABOUT, msgspec.to_builtins(RecordingHeader(run="5")))
        for k, which in enumerate(what):
            if which == len(NAMES):
                raw(writer, channels, "score.ann", schema_of(SCORE), JSON, encode_json(SCORE), k)
            else:
                topic = f"pose.{NAMES[which]}"
                raw(writer, channels, topic, MULTIPART, MSGPACK, encode_parts([topic.encode(), b"h", b"p"]), k)
            if k in flushes:
                writer.flush()
        if closed:
            writer.finish()


def written_now(path: Path, what: list[int], flushes: set[int], *, closed: bool) -> None:
    file = RecordingFile(path, RecordingHeader(run="5"))
    for k, which in enumerate(what):
        if which == len(NAMES):
            file.message(SCORE, START + k * STEP)
        else:
            topic = f"pose.{NAMES[which]}"
            file.parts(topic, [topic.encode(), b"h", b"p"], START + k * STEP, k, k)
        if k in flushes:
            file.flush()
    if closed:
        file.close()
    else:
        file.abandon()


def messages(path: Path, start: int = 0, end: int = 2**63) -> list[tuple[str, int, bytes]]:
    return [(m.channel.topic, m.log_time, m.data) for m in Recording(path).messages(start, end)]


@pytest.mark.parametrize("write", [written_now, written_before])
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_a_range_of_an_open_or_torn_file_is_that_of_the_closed_one(
    tmp_path_factory: pytest.TempPathFactory, write: object, data: st.DataObject
) -> None:
    """Over chunk boundaries, moments and kill points; what is whole is a beginning of the closed file."""
    assert callable(write)
    folder = tmp_path_factory.getbasetemp()
    for name in ("closed.mcap", "open.mcap"):
        (folder / name).unlink(missing_ok=True)
    what = data.draw(st.lists(st.integers(0, len(NAMES)), min_size=1, max_size=40))
    flushes = data.draw(st.sets(st.integers(0, len(what) - 1)))
    write(folder / "closed.mcap", what, flushes, closed=True)
    write(folder / "open.mcap", what, flushes, closed=False)
    content = (folder / "open.mcap").read_bytes()
    torn = data.draw(st.booleans())
    if torn:  # killed in the middle of a write
        content = content[: data.draw(st.integers(400, max(len(content), 400)))]
    (folder / "open.mcap").write_bytes(content)
    every = messages(folder / "closed.mcap")
    assert len(every) == len(what)
    whole = messages(folder / "open.mcap")
    assert whole == every[: len(whole)]
    assert torn or len(whole) == max(flushes, default=-1) + 1
    for _ in range(3):
        start, end = (START + data.draw(st.integers(-1, len(what) + 1)) * STEP for _ in range(2))
        for path, there in ((folder / "closed.mcap", every), (folder / "open.mcap", whole)):
            recording = Recording(path)
            got = [(m.channel.topic, m.log_time, m.data) for m in recording.messages(start, end)]
            assert got == [m for m in there if start <= m[1] < end]
            assert recording.left_out == {}


@pytest.fixture(params=["now", "before"])
def open_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Forty messages of two sources and scores, in chunks of ten, not closed; all channels are in the first chunk."""
    write = written_now if request.param == "now" else written_before
    write(tmp_path / "a.mcap", [0, 1, 3, *[0, 1, 3, 0] * 9, 0], {9, 19, 29, 39}, closed=False)
    return tmp_path / "a.mcap"


def test_the_middle_of_an_open_file_can_be_copied_and_played(open_file: Path, tmp_path: Path) -> None:
    playback = Playback([open_file], "0.205", "0.295")
    assert copy(playback, tmp_path / "cut.mcap") == 9
    assert len(list(Playback([tmp_path / "cut.mcap"]))) == 9
    assert len(list(Playback([open_file], "0.205", "0.295"))) == 9


def test_a_message_whose_channel_is_lost_is_counted_and_told(tmp_path: Path) -> None:
    """The chunk in which a channel of an earlier version stands is damaged."""
    path = tmp_path / "a.mcap"
    written_before(path, [0] * 10 + [1] * 10 + [0, 1] * 5, {9, 19, 29}, closed=False)
    content = bytearray(path.read_bytes())
    first = Recording(path)._frames.chunks[0]
    content[first.offset + first.length - 8] ^= 0xFF
    path.write_bytes(content)
    recording = Recording(path)
    assert len(list(recording.messages())) == 15
    assert recording.left_out == {"chunk_damaged": 1, "channel_lost": 5}
    lost = f"{path}: 5 messages left out: their channel is missing from the readable part of the file"
    assert recording.notes[-1] == lost
    list(recording.messages())
    assert recording.notes[-1] == lost, "read twice is not lost twice"
    only = Recording(path)
    assert len(list(only.messages(START + 20 * STEP))) == 5
    assert only.left_out["channel_lost"] == 5
    # What is written today loses no more than the chunk.
    path.unlink()
    written_now(path, [0] * 10 + [1] * 10 + [0, 1] * 5, {9, 19, 29}, closed=False)
    content = bytearray(path.read_bytes())
    first = Recording(path)._frames.chunks[0]
    content[first.offset + first.length - 8] ^= 0xFF
    path.write_bytes(content)
    recording = Recording(path)
    assert len(list(recording.messages())) == 20
    assert recording.left_out == {"chunk_damaged": 1}


def test_everything_that_cannot_be_given_out_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    file = RecordingFile(path, RecordingHeader(run="5"))
    text = Schema("x", "text", b"")
    for k in range(3):
        file.raw("music.ann", text, JSON, b"{}", START + k, 0, k)
    for k in range(2):
        file.raw("pose.ann", MULTIPART, MSGPACK, b"\xc1", START + 10 + k, 0, k)
    file.raw("score.ann", schema_of(SCORE), JSON, b"{", START + 20, 0, 0)
    file.raw(
        "status.ann", schema_of(SCORE), JSON, b'{"kind":"status","v":1,"blind":"one person in view"}', START + 25, 0, 0
    )
    file.parts("pose.ann", [b"pose.ann", b"", b""], START + 30, 0, 0)
    file.close()
    recording = Recording(path)
    assert len(list(recording.entries())) == 1
    assert recording.left_out == {"channel_unknown": 3, "unreadable": 3, "other_version": 1}
    assert recording.notes[0] == (
        f"{path}: 3 messages left out: on channels that this program does not know (the first on 'music.ann')"
    )
    assert recording.notes[1].startswith(f"{path}: 3 messages left out: they could not be decoded (the first at ")
    assert recording.notes[2] == (
        f"{path}: 1 message left out: scores, events and status of another version, as another dyadwatch wrote them "
        "(the first on 'status.ann')"
    )


def test_messages_outside_of_chunks_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with path.open("wb") as stream:
        writer = Writer(stream, use_chunking=False)
        writer.start(profile=PROFILE)
        writer.add_metadata(ABOUT, msgspec.to_builtins(RecordingHeader(run="5")))
        channels: dict[str, int] = {}
        for k in range(4):
            raw(writer, channels, "pose.ann", MULTIPART, MSGPACK, encode_parts([b"pose.ann"]), k)
        writer.finish()
    recording = Recording(path)
    assert list(recording.messages()) == []
    assert recording.notes == [f"{path}: 4 messages left out: outside of chunks, where no recorder writes"]
