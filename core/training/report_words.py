"""What a training report says in plain language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dyadwatch.core.decision.rules import Rule
from dyadwatch.core.decision.thresholds import rules_of
from dyadwatch.core.words import counted

_RARE_MINUTES = 30.0  # of normal time held back; below, next to nothing is known of false alarms

Report = Mapping[str, Any]

# What each known part looks at, for people; a part not listed is shown by its name.
PARTS = {
    "neighbours": (
        "nearest neighbours",
        "how far distances, speeds and postures are from the three most similar normal windows, on average (from the "
        "most similar one where there are fewer than ten)",
    ),
    "flow": ("flow", "how likely the network's features of the pair are among normal ones"),
    "whitened": (
        "whitened neighbours",
        "the same where every direction counts alike: what rarely varies in normal life",
    ),
    "encoder": ("encoder", "its judgement, from who moves when, whether these two belong together"),
    "critic": ("critic", "the same judgement from distances, speeds and postures alone"),
    "relation": ("relation", "encoder and critic together: whether these two belong together"),
    "unusual": ("unusual", "how unlike normal the two look, whatever part says so"),
    "timing": ("timing", "whether the critic would believe in the two more with one of them 0.2 s earlier"),
}


@dataclass(frozen=True)
class TrainingVerdict:
    """One sentence of the verdict and how good the news is."""

    news: Literal["good", "plain", "bad"]
    text: str


def part_title(part: str) -> str:
    """A part's name for people."""
    return PARTS.get(part, (part.replace("_", " "), ""))[0]


def verdicts(report: Report) -> list[TrainingVerdict]:
    """What this model learnt and what that is worth, most important first."""
    out = _collapse(report)
    out += _learnt(report)
    out += _alarms(report) if not report.get("stopped") else []
    skipped = report.get("skipped_clips", 0)
    if skipped:
        total = skipped + report.get("clips", 0)
        were = "was" if skipped == 1 else "were"
        news = "bad" if 2 * skipped > total else "plain"
        out.append(TrainingVerdict(news, f"{skipped} of {counted(total, 'clip')} {were} left out."))
    return out


def _collapse(report: Report) -> list[TrainingVerdict]:
    collapse = report.get("collapse")
    if collapse is None:
        return []
    if not collapse:
        return [TrainingVerdict("good", "The network did not collapse: it still tells windows apart.")]
    after = (
        "Training stopped there and no model was written; the default recipe does not do this."
        if report.get("stopped")
        else "The model was written all the same, as asked; it tells little apart."
    )
    return [TrainingVerdict("bad", f"The network collapsed: {collapse}. {after}")]


def _learnt(report: Report) -> list[TrainingVerdict]:
    """One sentence for each part but the collapsed."""
    weights, means = report.get("weights") or {}, report.get("broken_pairs_mean") or {}
    if report.get("collapse"):
        return []
    parts = [p for p in {**means, **weights} if p != "unusual"]
    alone = ("neighbours", "whitened", "timing")  # nothing is learnt for these
    untrained = [p for p in parts if p not in alone and not weights.get(p) and means.get(p) is None]
    out = [_said_of(p, weights.get(p), means.get(p), report) for p in parts if p not in untrained]
    if untrained and (report.get("options") or {}).get("recipe") != "paper":
        names = listed([part_title(p) for p in untrained])
        out.insert(0, TrainingVerdict("plain", f"Not learnt and left out: {names}; {too_little(report)}."))
    return [v for v in out if v is not None]


def too_little(report: Report) -> str:
    """How much there was to learn from, and how much is needed where that is known."""
    needed = report.get("needed") or {}
    had = f"{span(60 * report.get('hours', 0.0))} of pairs from {report.get('units', 0)} clips or sessions"
    if not needed:
        return f"{had} were too little to learn from"
    wanted = [f"{needed['minutes']:g} minutes"] if "minutes" in needed else []
    wanted += [f"{needed['units']:g} clips"] if "units" in needed else []
    return f"there were {had}, {listed(wanted)} are needed"


def _said_of(part: str, weight: float | None, auroc: float | None, report: Report) -> TrainingVerdict | None:
    """Of a part that was measured or counts."""
    name = part_title(part)
    if auroc is None:
        return None if not weight else TrainingVerdict("plain", f"{_capital(name)} counts with weight {weight:.2f}.")
    tells = f"tells pairs that belong together from broken ones with AUROC {auroc:.2f}"
    if weight is None:
        return TrainingVerdict("plain", f"{_capital(name)} {tells}.")
    if not weight:
        least = (report.get("needed") or {}).get("auroc")
        why = f", {least:.2f} is needed" if least is not None and auroc < least else ""
        return TrainingVerdict("plain", f"{_capital(name)} was left out: it {tells} (0.5 is guessing){why}.")
    news = "good" if auroc >= 0.8 else "plain"
    if part == "neighbours":
        return TrainingVerdict("plain", f"{_capital(name)} {tells}; it needs no training and always has a say.")
    if (report.get("options") or {}).get("least_trust") and auroc < 0.8:
        only = f"counts with weight {weight:.2f} only because least_trust asks for it"
        return TrainingVerdict("bad", f"{_capital(name)} {only}: it {tells} (0.5 is guessing).")
    return TrainingVerdict(news, f"{_capital(name)} {tells} and counts with weight {weight:.2f}.")


def _alarms(report: Report) -> list[TrainingVerdict]:
    calibration = report.get("calibration") or {}
    evidence, rules = calibration.get("evidence") or {}, rules_of(calibration.get("rules") or ())
    if not rules:
        return []
    clear = calibration.get("clear_at", 0.0)
    out = [
        TrainingVerdict("plain", f"An alarm is raised by {listed_or(rules)}, and cleared below {clear:.0%} of that.")
    ]
    bound, hours = evidence.get("events_per_hour_95"), evidence.get("hours")
    if bound is not None and hours is not None:
        minutes = 60 * hours
        rest = f"from {span(minutes)} of {evidence.get('method', 'normal recordings')}"
        if minutes < _RARE_MINUTES:
            out.append(
                TrainingVerdict(
                    "bad",
                    f"How often normal behaviour raises an alarm is hardly known: {rest}, all that can be said is "
                    f"fewer than {_count(bound)} an hour (95 % sure). Calibrate on quiet hours of the site.",
                )
            )
        else:
            out.append(TrainingVerdict("good", f"Fewer than {_count(bound)} false alarms an hour (95 % sure), {rest}."))
    return out


def vouched(evidence: Mapping[str, Any]) -> str:
    """What the calibration vouches for, and what it would take where that is less than was asked for."""
    bound, budget = evidence["events_per_hour_95"], evidence["budget_per_hour"]
    if evidence["certified"]:
        return f"at most {_count(bound)} false alarms an hour (95 % sure)"
    return (
        f"nothing: {span(60 * evidence['hours'])} are too few for {budget:g} false alarms an hour, which takes "
        f"{span(60 * evidence['hours_needed'])} without one"
    )


def listed_or(rules: Sequence[Rule]) -> str:
    """Rules for people."""
    return " or ".join(map(str, rules))


def span(minutes: float) -> str:
    """A length of time for people, from seconds to hours."""
    if minutes < 1:
        return f"{60 * minutes:.0f} seconds"
    if minutes >= 120:
        return f"{minutes / 60:.1f} hours"
    return f"{minutes:.1f} minutes" if minutes < 10 else f"{minutes:.0f} minutes"


def _count(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def listed(words: list[str]) -> str:
    """Words with commas, and `and` before the last."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
