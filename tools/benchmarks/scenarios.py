"""`dyadwatch bench scenarios`: staged anomalies among simulated people, found or not, over many scenarios."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.errors import ConfigError
from dyadwatch.loading import configure, load_scorer
from dyadwatch.staged import match
from dyadwatch.staged_incidents import group
from dyadwatch.stream.pipeline import Pipeline, events_of, incidents_of
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.tools.benchmarks.machine import describe_machine
from dyadwatch.tools.demo import ANOMALIES


def scenarios(
    *,
    model: Path | None = None,
    first: int = 0,
    count: int = 12,
    people: int = 4,
    duration: float = 100.0,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Count the staged anomalies that are found, false alarms and incidents, in scenarios like the demo's.

    Offline, so that nothing depends on the machine. Says how a model does on simulated people, and nothing else.

    Parameters
    ----------
    model
        Model file, instead of the shipped one.
    first
        Seed of the first scenario.
    count
        How many scenarios, of seeds one after the other.
    people
        How many people walk about in each, 2 to 6.
    duration
        Seconds of each.
    json
        Print one JSON object instead.
    """
    if count < 1:
        raise ConfigError(f"--count is {count}; expected at least 1")
    config = configure(None, (), model)
    detector = load_scorer(config)
    progress = Console(stderr=True)
    found: Counter[str] = Counter()
    false_alarms, least = 0, len(ANOMALIES)
    counts: list[int] = []
    led_right: list[bool] = []
    for seed in range(first, first + count):
        scenario = make_scenario(seed=seed, people=people, duration_s=duration, anomalies=ANOMALIES)
        pipeline = Pipeline(*detector, config)
        messages = pipeline.run(scenario.frames())
        outcomes, wrong = match(scenario.truth, events_of(messages))
        grouping = group(scenario.truth, incidents_of(messages))
        counts += grouping.counts
        led_right += grouping.led_right
        kinds = [o.staged.kind for o in outcomes if o.event is not None]
        found.update(kinds)
        false_alarms += len(wrong)
        least = min(least, len(kinds))
        progress.print(f"seed {seed}: {len(kinds)} of {len(outcomes)} found, {len(wrong)} false alarms")
    report: dict[str, Any] = {
        "machine": describe_machine(),
        "seeds": [first, first + count - 1],
        "found": found.total(),
        "staged": count * len(ANOMALIES),
        "found_by_kind": {kind: found[kind] for kind in ANOMALIES},
        "fewest_in_a_scenario": least,
        "false_alarms": false_alarms,
        "incidents": len(led_right),
        "incidents_for_one_staged": round(sum(counts) / len(counts), 2) if counts else None,
        "led_by_the_staged_pair": round(sum(led_right) / len(led_right), 3) if led_right else None,
        "minutes": round(count * duration / 60, 1),
    }
    if json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        sys.stdout.write("".join(f"{key}: {value}\n" for key, value in report.items()))
