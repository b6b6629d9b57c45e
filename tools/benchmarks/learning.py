"""`dyadwatch bench learning`: a site learnt from clips that are played as a source, and what verdicts change."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.core.readers.read import read_dataset
from dyadwatch.loading import configure
from dyadwatch.stream.learning.versions import site_models
from dyadwatch.tools.benchmarks.learning_stream import learnt_live, trained_live
from dyadwatch.tools.benchmarks.learning_verdicts import after_verdicts, record
from dyadwatch.tools.benchmarks.machine import describe_machine


def learning(
    data: Path,
    /,
    *,
    normal: str = "handover_normal",
    odd: str = "handover_variation",
    split: str = "train",
    seconds: float = 180.0,
    most: int = 300,
    steps: int = 20,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Play normal clips as a source into a detector that learns, and then judge its false alarms.

    Tells after how many seconds of the stream a first model was there and in use, how many windows were lost meanwhile
    and while a model that is trained takes over, and how many false events and anomalies are told of other clips before
    and after verdicts on half of the normal. Anomalies are the odd clips, and normal ones edited as `dyadwatch evaluate
    --protocol events` edits them.

    Parameters
    ----------
    data
        A data set with normal and odd clips, such as shared/data/dynamic_handover.
    normal
        Label of the normal clips.
    odd
        Label of the anomalies.
    split
        Of the normal clips that are streamed.
    seconds
        How long is streamed, in real time.
    most
        Normal clips that are judged, besides.
    steps
        Of the training of the model that takes over; 0 trains none.
    json
        Print one JSON object instead.
    """
    if seconds < 30:
        raise ConfigError(f"--seconds is {seconds:g}; expected at least 30")
    clips = list(read_dataset(data))
    streamed = [c for c in clips if c.label == normal and c.split == split]
    anomalies = [c for c in clips if c.label == odd]
    if len(streamed) < 20 or len(anomalies) < 2:
        raise ConfigError(
            f"{data} has {len(streamed)} clips of label {normal!r} and split {split!r} and {len(anomalies)} of {odd!r}"
            "; expected at least 20 and 2"
        )
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="dyadwatch-bench-") as folder:
        config = configure(None, [f"record.folder={folder}", "record.min_free_mb=0", "learning.auto=true"], None)
        models = site_models(config)
        assert models is not None, "no model is named"
        console.print(f"streaming {seconds:g} s")
        live, used = learnt_live(config, models, streamed, seconds)
        start = models.read().current
        if not start:
            raise DyadwatchError(f"no model was in use after {seconds:g} s of the stream: {live}")
        console.print("\n".join(_live_lines(live)), markup=False, highlight=False, soft_wrap=True)
        trained = trained_live(config, models, streamed[:used], steps) if steps else None
        models.use(start, "bench")
        others = ([c for c in clips if c.label == normal and c.split != split] + streamed[used:])[:most]
        judged, other = others[0::2], others[1::2]
        record(judged, Path(folder))
        verdicts = [after_verdicts(models, config, judged, other, anomalies, verified=v) for v in (False, True)]
    report = {"machine": describe_machine(), "live": live, "trained": trained, "verdicts": verdicts}
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n" if json else "\n".join(_lines(report)) + "\n")


def _live_lines(live: dict[str, Any]) -> list[str]:
    return [
        f"first model after {live['first_model_s']} s of stream ({live['first_model_minutes_of_pairs']} min of pairs), "
        f"judging from {live['judged_from_s']} s on",
        _windows(live),
    ]


def _windows(row: dict[str, Any]) -> str:
    return (
        f"windows: {row['windows']} cut, {row['told']} told, {row['told_twice']} twice, {row['lost']} lost, by "
        f"{', '.join(row['models'])}; dropped: {row['dropped'] or 'none'}"
    )


def _lines(report: dict[str, Any]) -> list[str]:
    out, trained = _live_lines(report["live"]), report["trained"]
    if trained is not None:
        out.append(
            f"a model trained in {trained['steps']} steps: {trained['training_s']} s, in use after "
            f"{trained['switched_in_s']} s; {_windows(trained)}"
        )
    for row in report["verdicts"]:
        known = f", {row['verified_anomalies']} anomalies verified" if row["verified_anomalies"] else ""
        out.append(
            f"{row['verdicts']} verdicts{known}: {row['outcomes']}, {row['verdict_s']} s each and {row['renewed_s']} s "
            "at the end; before, joined and after:"
        )
        rows = [row[name] for name in ("before", "joined", "after")]
        out += [
            f"  {words}: " + " -> ".join(str(r[key]) for r in rows)
            for words, key in (
                ("false events of the other half", "false_other"),
                ("of the judged half", "false_judged"),
                ("recall of all anomalies", "recall"),
            )
        ]
        out += [
            f"  {kind}: " + " -> ".join(f"{r['recall_of'][kind]:.2f}" for r in rows) for kind in rows[0]["recall_of"]
        ]
    return out
