"""One short table over all protocols: what matters most, each figure beside the best plain method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dyadwatch.core.evaluation.clip_figures import MEASURE
from dyadwatch.core.evaluation.jobs import Done
from dyadwatch.core.evaluation.markdown import grid, interval, number
from dyadwatch.core.evaluation.pair_baselines import CURVATURE, LENGTH
from dyadwatch.core.evaluation.pair_material import MEAN_HELD_BACK, MEAN_OF_SIX, VARIATIONS
from dyadwatch.core.evaluation.perturbations import Kind
from dyadwatch.core.evaluation.results_table import Entry, entries
from dyadwatch.core.evaluation.row import Row, RowPart
from dyadwatch.core.evaluation.settings import MODEL

_OURS = Row(MODEL)
_CUES = (LENGTH, CURVATURE)  # they see no partner


@dataclass(frozen=True)
class Headline:
    """A row of the summary: what it is called, and where its figure is found."""

    name: str
    protocol: str
    measure: str
    row: Row = _OURS


HEADLINES = (
    Headline("broken pairs, mean of six kinds", "broken-pairs", MEAN_OF_SIX),
    Headline("partner of another clip", "broken-pairs", Kind.PARTNER),
    Headline("partner shifted 0.5 s", "broken-pairs", Kind.SHIFTED_05_S),
    Headline("partner shifted 0.2 s", "broken-pairs", Kind.SHIFTED_02_S),
    Headline("partner 0.3 m farther", "broken-pairs", Kind.FARTHER),
    Headline("partner moved 0.2 m", "broken-pairs", Kind.MOVED),
    Headline("kinds held back, mean", "broken-pairs", MEAN_HELD_BACK),
    Headline("the authors' variations, *unusual*", "broken-pairs", VARIATIONS, Row(MODEL, RowPart.UNUSUAL)),
    Headline("one-class, mean of categories", "one-class", MEASURE),
    Headline("peaceful-violent", "peaceful-violent", MEASURE),
    Headline("few-shot, 5 clips, unseen category", "few-shot", "5 clips, unseen"),
)


def summary(found: Sequence[tuple[str, str, Sequence[Done]]]) -> list[str]:
    """Lines of Markdown.

    Arguments:
        found: name of the data set, protocol and what was done; ablations are no part of it.
    """
    tables = [(data, protocol, entries(done)) for data, protocol, done in found]
    body: list[list[str]] = []
    cues: list[str] = []
    for line in HEADLINES:
        for data, protocol, table in tables:
            if protocol != line.protocol:
                continue
            here = [e for e in table if e.measure == line.measure and e.value is not None]
            ours = next((e for e in here if e.row == line.row), None)
            plain = [e for e in here if e.row.method not in (MODEL, *_CUES)]
            best = max(plain, key=lambda e: e.value or 0.0, default=None)
            if ours or best:
                body.append([line.name, data, *_cells(ours), *_cells(best), str(best.row) if best else "-"])
            if line.measure == VARIATIONS:
                cues += [f"{e.row} {number(e.value)}" for e in here if e.row.method in _CUES]
    notes = [
        "AUROC with 95 % intervals. The best of the other methods is chosen by these figures, which are biased in its "
        "favour."
    ]
    if cues:
        notes.append(f"The variations alone are also told by what knows nothing of partners: {', '.join(cues)}.")
    head = ["what", "data", MODEL, "95 %", "best other method", "95 %", "which"]
    return ["## Summary", "", *(f"{n}  " for n in notes), "", *grid(head, body)]


def _cells(entry: Entry | None) -> list[str]:
    return ["-", "-"] if entry is None else [number(entry.value), interval(entry)]
