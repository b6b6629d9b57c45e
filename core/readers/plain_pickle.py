"""Pickle files that hold a plain dictionary from names to numbers, and nothing that could run."""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, NoReturn

from dyadwatch.core.errors import ClipError
from dyadwatch.core.files.text_files import read_bytes

_MOST_BYTES = 50_000_000
# Every operation that dict, str and int need; none of these imports, calls or builds anything.
_ALLOWED = frozenset(
    ("PROTO", "FRAME", "STOP", "MARK", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "INT", "BININT", "BININT1",
     "BININT2", "LONG", "LONG1", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "MEMOIZE", "PUT", "BINPUT",
     "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET")
)  # fmt: skip


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("it asks for something outside the file")


def read_plain_pickle(path: Path) -> dict[str, int]:
    """A pickled dictionary of str to int.

    The operations are checked before the first of them runs, and the unpickler refuses every class besides.

    Raises:
        ClipError: when the file holds anything else, is damaged or too large.
    """
    expected = "a pickled dictionary of clip ids to 0 or 1, plain dict, str and int only"
    data = read_bytes(path, expected, _MOST_BYTES)
    try:
        for operation, argument, _ in pickletools.genops(data):
            if operation.name not in _ALLOWED:
                raise pickle.UnpicklingError(f"it uses {operation.name}")
            if operation.name.endswith("PUT") and int(argument or 0) > len(data):
                raise pickle.UnpicklingError("it numbers more objects than it has bytes")
        content = _Plain(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError,
            OverflowError, MemoryError, RecursionError) as e:  # fmt: skip
        raise ClipError(f"{path}: refused ({type(e).__name__}: {e}); expected {expected}") from None
    if not isinstance(content, dict):
        raise ClipError(f"{path}: holds a {type(content).__name__}; expected {expected}")
    for key, value in content.items():
        if type(key) is not str or type(value) is not int or value not in (0, 1):
            raise ClipError(f"{path}: {str(key)[:30]!r} is {str(value)[:30]}; expected {expected}")
    return content
