"""How what is missing gets installed: by commands that work although no index has dyadwatch."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

_OF_EXTRA = re.compile(r"(?P<what>[^;]+); extra == ['\"](?P<extra>\w+)['\"]")


def install_command(extra: str) -> str:
    """What to type to get an extra of dyadwatch, and the same for its checkout, which pins versions."""
    here = f"pip install -c constraints.txt '.[{extra}]'"
    try:
        matches = [_OF_EXTRA.fullmatch(line) for line in requires("dyadwatch") or []]
    except PackageNotFoundError:
        matches = []
    packages = [m["what"].strip() for m in matches if m and m["extra"] == extra]
    if not packages:
        return f"{here} in the checkout of dyadwatch"
    return f"pip install {' '.join(map(repr, packages))}, or in the checkout of dyadwatch: {here}"
