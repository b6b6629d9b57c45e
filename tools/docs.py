"""`dyadwatch docs`: the pages that come with the program."""

from __future__ import annotations

import sys
from importlib.resources import files

from rich.console import Console
from rich.table import Table

from dyadwatch.core.errors import ConfigError

_SUFFIX = ".md"


def pages() -> dict[str, str]:
    """The text of every page by its name, such as `wire-protocol`."""
    found = sorted(files("dyadwatch.docs").iterdir(), key=lambda page: page.name)
    return {p.name.removesuffix(_SUFFIX): p.read_text("utf8") for p in found if p.name.endswith(_SUFFIX)}


def docs(page: str | None = None, /) -> None:
    """Print a page of the documentation, such as the wire protocol; without a name, say which pages there are.

    Parameters
    ----------
    page
        Name of the page, such as wire-protocol.
    """
    there = pages()
    if page is None:
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, text in there.items():
            table.add_row(f"dyadwatch docs {name}", text.partition("\n")[0].removeprefix("# "))
        Console().print(table)
        return
    name = page.removeprefix("docs/").removesuffix(_SUFFIX)
    if name not in there:
        raise ConfigError(f"page is {page!r:.80}; expected one of {', '.join(there)}")
    sys.stdout.write(there[name])
