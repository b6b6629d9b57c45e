"""`dyadwatch check`: what a source or a file looks like, and what to change about it, without a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from dyadwatch.core.errors import ConfigError, UnknownFormatError, WireError
from dyadwatch.core.readers.formats import read_people
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.core.words import counted
from dyadwatch.loading import configure
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.health.source_check import CheckListener
from dyadwatch.stream.health.source_verdict import SourceCheck, SourceVerdict
from dyadwatch.stream.publishers.clip_player import clip_frames
from dyadwatch.stream.recordings.playback import Playback, is_recording
from dyadwatch.stream.recordings.refused import decode_received
from dyadwatch.stream.recordings.write_queue import ReceivedMessage
from dyadwatch.tools.files import NO_FPS_FLAGS, FpsFileFlags, select_sets
from dyadwatch.tools.security_flags import security_options
from dyadwatch.tools.sending import stoppable

_MOST_ROWS = 20  # of files in which all is well


def check(
    what: Annotated[list[str] | None, Parameter(negative=())] = None,
    /,
    *,
    seconds: float = 10.0,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    flags: FpsFileFlags = NO_FPS_FLAGS,
    keys: Path | None = None,
    insecure: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Say what a source or a file looks like: people, rate, height, who stands, and what to change. Needs no model.

    Exits with 0 where all is well, and with 1 where something was found, or nothing came.

    Parameters
    ----------
    what
        An address to listen at for publishers, as the detector would, such as tcp://127.0.0.1:5570; or pose files,
        folders and recordings. By default wire.bind of the configuration.
    seconds
        How long to listen.
    config
        Configuration file; without one the commented default is used.
    set_
        One configuration key, such as --set sense.ignore=[odd_size]; may be repeated.
    keys
        Folder that `dyadwatch keys` made: publishers then need a key. See `dyadwatch docs security`.
    insecure
        Listen where other machines can reach it although nobody is asked for a key.
    json
        Print a JSON object for every source, one a line.
    """
    addresses = [text for text in what or () if "://" in text]
    if what and addresses and len(what) > 1:
        raise ConfigError(f"{' '.join(what):.200}: expected one address to listen at, or files and folders")
    if not seconds > 0:
        raise ConfigError(f"--seconds is {seconds:g}; expected more than 0")
    options = [f"wire.bind={addresses[0]}"] if addresses else []
    settings = configure(config, (*set_, *options, *security_options(keys, insecure)), None)
    live = not what or bool(addresses)
    verdicts = _listened(settings, seconds) if live else list(_read([Path(p) for p in what or ()], flags, settings))
    if json:
        for verdict in verdicts:
            sys.stdout.buffer.write(msgspec.json.encode(verdict) + b"\n")
        sys.stdout.flush()
    else:
        _show(verdicts, "source" if live else "clip", floor=live or any(is_recording(Path(p)) for p in what or ()))
    if not verdicts or any(verdict.remarks for verdict in verdicts):
        sys.exit(1)


def _listened(settings: Config, seconds: float) -> list[SourceVerdict]:
    listener = CheckListener(settings)
    sys.stderr.write(f"listening on {listener.address} for {seconds:g} s\n")
    sys.stderr.flush()
    with stoppable() as stop:
        verdicts = listener.run(seconds, stop)
    if not verdicts:
        sys.stderr.write(
            f"nothing came to {listener.address} in {seconds:g} s: does a publisher run, and connect to this address?\n"
        )
    return verdicts


def _read(paths: Sequence[Path], flags: FpsFileFlags, settings: Config) -> Iterator[SourceVerdict]:
    recordings = [path for path in paths if is_recording(path)]
    if recordings:
        checks: dict[str, SourceCheck] = {}
        for entry in Playback(recordings):
            if isinstance(entry, ReceivedMessage):
                try:
                    frame = decode_received(entry, settings.wire)
                except WireError:
                    continue
                checks.setdefault(frame.source, SourceCheck(frame.source, settings)).push(frame)
        yield from (check.verdict() for check in checks.values())
    rest = [path for path in paths if path not in recordings]
    if len(rest) == 1 and rest[0].is_file():
        try:
            frames = _of_people(rest[0], flags)
        except UnknownFormatError:  # one of the data sets, or nothing at all
            frames = None
        if frames is not None:
            yield _judged(rest[0].name, frames, settings)
            return
    for data in select_sets(rest, flags=flags, doubtful=True) if rest else ():
        for i, clip in enumerate(data):
            frames = (replace(frame, ids=("person 0", "person 1")) for frame in clip_frames([clip]))
            yield _judged(clip.clip_id or f"{data.name} {i}", frames, settings)


def _judged(name: str, frames: Iterator[PoseFrame], settings: Config) -> SourceVerdict:
    check = SourceCheck(name, settings)
    for frame in frames:
        check.push(frame)
    return check.verdict()


def _of_people(path: Path, flags: FpsFileFlags) -> Iterator[PoseFrame]:
    """Frames of all people of one file, of those with the joints of the first; it may be one alone."""
    _, people = read_people(path, flags.declared)
    first = people[0]
    alike = [p for p in people if p.layout.joints == first.layout.joints]
    joints = np.full((max(len(p.joints) for p in alike), len(alike), len(first.layout), 3), np.nan, np.float32)
    for i, person in enumerate(alike):
        joints[: len(person.joints), i] = person.joints
    ids = tuple(p.name or f"person {i}" for i, p in enumerate(alike))
    ids = ids if len(set(ids)) == len(ids) else tuple(range(len(ids)))

    def frames() -> Iterator[PoseFrame]:
        for k, now in enumerate(joints):
            stamp, seen = round(k * NS / first.fps), np.asarray(np.isfinite(now).all(axis=-1), np.float32)
            yield PoseFrame(path.stem, 0, k, stamp, "media", first.layout, now, seen, ids)

    return frames()


def _show(verdicts: Sequence[SourceVerdict], kind: str, *, floor: bool) -> None:
    console = Console()
    fine = [v for v in verdicts if not v.remarks]
    shown = [v for v in verdicts if v.remarks] + (fine if len(fine) <= _MOST_ROWS else [])
    if shown:
        table = Table(
            Column(kind, overflow="fold"), "people", "fps", "height m", "upright", "bones", "moves", "verdict"
        )
        for verdict in shown:
            table.add_row(*map(escape, _row(verdict)))
        console.print(table)
    if len(fine) > _MOST_ROWS:
        console.print(f"{counted(len(fine), kind)} of {len(verdicts)} are fine")
    for verdict in shown if floor else ():
        if verdict.floor_m is not None:
            x0, x1, z0, z1 = verdict.floor_m
            where = f"people between x {x0:.1f} and {x1:.1f}, z {z0:.1f} and {z1:.1f} m on the floor"
            console.print(escape(f"{verdict.source}: {where}"), soft_wrap=True, highlight=False)
    said: dict[str, list[str]] = {}
    for verdict in shown:
        for remark in verdict.remarks:
            said.setdefault(f"{'BLIND' if remark.blinding else 'DOUBT'} {remark.text}", []).append(verdict.source)
    for text, names in said.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        console.print(escape(f"{names[0]}{more}: {text}"), soft_wrap=True, highlight=False)


def _row(verdict: SourceVerdict) -> tuple[str, ...]:
    low, high = verdict.height_m or (0.0, 0.0)
    tall = "?" if verdict.height_m is None else f"{low:.2f}" if high - low < 0.05 else f"{low:.2f}-{high:.2f}"
    told = ", ".join(r.code.replace("_", " ") for r in verdict.remarks) or "fine"
    upright = f"{verdict.upright} of {verdict.of}" if verdict.of else "?"
    codes = {r.code for r in verdict.remarks}
    bones = "?" if verdict.height_m is None else "odd" if codes & {"joints_misnamed", "odd_limbs"} else "fine"
    moves = "frozen" if "frozen" in codes else "yes" if verdict.frames else "?"
    return (verdict.source, str(verdict.people), f"{verdict.fps:g}", tall, upright, bones, moves, told)
