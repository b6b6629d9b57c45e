"""The charts of a training report: what was watched while it learnt, and scores of normal windows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dyadwatch.core.decision.thresholds import rules_of
from dyadwatch.core.training.markup import Markup, section, short, tag
from dyadwatch.core.training.report_words import Report, part_title
from dyadwatch.core.training.svg import COLOURS, Line, Mark, histogram, line_chart

_LOSSES = {"loss": ("loss", Mark(math.log(2), "guessing")), "nll": ("negative log-likelihood, nats", None)}


def curves(report: Report) -> Markup:
    """One chart for each number that was watched over steps or epochs."""
    looks = [look for look in report.get("curve") or () if isinstance(look, Mapping)]
    over = next((k for k in ("step", "epoch") if looks and k in looks[0]), None)
    if over is None or len(looks) < 2:
        return Markup("")
    monitor: Mapping[str, float] = report.get("monitor") or {}
    cards: list[Markup] = []
    for key in [k for k in dict.fromkeys(k for look in looks for k in look) if k != over]:
        if any(isinstance(look.get(key), Mapping) for look in looks):
            names = dict.fromkeys(n for look in looks for n in look.get(key) or {})
            lines = [Line(str(n), _points(looks, over, lambda look, n=n, key=key: (look.get(key) or {}).get(n)))
                     for n in names]  # fmt: skip
        else:
            lines = [Line(key, _points(looks, over, lambda look, key=key: look.get(key)))]
        if any(c.points for c in lines):
            cards.append(_curve_card(key, lines, over, monitor))
    if not cards:
        return Markup("")
    return section("While it learnt", tag("div", *cards, class_="cards"))


def _curve_card(key: str, lines: Sequence[Line], over: str, monitor: Mapping[str, float]) -> Markup:
    title, mark = _LOSSES.get(key, (key.replace("_", " "), None))
    y = None
    if key == "auroc":
        low = min(b for c in lines for _, b in c.points)
        title, mark, y = "AUROC on broken pairs held back", Mark(0.5, "guessing"), (min(0.45, low), 1.0)
    elif key == "spread":
        title = "spread of the features of normal windows"
        y = (0.0, max(b for c in lines for _, b in c.points))
    elif key == "gap":
        title = "broken pairs above intact ones, nats"
    if monitor.get(key) is not None:
        mark = Mark(monitor[key], "collapsed below")
    legend = Markup("")
    if len(lines) > 1:
        items = [
            tag("li", tag("span", f"{c.name} {c.points[-1][1]:.2f}" if c.points else c.name), class_=f"c{i % COLOURS}")
            for i, c in enumerate(lines)
        ]
        legend = tag("ul", *items, class_="legend")
    return tag("div", tag("h3", title), line_chart(f"{title} over {over}s", lines, over, mark=mark, y=y), legend,
               class_="card")  # fmt: skip


def _points(looks: Sequence[Mapping[str, Any]], over: str, value: Any) -> list[tuple[float, float]]:
    """(step, value) where the value is a number."""
    found = [(look.get(over), value(look)) for look in looks]
    return [(float(a), float(b)) for a, b in found if isinstance(a, int | float) and isinstance(b, int | float)]


def histograms(report: Report) -> Markup:
    """Scores of normal windows, with the thresholds where alarms are decided."""
    drawn: Mapping[str, Mapping[str, Sequence[float]]] = report.get("histograms") or {}
    if not drawn:
        return Markup("")
    weights: Mapping[str, float] = report.get("weights") or {}
    rules = rules_of((report.get("calibration") or {}).get("rules") or ())
    cards: list[Markup] = []
    for name, bars in drawn.items():
        if weights.get(name) == 0:
            picture = tag("p", "This part was left out of the model: it is 0 everywhere.", class_="quiet")
        else:
            label = f"{name} of {report.get('held_out_windows', '')} normal windows"
            levels = [
                Mark(r.raise_at, f"raised {short(r.raise_at)} over {r.over_s:g} s") for r in rules if r.part == name
            ]
            picture = histogram(label, bars["counts"], bars["edges"], "surprise", levels)
        cards.append(tag("div", tag("h3", part_title(name)), picture, class_="card"))
    return section(
        "Scores of normal windows it was not trained on",
        tag(
            "p",
            "Surprise: 1 is what one normal window in ten reaches, 2 one in a hundred, 3 one in a thousand. Counts are "
            "on a logarithmic axis. Alarms are decided on means over the spans that the marks name.",
            class_="quiet",
        ),
        tag("div", *cards, class_="cards"),
    )
