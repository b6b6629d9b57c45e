"""What the C library keeps of freed memory. Anybody can send large messages: they must not make the process large."""

from __future__ import annotations

import contextlib
import ctypes

_M_MMAP_THRESHOLD = -3  # of mallopt(3)
_OF_ITS_OWN = 256 << 10  # bytes; what is larger is a mapping of its own, and goes back as soon as it is freed


def map_large_blocks() -> None:
    """Keeps large blocks out of the heap, for the whole process; where the C library knows how to.

    glibc raises the limit, up to 32 MiB, whenever a larger block is freed: from then on large ones lie between small
    ones, and what they took does not go back.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _OF_ITS_OWN)


def give_back() -> None:
    """Returns freed memory to the system; where the C library knows how to."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
