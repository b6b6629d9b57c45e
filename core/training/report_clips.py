"""The clips of a training report: the most unusual normal ones with pictures of the pair, and those left out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dyadwatch.core.explanation.sentences import JointPair, sentence
from dyadwatch.core.iso_time import moment
from dyadwatch.core.skeletons.layouts import find_layout
from dyadwatch.core.training.markup import Markup, name_of, section, tag
from dyadwatch.core.training.report_words import Report
from dyadwatch.core.training.stick_figures import pair_pictures
from dyadwatch.core.words import counted

_MOST_SKIPPED = 50
_RARE = 1.0  # a score of 1 normal window in 10; below, how rare it is is not worth saying
_STAMP = re.compile(r"-(1\d{12})(?!\d)")  # unix time in milliseconds, from 2001 to 2033


def most_unusual(report: Report) -> Markup:
    """A card for each of the most unusual normal recordings."""
    entries: Sequence[Mapping[str, Any]] = report.get("most_unusual_normal") or ()
    if not entries:
        return Markup("")
    cards = [_odd_card(k, entry, report) for k, entry in enumerate(entries, 1)]
    return section(
        "The most unusual normal behaviour",
        tag(
            "p",
            "All of this counts as normal. Look at these clips: a wrong label, a lost limb or swapped people here "
            "teaches the model that they are normal. Beside each is the most similar moment of another clip. ",
            tag("b", "A", class_="a"), " and ", tag("b", "B", class_="b"),
            " are the first and second person; the dashed line joins the two joints that differ most.",
            class_="quiet",
        ),
        tag("div", *cards, class_="cards"),
    )  # fmt: skip


def _odd_card(place: int, entry: Mapping[str, Any], report: Report) -> Markup:
    said = [f"score {entry.get('score', 0.0):.2f}"]
    said += [f"{n} {entry[n]:.2f}" for n in ("unusual", "relation") if entry.get(n)]
    when = entry.get("moment_s", entry.get("start_s", 0.0))
    where = [tag("h3", f"{place}. ", name_of(str(entry.get("clip", ""))), _at(str(entry.get("clip", "")), when))]
    label = [name_of(str(entry["label"])), Markup(" · ")] if entry.get("label") else []
    where.append(tag("p", *label, ", ".join(said), class_="quiet"))
    why = [JointPair(p["first"], p["second"], p["share"], p["shift_m"]) for p in entry.get("why") or ()]
    if why:
        score = entry.get("score", 0.0)
        where.append(tag("p", sentence(("A", "B"), why, score if score >= _RARE else None) + "."))
    nearest = entry.get("nearest")
    if entry.get("pose") and nearest:
        touching = (why[0].first, why[0].second) if why else None
        layout = find_layout(tuple(report.get("joints") or ("?",)))
        poses = [("here", entry["pose"]), ("most similar", nearest["pose"])]
        label_text = (
            f"the pair in {entry.get('clip', '')} at {when:.2f}\u00a0s, and the most similar moment of another clip"
        )
        where.append(pair_pictures(label_text, poses, layout, touching))
        similar = ("Most similar: ", name_of(str(nearest["clip"])), _at(str(nearest["clip"]), nearest["moment_s"]))
        where.append(tag("p", *similar, class_="quiet"))
    return tag("article", *where, class_="card")


def _at(clip: str, seconds: float) -> str:
    """The moment, also as a time of day where a clip of a recording is named after its first millisecond."""
    text = f" at {seconds:.2f}\u00a0s"
    stamp = _STAMP.search(clip)
    if stamp is None:
        return text
    return f"{text} ({moment(int(stamp[1]) * 1_000_000 + round(seconds * 1e9))})"


def skipped(report: Report) -> Markup:
    """Clips that could not be used, by reason."""
    left_out: Mapping[str, Sequence[str]] = report.get("skipped") or {}
    parts: list[Markup] = []
    for reason, names in left_out.items():
        listed = [tag("li", name_of(str(n))) for n in names[:_MOST_SKIPPED]]
        if len(names) > _MOST_SKIPPED:
            listed.append(tag("li", f"and {len(names) - _MOST_SKIPPED} more, see the JSON"))
        title = tag("summary", f"{counted(len(names), 'clip')} {reason}")
        parts.append(tag("details", title, tag("ul", *listed), open="" if len(names) <= 5 else None))
    return section("Clips left out", *parts) if parts else Markup("")
