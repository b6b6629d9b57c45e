"""Words for people."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """A number and what it counts: 1 file, 2 files."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
