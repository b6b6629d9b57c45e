"""Rows that say nothing are left out of tables for people, and a sentence says why."""

from __future__ import annotations

from collections.abc import Sequence

from dyadwatch.core.evaluation.jobs import Done
from dyadwatch.core.evaluation.row import Row, RowPart
from dyadwatch.core.evaluation.settings import MODEL

_GUESSING = 0.5
_ENOUGH_HOURS = 1 / 6  # of pairs, from which the default recipe learns a relation
_SAME = 5e-4

Where = tuple[str, str, int, str, int]  # category, fold, seed, measure, draw


def speaking(done: Sequence[Done], *, joined: bool = False) -> tuple[list[Row], list[str]]:
    """The rows worth a place in a table, in order, and sentences on those that are not.

    Left out are a *relation* that is 0.5 everywhere because none was learnt, with the *unusual* that is then the whole
    score, and variants of the model in which nothing changed.

    Arguments:
        joined: the joined score of each method is wanted, not its parts.
    """
    values = _values(done)
    if joined:
        silent, notes = {row for row in values if row.part is not RowPart.JOINED}, []
    else:
        silent, notes = _unlearnt(values, done)
    variants = {d.job.method for d in done if "train" in d.job.made_from} - {MODEL}
    plain = values.get(Row(MODEL))
    same = [row.method for row, found in values.items() if row in map(Row, variants) and found == plain]
    if same:
        named = "; ".join(same)
        notes.append(f"The same as {MODEL} in every figure, as what they change was not used: {named}.")
    silent |= {Row(method, part) for method in same for part in RowPart}
    return [row for row in values if row not in silent], notes


def _values(done: Sequence[Done]) -> dict[Row, dict[Where, float]]:
    """AUROC by row and by what it was measured on."""
    found: dict[Row, dict[Where, float]] = {}
    for d in done:
        for f in d.figures:
            row = found.setdefault(f.row, {})
            if f.value is not None:
                row[d.job.category, d.job.fold, d.job.seed, f.measure, f.draw] = f.value
    return found


def _unlearnt(values: dict[Row, dict[Where, float]], done: Sequence[Done]) -> tuple[set[Row], list[str]]:
    silent: set[Row] = set()
    methods: dict[str, list[str]] = {}
    for row, found in values.items():
        if row.part is not RowPart.RELATION or not found or any(v != _GUESSING for v in found.values()):
            continue
        silent.add(row)
        methods.setdefault(_reason([d for d in done if d.job.method == row.method]), []).append(row.method)
        whole, unusual = values.get(Row(row.method), {}), values.get(Row(row.method, RowPart.UNUSUAL), {})
        if whole.keys() == unusual.keys() and all(abs(whole[k] - v) <= _SAME for k, v in unusual.items()):
            silent.add(Row(row.method, RowPart.UNUSUAL))
    return silent, [f"No *relation* of {'; '.join(names)}: {reason}." for reason, names in methods.items()]


def _reason(done: Sequence[Done]) -> str:
    """Why nothing was learnt of who belongs together, from what the trainings say of themselves."""
    summaries = [d.remarks["summary"] for d in done if "summary" in d.remarks]
    if summaries and all(s.get("recipe") == "paper" for s in summaries):
        return "this recipe has one score"
    if summaries and all(s.get("hours", 1.0) < _ENOUGH_HOURS for s in summaries):
        return "there were fewer than ten minutes of pairs to learn it from, so the score is *unusual* alone"
    return "none was learnt that told broken pairs of held-back recordings apart, or it was left out"
