"""What large blocks leave behind in a process, seen from outside by the system's own count."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_CHURN = """
import sys
from dyadwatch.stream.receiving.heap import map_large_blocks
if sys.argv[1] == "mapped":
    map_large_blocks()
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
begun, small = rss(), []
for _ in range(3):
    large = []
    for n in range(40):
        large.append(bytes(1_000_000))
        small.append(bytes(2_000))  # lies between the large ones where those are in the heap
    del large
print(rss() - begun)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps large blocks as described")
def test_large_blocks_go_back_to_the_system_when_they_are_freed() -> None:
    def left(how: str) -> float:
        command = [sys.executable, "-c", _CHURN, how]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert left("mapped") < 5
    assert left("as it was") > 20, "the C library gives them back by itself; this module is not needed any more"
