"""`dyadwatch calibrate`: thresholds from a site's own normal hours, within a budget of false events."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dyadwatch import calibrating
from dyadwatch.calibrating import SiteCalibration, calibration_file
from dyadwatch.calibration_plot import calibration_plot
from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.event_budget import per_hour
from dyadwatch.core.decision.site_calibration import Choice
from dyadwatch.core.errors import TooShortError
from dyadwatch.core.files.atomic import write_atomically
from dyadwatch.core.iso_time import clock_moment
from dyadwatch.core.training.options import Progress
from dyadwatch.core.words import counted
from dyadwatch.loading import configure
from dyadwatch.model_files import named_model
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.recordings.header import config_of
from dyadwatch.stream.recordings.playback import Playback, is_recording
from dyadwatch.tools.files import NO_FPS_FLAGS, FpsFileFlags, select_sets, tell_events
from dyadwatch.tools.outputs import check_output
from dyadwatch.tools.progress import shown

_Flag = Parameter(negative=())


def calibrate(
    model: str,
    paths: Annotated[list[Path] | None, _Flag] = None,
    /,
    *,
    budget: str = "6/hour",
    out: Path | None = None,
    plot: Path | None = None,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    label: Annotated[tuple[str, ...], _Flag] = (),
    split: Annotated[tuple[str, ...], _Flag] = (),
    flags: FpsFileFlags = NO_FPS_FLAGS,
    extrapolate: Annotated[bool, _Flag] = False,
    uncertified: Annotated[bool, _Flag] = False,
    json: Annotated[bool, _Flag] = False,
) -> None:
    """Find the lowest thresholds at which normal hours hold no more events than a budget allows.

    The hours go through the whole live path once, and events are counted as the detector counts them. Where the hours
    are too few to vouch for the budget, nothing is written, it is said how many are missing, and the exit status is 1.

    Parameters
    ----------
    model
        A model file, or `shipped`.
    paths
        Normal hours, best of the site itself: recordings (.mcap), folders of them, and pose files of any format that
        `detect` reads.
    budget
        False events, such as 1/day, 6/hour or 2/week.
    out
        The calibration file to write; the one beside the model if not given.
    plot
        Draw events against levels into this file, an SVG picture.
    config
        Configuration file; without one the recordings are watched as they were recorded.
    set_
        One configuration key, such as --set alarm.hold_s=3; may be repeated.
    label
        Only clips of this label; may be repeated.
    split
        Only clips of this split; may be repeated.
    extrapolate
        Where the hours are too few, fit the tail of the peaks; the file says that it is an extrapolation.
    uncertified
        Where they are too few, take levels that nothing in them reached; the file vouches for nothing.
    json
        Print the calibration as JSON on standard output.
    """
    per_hour(budget)
    calibration_file(model, out, "--out")
    if plot is not None:
        check_output("--plot", plot)
    recordings: list[str | Path | Clip] = []
    recorded = [path for path in paths or [] if is_recording(path)]
    recordings += recorded
    others = [path for path in paths or [] if path not in recorded]
    if others:
        recordings += [clip for data in select_sets(others, label, split, flags) for clip in data]
    tell_events(recorded)
    settings = _settings(recorded, config, set_)
    named_model(model)
    console = Console(stderr=True)
    try:
        with shown(console) as listener:
            made = calibrating.calibrate(
                model, recordings, budget, out=out, config=settings, extrapolate=extrapolate, uncertified=uncertified,
                progress=lambda what, done, total: listener(Progress(f"{what}, s", int(done), max(int(total), 1))),
            )  # fmt: skip
    except TooShortError as error:
        sys.stderr.write(
            f"dyadwatch: {error}; nothing was written. Record more, or allow more: these hours vouch for "
            f"{most_vouched(error.hours)} at best. --extrapolate estimates, --uncertified vouches for nothing\n"
        )
        sys.exit(1)
    for note in made.normal.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    if plot is not None:
        picture = calibration_plot(made.choice, budget, f"Calibration of {Path(model).stem}")
        write_atomically(plot, picture.encode())
    if json:
        values = msgspec.to_builtins(made.calibration)
        sys.stdout.write(json_module.dumps({"file": str(made.file), **values}) + "\n")
    else:
        show(made, budget, Console())


def _settings(recorded: list[Path], config: Path | None, options: tuple[str, ...]) -> Config | None:
    """How to watch; None leaves it to the recordings."""
    if config is None and not options:
        return None
    if config is None and recorded:
        return set_option(config_of(r.about for r in Playback(recorded).recordings), *options)
    return configure(config, options, None)


def most_vouched(hours: float) -> str:
    """The smallest budget that so many hours without an event vouch for."""
    rate = 3.0 / max(hours, 1e-3)
    for unit, length in (("week", 168.0), ("day", 24.0)):
        if rate * length < 20:
            return f"{rate * length + 0.05:.1f}/{unit}"
    return f"{rate + 0.05:.1f}/hour"


def show(made: SiteCalibration, budget: str, console: Console) -> None:
    """The final table."""
    choice, normal = made.choice, made.normal
    sources = ", ".join(f"{name} {hours:.2f} h" for name, hours in normal.sources.items())
    rows = [
        ("watched", f"{choice.hours:.2f} h: {sources}"),
        ("scored", f"{counted(len(normal.log), 'window')} of {counted(len(normal.log.tracks), 'pair')}"),
        ("alarm raised by", " or ".join(map(str, choice.rules))),
        ("events left", f"{choice.events}, at most {choice.bound:.3g} an hour (95 % sure)"),
        ("budget", f"{budget}: {verdict(choice)}"),
    ]
    if choice.strongest:
        rows.append(("nearest to an alarm", _strongest(made)))
    table = Table("what", "value", title=Text(f"calibration {made.file}"), title_justify="left")
    for what, value in rows:
        table.add_row(what, Text(value))
    console.print(table)


def verdict(choice: Choice) -> str:
    """Whether the budget is vouched for."""
    if choice.tail is not None:
        return f"an extrapolation, by the tail of {choice.tail.peaks} peaks; certified by nothing"
    return "certified" if choice.certified else "not certified, the hours are too few"


def _strongest(made: SiteCalibration) -> str:
    log = made.normal.log
    lines: list[str] = []
    for number, evidence in made.choice.strongest:
        track = log.tracks[int(log.track[number])]
        when = clock_moment(int(log.stamps[number]), track.clock)
        lines.append(f"{when} {track.source} {track.pair[0]} and {track.pair[1]}: {evidence:.2f} of an alarm")
    return "\n".join(lines)
