"""The live evaluation as a protocol of `dyadwatch evaluate`: its options and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dyadwatch.core.evaluation.markdown import number
from dyadwatch.core.readers.read import read_dataset
from dyadwatch.evaluation_request import QUICK_STEPS, Report, Request
from dyadwatch.live_evaluation import evaluate_live


def run_live(request: Request) -> Report:
    """Real clips through the running detector, see `live_evaluation`."""
    data = request.data
    assert isinstance(data, Path)  # of the command line
    folds = tuple(request.settings.get("folds", ()))
    steps = request.settings.get("train", {}).get("steps")
    if request.quick:
        folds = folds or (min(c.split for c in read_dataset(data, request.declared)),)
        steps = steps or QUICK_STEPS
    given = {key: request.settings[key] for key in ("window_s",) if key in request.settings}
    found = evaluate_live(
        data,
        declared=request.declared,
        folds=folds,
        steps=steps,
        settings=request.settings.get("detector", ()),
        tell=request.tell,
        **given,
    )
    return Report(live_markdown(found), {"protocol": "live", **found})


def live_markdown(found: dict[str, Any]) -> str:
    """The tables of the live evaluation: folds, categories, every clip."""
    means = found["auroc"]
    configuration = ["", configuration_words(found["configuration"]), ""]
    lines = ["## live", *configuration, "| fold | live | nearest neighbour, whole clips |", "|---|---|---|"]
    lines += [f"| {f['fold']} | {number(f['live'])} | {number(f['baseline'])} |" for f in found["folds"]]
    spreads = [f"{number(m['mean'])} +- {number(m['std'])}" if m["mean"] is not None else "-" for m in means.values()]
    lines += ["| mean +- spread | " + " | ".join(spreads) + " |"]
    lines += [
        *configuration,
        "| category | clips | not scored | raised an alarm | median peak |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {c['label']} | {c['clips']} | {c['unscored']} | {_shown(c['alarm_rate'])} | {_shown(c['peak_median'])} |"
        for c in found["classes"]
    ]
    told = [f"{n['raised']} of {n['clips']} {kind} clips" for kind, n in found["raised"].items()]
    lines += ["", f"An alarm was raised in {' and '.join(told)}."]
    lines += [*configuration, "| clip | category | highest live score | alarm |", "|---|---|---|---|"]
    lines += [
        f"| {c['clip']} | {c['label']} | {_shown(c['peak'])} | {'yes' if c['alarm'] else ''} |" for c in found["clips"]
    ]
    return "\n".join([*lines, ""])


def configuration_words(configuration: dict[str, Any]) -> str:
    """What the figures of a table were made with, in a sentence or two."""
    changed = configuration["changed"]
    shown = ", ".join(f"{k} = {v:g}" for k, v in configuration.items() if "." in k)
    thresholds = configuration["raise_at"]
    alike = len(set(thresholds.values())) == 1
    raised = "; ".join(set(thresholds.values()) if alike else [f"{fold}: {v}" for fold, v in thresholds.items()])
    which = "the default configuration" + (f", with {' '.join(changed)}" if changed else "")
    return (
        f"Detector: {which} ({shown}); windows of {configuration['window_s']:.2f} s, clips played at "
        f"{configuration['rate']:g} times real time. An alarm is raised by {raised or '-'}."
    )


def _shown(value: float | None) -> str:
    return "-" if value is None else str(value)
