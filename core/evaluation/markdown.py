"""Tables for people, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dyadwatch.core.evaluation.jobs import Done, Plan
from dyadwatch.core.evaluation.pair_material import MEAN_HELD_BACK, MEAN_OF_SIX, VARIATIONS
from dyadwatch.core.evaluation.perturbations import FURTHER, SIX
from dyadwatch.core.evaluation.results_table import Entry, entries
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.evaluation.silent import speaking

_NOTHING = "-"
_ALWAYS = 3  # first columns of a table of one measure: method, AUROC, 95 %
_MANY = 8  # measures, from which they are better rows than columns
_TYPICAL = "5 clips, unseen"
_ABLATED = (MEAN_OF_SIX, *SIX, *FURTHER, MEAN_HELD_BACK, VARIATIONS)

Cells = dict[tuple[Row, str], Entry]


def as_markdown(
    plan: Plan, done: Sequence[Done], about: Sequence[str], *, title: str = "", ablation: bool = False
) -> str:
    """One section: sentences, a table, and further ones by category.

    Arguments:
        about: sentences on the data and the run, above the table.
        title: of the section; the protocol if not given.
        ablation: a row a variant, its joined score only.
    """
    rows, left_out = speaking(done, joined=ablation)
    table = [e for e in entries(done) if e.row in rows]
    cell = {(e.row, e.measure): e for e in table}
    measures = list(dict.fromkeys(e.measure for e in table))
    lines = [f"## {title or plan.protocol}", "", *(f"{s}  " for s in (*about, *plan.notes, *left_out)), ""]
    if len(measures) == 1:
        lines += _single(table)
    elif ablation:
        kinds = [m for m in _ABLATED if m in measures]
        lines += grid(["variant", *kinds], [[str(r), *(_plain(cell.get((r, m))) for m in kinds)] for r in rows])
    elif len(measures) >= _MANY:
        lines += grid(["kind", *map(str, rows)], [[m, *(_text(cell.get((r, m))) for r in rows)] for m in measures])
    else:
        lines += grid(["method", *measures], [[str(r), *(_text(cell.get((r, m))) for m in measures)] for r in rows])
    lines += _by_category(cell, rows, measures)
    return "\n".join([*lines, *_given_up(done)])


def _given_up(done: Sequence[Done]) -> list[str]:
    """A line for each method of which a training gave up, with the first reason."""
    failed: dict[str, list[Done]] = {}
    for d in done:
        if d.error:
            failed.setdefault(d.job.method, []).append(d)
    lines: list[str] = []
    for method, some in failed.items():
        every = sum(d.job.method == method for d in done)
        lines.append(f"- {method}: {len(some)} of {every}, such as {some[0].job.name}: {some[0].error}")
    return ["Given up:", "", *lines, ""] if lines else []


def _by_category(cell: Cells, rows: Sequence[Row], measures: Sequence[str]) -> list[str]:
    """A table of the categories for one measure, the typical one where there are several."""
    categories = sorted({c for e in cell.values() for c in e.by_category if c})
    shown = [m for m in measures if len(measures) == 1 or m == _TYPICAL]
    if len(categories) < 2:
        return []
    lines: list[str] = []
    for measure in shown:
        lines += [f"By category, {measure}:", ""]
        body = [
            [str(r), *(number(cell[r, measure].by_category.get(c)) for c in categories)]
            for r in rows
            if (r, measure) in cell
        ]
        lines += grid(["method", *categories], body)
    return lines


def _single(table: Sequence[Entry]) -> list[str]:
    """A row an entry; what is no figure in any of them is no column."""
    head = ["method", "AUROC", "95 %", "fold spread", "seed spread", "lowest category"]
    body = []
    for e in table:
        lowest = min(e.by_category.items(), key=lambda kv: kv[1], default=("", math.nan))
        last = f"{lowest[1]:.3f} {lowest[0]}" if len(e.by_category) > 1 else _NOTHING
        body.append([str(e.row), number(e.value), interval(e), number(e.fold_spread), number(e.seed_spread), last])
    shown = [i for i in range(len(head)) if i < _ALWAYS or any(row[i] != _NOTHING for row in body)]
    return grid([head[i] for i in shown], [[row[i] for i in shown] for row in body])


def interval(entry: Entry) -> str:
    """The 95 % interval."""
    return f"{number(entry.low)}-{number(entry.high)}"


def _text(entry: Entry | None) -> str:
    return _NOTHING if entry is None or entry.value is None else f"{entry.value:.3f} ({interval(entry)})"


def _plain(entry: Entry | None) -> str:
    return _NOTHING if entry is None else number(entry.value)


def number(value: float | None) -> str:
    """Three places, or a dash."""
    return _NOTHING if value is None else f"{value:.3f}"


def grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table and an empty line."""
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in body), ""]
