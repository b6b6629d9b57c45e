"""Words for people."""

from __future__ import annotations

import pytest

from dyadwatch.core.words import counted


@pytest.mark.parametrize(("number", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_one_is_singular(number: int, text: str) -> None:
    assert counted(number, "file") == text
