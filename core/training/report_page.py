"""A training report as one HTML page: no script, nothing fetched from elsewhere, whatever the clips are called.

Every section is left out where the report has nothing for it, and what is not known here is shown by its name, so a
recipe may measure more than this page knows of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dyadwatch.core.training.markup import Markup, join, name_of, section, short, tag
from dyadwatch.core.training.report_charts import curves, histograms
from dyadwatch.core.training.report_clips import most_unusual, skipped
from dyadwatch.core.training.report_style import STYLE
from dyadwatch.core.training.report_words import PARTS, Report, listed, part_title, span, verdicts
from dyadwatch.core.words import counted

_MOST_LABELS = 8


def report_page(report: Report) -> str:
    """The page.

    Arguments:
        report: what `make_report` gives, or the same read back from JSON; `name`, the model's, is its heading.
    """
    name = str(report.get("name") or "a model")
    stopped = bool(report.get("stopped"))  # then there is no model, and its scores are noise
    sections = (
        _head(report, name),
        _verdict(report),
        _parts(report),
        curves(report),
        Markup("") if stopped else histograms(report),
        Markup("") if stopped else most_unusual(report),
        skipped(report),
        _rest(report),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"{tag('title', f'Training report: {name}')}\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(s for s in sections if s)
        + "\n</body>\n</html>\n"
    )


def _head(report: Report, name: str) -> Markup:
    options: Mapping[str, Any] = report.get("options") or {}
    labels: Mapping[str, int] = report.get("labels") or {}
    shown = [join(name_of(str(k)), f" {n}") for k, n in list(labels.items())[:_MOST_LABELS]]
    more = len(labels) - len(shown)
    ending = f" and {counted(more, 'label')} more." if more else "."
    trained_on = [counted(report.get("clips", 0), "clip"), f"{span(60 * report.get('hours', 0.0))} of pairs"]
    if report.get("simulated_minutes"):
        trained_on.append(f"{report['simulated_minutes']:g} minutes of it simulated")
    windows, judges = report.get("windows", 0), report.get("held_out_windows", 0)
    facts = {
        "windows": f"{windows}, {'all' if judges == windows else judges} of them to calibrate on",
        "window": f"{options.get('window_s', 0):.3g} s at {options.get('fps', 0):g} fps{_fitted(report)}",
        "skeleton": f"{report.get('layout', '')}, {len(report.get('joints') or ())} joints",
        "pairs placed by": _placed_by(report.get("placed_by") or {}),
        "recipe": str(options.get("recipe", "")),
        "seed": str(options.get("seed", "")),
        "normal windows kept to compare": str(report.get("support", "")),
        "trained in": span(report["minutes"]) if report.get("minutes") is not None else "",
    }
    listed = [tag("div", tag("dt", k), tag("dd", v)) for k, v in facts.items() if v]
    return tag(
        "header",
        tag("p", "Training report", class_="quiet"),
        tag("h1", name_of(name)),
        tag("p", f"Trained on {', '.join(trained_on)}."),
        tag("p", "Recordings by label: ", Markup(", ".join(shown)), ending, class_="quiet") if shown else Markup(""),
        tag("dl", *listed, class_="facts"),
    )


def _fitted(report: Report) -> str:
    """Why the window is shorter than usual; nothing where it is not."""
    said: Mapping[str, Any] = report.get("window") or {}
    if not said:
        return ""
    return (
        f", so that {said['window_clips']} of {said['clips']} clips are long enough; {said['usual_clips']} are for "
        f"{said['usual_s']:g} s"
    )


def _placed_by(said: Mapping[str, Any]) -> str:
    """What stands for the trunk; nothing where it is the trunk itself."""
    if not said or said.get("trunk") == 1.0:
        return ""
    return " to ".join(
        "middle of " + " and ".join(j) if len(j) > 1 else "".join(j) for j in (said["low"], said["high"])
    )


def _verdict(report: Report) -> Markup:
    items = [tag("li", v.text, class_=v.news) for v in verdicts(report)]
    return section("What this model learnt", tag("ul", *items, class_="verdict")) if items else Markup("")


def _parts(report: Report) -> Markup:
    """AUROC on broken pairs by kind and part, and the weights that came of it."""
    judged: Mapping[str, Mapping[str, float | None]] = report.get("broken_pairs") or {}
    means: Mapping[str, float | None] = report.get("broken_pairs_mean") or {}
    weights: Mapping[str, float] = report.get("weights") or {}
    parts = [p for p in {**judged, **means} if judged.get(p) or means.get(p) is not None]
    if not parts and not weights:
        return Markup("")
    kinds = list(dict.fromkeys(k for p in parts for k in judged.get(p) or {}))
    rows = [_row(k, [_auroc((judged.get(p) or {}).get(k)) for p in parts]) for k in kinds]
    rows.append(_row("mean", [_auroc(means.get(p)) for p in parts], class_="sum"))
    if weights:
        rows.append(_row("weight", [tag("td", short(weights[p], 2) if p in weights else "") for p in parts]))
    head = tag("tr", tag("th", "broken by"), *(tag("th", part_title(p), scope="col") for p in parts))
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    said = [p for p in {**dict.fromkeys(parts), **weights} if p in PARTS and (p in parts or weights.get(p))]
    about = [tag("li", tag("b", part_title(p)), f": {PARTS[p][1]}") for p in said]
    others = {p: w for p, w in weights.items() if p not in parts}
    counting = [f"{part_title(p)} {short(w, 2)}" for p, w in others.items() if w]
    none = [part_title(p) for p, w in others.items() if not w]
    rest = "; ".join([*counting, *([f"0 for {listed(none)}"] if none else [])])
    return section(
        "What each part sees",
        tag(
            "p",
            "Normal windows that were held back, against the same windows with the two people made not to belong "
            "together. AUROC: 1 tells every pair apart, 0.5 is guessing.",
            class_="quiet",
        ),
        tag("div", table, class_="wide card") if parts else Markup(""),
        tag("ul", *about, class_="quiet"),
        tag("p", f"Other weights: {rest}.", class_="quiet") if rest else Markup(""),
    )


def _row(title: str, cells: Sequence[Markup], class_: str | None = None) -> Markup:
    return tag("tr", tag("th", title, scope="row"), *cells, class_=class_)


def _auroc(value: float | None) -> Markup:
    """A cell with a bar from guessing to perfect."""
    if value is None:
        return tag("td", "-")
    part = min(max(200 * (value - 0.5), 0.0), 100.0)
    return tag("td", f"{value:.3f}", tag("span", tag("i", style=f"width:{part:.0f}%"), class_="meter"))


def _rest(report: Report) -> Markup:
    """Options and evidence, for those who want to repeat it."""
    evidence: Mapping[str, Any] = (report.get("calibration") or {}).get("evidence") or {}
    parts: list[Markup] = []
    tables = {
        "What the thresholds rest on": evidence,
        "Options": report.get("options") or {},
        "Where the time went": _time(report.get("time") or {}),
    }
    for title, values in tables.items():
        rows = [
            tag("tr", tag("th", str(k).replace("_", " "), scope="row"), tag("td", _value(v))) for k, v in values.items()
        ]
        if rows:
            parts.append(tag("details", tag("summary", title), tag("div", tag("table", *rows), class_="wide")))
    return section("For the record", *parts) if parts else Markup("")


def _time(told: Mapping[str, Any]) -> dict[str, str]:
    """Stages and their length; and where a budget made a schedule shorter, how many steps were taken."""
    out = {stage: f"{seconds:.1f} s" for stage, seconds in (told.get("seconds") or {}).items()}
    if told.get("used_before_s"):
        out["before a stop"] = f"{told['used_before_s']:.1f} s"
    if told.get("budget_minutes") is not None:
        out["budget"] = f"{told['budget_minutes']:g} minutes"
    for name, s in (told.get("schedules") or {}).items():
        out[f"steps of {name}"] = f"{s['taken']} of {s['steps']}, the last at a rate of {s['last_rate']:.2g}"
    return out


def _value(value: Any) -> str:
    return short(value, 6) if isinstance(value, float) else "not set" if value is None else str(value)
