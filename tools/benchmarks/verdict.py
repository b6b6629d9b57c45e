"""Figures beside the bars that they are held against."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct


class Bar(Struct, frozen=True):
    """A figure and what it should be.

    Arguments:
        what: was measured.
        figure: that was measured, for people.
        wanted: the bar, for people.
        passed: whether the figure reaches it.
    """

    what: str
    figure: str
    wanted: str
    passed: bool


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of a Markdown table, and an empty one."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]


def print_verdict(report: Mapping[str, Any], bars: Sequence[Bar], tables: Sequence[str], as_json: bool) -> None:
    """Prints figures and bars, as Markdown or as one JSON object; exits with status 1 where a bar is missed.

    Arguments:
        report: what was measured; `machine` as by `describe_machine`.
        bars: every figure that has one.
        tables: lines of Markdown that come before the bars.
        as_json: the report and the bars, instead of tables.
    """
    missed = sum(not b.passed for b in bars)
    if as_json:
        whole = {**report, "bars": [msgspec.structs.asdict(b) for b in bars], "passed": not missed}
        sys.stdout.write(msgspec.json.encode(whole).decode() + "\n")
    else:
        m = report["machine"]
        lines = [f"{m['processor']}, {m['cores']} cores, load {m['load_1min']} at the start, Python {m['python']}.", ""]
        rows = [(b.what, b.figure, b.wanted, "pass" if b.passed else "FAIL") for b in bars]
        lines += [*tables, *table(("measured", "figure", "bar", "verdict"), rows)]
        lines.append(f"{len(bars) - missed} passed, {missed} missed")
        sys.stdout.write("\n".join(lines) + "\n")
    if missed:
        sys.exit(1)
