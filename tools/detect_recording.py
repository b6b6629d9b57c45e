"""`dyadwatch detect` on recordings: the events of the live run again."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import structs
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.model_file.artefact import file_sha256
from dyadwatch.core.sense.sense_codes import settled
from dyadwatch.core.words import counted
from dyadwatch.loading import configure, is_learning, load_scorer, model_path
from dyadwatch.model_files import SHIPPED, SIMULATED
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.health.unjudged import Account, Accounts
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.messages import EventMessage, ScoreMessage, encode_json
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.header import as_recorded, recorded_config
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.reprocess import Reprocess
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.sinks.live_table import IncidentLinesSink
from dyadwatch.stream.sinks.sinks import JsonLinesSink, Sink
from dyadwatch.stream.texts import text_of
from dyadwatch.stream.windows.source_line import SourceLine

NOT_NAMED = "judged by the simulated model, which knows no real people: name one of your own with --model"


def detect_recordings(
    paths: Sequence[Path], model: Path | None, config: Path | None, set_: Sequence[str], *, json: bool, scores: bool
) -> None:
    """Runs recordings through a detector set up as the recorded one was, and says how the two compare."""
    playback = Playback(paths)
    console = Console(stderr=True)
    settings, scorer, thresholds = _detector(playback, model, config, set_, console)
    # Every score is looked at here, to know whether there was one; `scores` says whether they are printed.
    settings = structs.replace(settings, sinks=structs.replace(settings.sinks, scores=True))
    pipeline = Pipeline(scorer, thresholds, settings)
    accounts = Accounts(pipeline.counters)
    watched: dict[str, SourceLine] = {}

    def watch(line: SourceLine) -> None:
        watched[line.source] = line
        accounts.look(line.source, line)

    rerun = Reprocess(pipeline, settings, watch)
    sink: Sink = JsonLinesSink(sys.stdout.buffer) if json else IncidentLinesSink(Console())
    told: list[EventMessage] = []
    windows: Counter[str] = Counter()
    began = time.monotonic()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("detecting", total=None)
        for messages in rerun.run(playback):
            windows.update(m.source for m in messages if isinstance(m, ScoreMessage))
            told += (m for m in messages if isinstance(m, EventMessage))
            sink.emit([m for m in messages if scores or not isinstance(m, ScoreMessage)])
            progress.update(task, completed=rerun.frames)
    took = time.monotonic() - began
    for note in playback.notes:
        console.print(escape(note))
    opened = sum(e.type == "open" for e in told)
    console.print(
        f"{counted(len(playback.recordings), 'file')}, {counted(rerun.frames, 'frame')}, "
        f"{counted(windows.total(), 'window')}, {counted(opened, 'event')} in {took:.1f} s "
        f"({rerun.seconds / took:.0f} times real time)"
    )
    accounts.settle()
    for source in sorted(watched):
        for odd in settled(accounts.of(source).odd.values()):
            console.print(escape(f"{source}: {text_of(odd)}"), soft_wrap=True, highlight=False)
    for text in _unjudged(watched, windows, accounts, pipeline, scorer.shape, settings):
        console.print(escape(text), soft_wrap=True, highlight=False)
    _compare(rerun, told, console)


def _detector(
    playback: Playback, model: Path | None, config: Path | None, set_: Sequence[str], console: Console
) -> tuple[Config, Scorer, Thresholds]:
    """Model, thresholds and configuration as they were recorded, as far as the command line says nothing else."""
    abouts = [r.about for r in playback.recordings if r.about.config]
    about = abouts[0] if abouts else RecordingHeader(run="")
    if len({(a.config, a.raise_at, a.clear_at, a.rules, a.model_sha256) for a in abouts}) > 1:
        console.print("the recordings were made with different configurations or models; those of the first are used")
    settings = configure(config, (), model)
    recorded = recorded_config(about) if config is None else None
    if recorded is None:
        settings = set_option(settings, *set_)
    else:
        named = recorded.scorer.model
        if model is None and (named in (SHIPPED, SIMULATED) or (named and Path(named).is_file())):
            settings = configure(None, (f"scorer.model={named}",), None)
        settings = as_recorded(settings, about, set_, model_path)
    scorer, thresholds = load_scorer(settings)
    if is_learning(settings):
        console.print(NOT_NAMED, soft_wrap=True, highlight=False)
    if about.model and file_sha256(scorer.path) != about.model_sha256:
        console.print(
            escape(f"recorded with the model {about.model}, scored with another, {scorer.info.name} "
                   f"{scorer.info.version} ({scorer.path}); name the recorded one with --model for the same events")
        )  # fmt: skip
    return settings, scorer, thresholds


def _unjudged(
    watched: Mapping[str, SourceLine],
    windows: Mapping[str, int],
    accounts: Accounts,
    pipeline: Pipeline,
    shape: WindowShape,
    settings: Config,
) -> list[str]:
    """What to tell of sources that are quiet only because nothing of them was scored.

    Sources of a group are judged with it, or by themselves where their clocks do not agree.
    """
    if not watched:
        counts = Counter({r: n for of in pipeline.counters.snapshot().values() for r, n in of.items()})
        cause = Account(frames=counts.total(), counts=counts).cause(shape, settings)
        return [f"nothing was judged: {text_of(cause)}"]
    judged = pipeline.intake.group_of.keys() | set(windows)
    return [
        f"{source}: nothing was judged: {text_of(accounts.of(source).cause(shape, settings))}"
        for source in sorted(watched)
        if source not in judged
    ]


def _compare(rerun: Reprocess, told: Sequence[EventMessage], console: Console) -> None:
    for source, shed in sorted(rerun.shed.items()):
        console.print(f"{source}: the live run left out {counted(shed, 'window')} for overload, scored here")
    if not rerun.recorded:
        return
    missing = Counter(map(encode_json, rerun.recorded))
    missing.subtract(map(encode_json, told))
    lost, new = sum(n for n in missing.values() if n > 0), -sum(n for n in missing.values() if n < 0)
    if lost or new:
        console.print(
            f"of {counted(len(rerun.recorded), 'recorded event message')}, {lost} were not reproduced; {new} are new"
        )
    else:
        console.print(f"all {len(told)} event messages are those of the live run")
