"""However bytes are cut on the way, the same lines come out, and none is longer than allowed."""

from __future__ import annotations

import json
import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.stream.publishers.line_splitter import LineSplitter, objects_in

LONGEST = 10


def split(pieces: list[bytes], longest: int = LONGEST) -> tuple[list[bytes], int]:
    dropped: list[int] = []
    splitter = LineSplitter(longest, lambda: dropped.append(1))
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    return lines + list(splitter.finish()), len(dropped)


@given(st.lists(st.binary(max_size=25), max_size=8), st.randoms(use_true_random=False))
def test_any_cutting_gives_the_same_lines(lines: list[bytes], random: Random) -> None:
    whole = b"\n".join(lines)
    cuts = sorted(random.randint(0, len(whole)) for _ in range(random.randint(0, 12)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    parts = whole.split(b"\n")
    expected = [p for p in parts[:-1] if len(p) <= LONGEST]
    expected += [parts[-1]] if 0 < len(parts[-1]) <= LONGEST else []
    assert split(pieces) == (expected, sum(len(p) > LONGEST for p in parts))


def test_a_line_without_end_is_dropped_once_and_costs_no_memory() -> None:
    splitter = LineSplitter(LONGEST, lambda: dropped.append(1))
    dropped: list[int] = []
    for _ in range(1000):
        assert list(splitter.feed(b"x" * 100)) == []
    assert len(splitter._rest) == 0
    assert list(splitter.feed(b"end\nnext\n")) == [b"next"]
    assert dropped == [1]


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=8) | st.none(), max_size=3), min_size=1))
def test_joined_objects_are_taken_apart_whatever_stands_in_their_strings(values: list[dict[str, str | None]]) -> None:
    joined = "".join(json.dumps(v) for v in values).encode()
    assert [json.loads(each) for each in objects_in(joined)] == values


@given(st.binary(max_size=60))
def test_any_line_loses_nothing_by_it(line: bytes) -> None:
    assert b"".join(b"".join(objects_in(line)).split()).replace(b"\x1e", b"") == b"".join(line.split()).replace(
        b"\x1e", b""
    )


@pytest.mark.parametrize("piece", [b'\\"', b'"', b"}{", b"{", b'{"'])
def test_hostile_lines_are_taken_apart_in_time_that_grows_with_their_length(piece: bytes) -> None:
    def cost(n: int) -> float:
        line = b"}{" + piece * n
        began = time.process_time()
        sum(1 for _ in objects_in(line))
        return time.process_time() - began

    assert min(cost(80_000) for _ in range(3)) < 10 * max(min(cost(20_000) for _ in range(3)), 1e-3)
