"""Small files that would become large: refused before they are, and what a file costs is bounded by its size."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.chunks import ChunkContent
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.reader import Recording
from dyadwatch.stream.wire import encode_pose

MB = 1 << 20
BASE_S = 1.0
PER_BYTE_S = 6e-6  # twice what the worst of them costs


def record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


def chunk(data: bytes, size: int, compression: str, crc: int = 0) -> bytes:
    name = compression.encode()
    head = struct.pack("<QQQII", 5, 9, size, crc, len(name)) + name + struct.pack("<Q", len(data))
    return record(6, head + data)


def zeros(size: int, compression: str) -> bytes:
    """`size` zero bytes, compressed without ever being in memory."""
    if compression == "lz4":
        return lz4.frame.compress(bytes(size))
    packer = zstandard.ZstdCompressor(level=1).compressobj(size=size)
    pieces = [packer.compress(bytes(min(MB, size - at))) for at in range(0, size, MB)]
    return b"".join([*pieces, packer.flush()])


def file_with(path: Path, chunks: list[bytes]) -> Path:
    """A recording that is not closed, with these chunks."""
    RecordingFile(path, RecordingHeader(run="5")).abandon()
    with path.open("ab") as stream:
        stream.write(b"".join(chunks))
    return path


def cost(path: Path) -> tuple[float, list[str]]:
    """Processor seconds to read all of a file, and what is told."""
    began = time.process_time()
    playback = Playback([path])
    for _ in playback:
        pass
    return time.process_time() - began, playback.notes


@pytest.mark.parametrize("claimed", [200 * MB, 2**40])
def test_a_chunk_far_larger_than_its_file_is_not_unpacked(tmp_path: Path, claimed: int) -> None:
    bomb = file_with(tmp_path / "a.mcap", [chunk(zeros(200 * MB, "zstd"), claimed, "zstd")])
    tracemalloc.start()
    seconds, notes = cost(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MB
    assert seconds < 1.0
    assert "is not unpacked (" in notes[1]
    assert "; expected at most " in notes[1]


def test_a_chunk_that_is_more_than_it_claims_is_unpacked_no_further(tmp_path: Path) -> None:
    for compression in ("zstd", "lz4"):
        packed = zeros(100 * MB, compression)
        if compression == "zstd":  # a frame that does not say how large it is
            packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
            packed = packer.compress(bytes(100 * MB)) + packer.flush()
        bomb = file_with(tmp_path / f"{compression}.mcap", [chunk(packed, 1000, compression)])
        tracemalloc.start()
        _, notes = cost(bomb)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 16 * MB
        assert "is damaged (holds more bytes instead of 1000)" in notes[1]


def test_a_window_larger_than_any_chunk_is_not_allocated(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, write_content_size=0)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packer.compress(random.Random(0).randbytes(1000)) + packer.flush()
    _, notes = cost(file_with(tmp_path / "a.mcap", [chunk(packed, 1000, "zstd")]))
    assert "is damaged (" in notes[1]
    assert "memory" in notes[1]


@pytest.mark.parametrize(
    "body",
    [record(0x80, b""), record(5, bytes(22)), record(5, b""), record(0, b"")],
    ids=["private", "empty messages", "short messages", "zeros"],
)
def test_a_chunk_of_nothing_but_the_smallest_records_is_refused(tmp_path: Path, body: bytes) -> None:
    data = body * (4 * MB // len(body))
    packed = zstandard.compress(data)
    seconds, notes = cost(file_with(tmp_path / "a.mcap", [chunk(packed, len(data), "zstd", zlib.crc32(data))]))
    assert seconds < 0.5
    assert "is damaged (" in notes[1]


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_what_a_file_costs_is_bounded_by_its_size(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Chunks of any ratio and number, of zeros, of the same record again and again, of messages; lies about size."""
    path = tmp_path_factory.getbasetemp() / "bomb.mcap"
    path.unlink(missing_ok=True)
    compression = data.draw(st.sampled_from(["zstd", "lz4"]))
    size = data.draw(st.sampled_from([1000, 64_000, MB, 16 * MB, 64 * MB]))
    body = data.draw(st.sampled_from([b"", record(0x80, b""), record(5, bytes(22)), record(5, bytes(300))]))
    content = body * (size // len(body)) if body else bytes(size)
    packed = zstandard.compress(content) if compression == "zstd" else lz4.frame.compress(content)
    claimed = len(content) + data.draw(st.sampled_from([0, 0, 0, -1, 1, 1000, 2**31]))
    one = chunk(packed, max(claimed, 0), compression, data.draw(st.sampled_from([0, zlib.crc32(content)])))
    file_with(path, [one] * max(min(data.draw(st.integers(1, 20_000)), MB // 2 // len(one)), 1))
    seconds, _ = cost(path)
    assert seconds <= BASE_S + PER_BYTE_S * path.stat().st_size


def test_what_recorders_write_is_read_however_well_it_shrinks(
    tmp_path: Path, encounter: Callable[..., list[PoseFrame]]
) -> None:
    """A source that is frozen, all zeros, with as many people and joints as there may be, in chunks of any length."""
    frame = encounter(seconds=0.1)[0]
    topic, head, payload = encode_pose(frame)
    for per_chunk in (2, 2000):
        for values in (payload, bytes(len(payload)), bytes(32 * 33 * 12), b""):
            path = tmp_path / "a.mcap"
            path.unlink(missing_ok=True)
            file = RecordingFile(path, RecordingHeader(run="5"))
            for k in range(2000):
                at = 1_790_000_000_000_000_000 + k * 33_333_333
                file.parts("pose.hall", [topic, head + struct.pack("<QQ", k, at), values], at, at, k)
                if k % per_chunk == per_chunk - 1:
                    file.flush()
            file.close()
            recording = Recording(path)
            assert sum(1 for _ in recording.entries()) == 2000, recording.notes
            assert recording.notes == []


def test_the_allowance_is_spent_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Whatever is read first, the same chunks are refused."""
    body = record(5, struct.pack("<HIQQ", 1, 0, 5, 5) + bytes(1000))
    data = body * (20 * MB // len(body))
    one = chunk(zstandard.compress(data), len(data), "zstd")
    recording = Recording(file_with(tmp_path / "a.mcap", [one] * 5))
    refused = [bool(place.refused) for place in recording._frames.chunks]
    assert refused == sorted(refused)
    assert any(refused)
    with recording.path.open("rb") as stream, pytest.raises(ValueError, match="expected at most 500 times as many"):
        ChunkContent(stream, recording._frames.chunks[-1], recording._frames)
