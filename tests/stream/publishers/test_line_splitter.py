"""However bytes are cut on the way, the same lines come out, and none is longer than allowed."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.stream.publishers.line_splitter import LineSplitter

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
