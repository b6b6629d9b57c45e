"""`dyadwatch enrol`: a new normal from a few clips, without training."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.rules import Rule
from dyadwatch.core.decision.thresholds import rules_of
from dyadwatch.core.enrolment.enrol import Enrolled
from dyadwatch.core.enrolment.normal_clips import MOST_CLIPS, Normal
from dyadwatch.core.errors import ClipError, LayoutError
from dyadwatch.core.model_file.artefact import read_sealed
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.words import of_clip
from dyadwatch.enrolling import check_enrolled_out
from dyadwatch.enrolling import enrol as enrol_clips
from dyadwatch.model_files import named_model
from dyadwatch.tools.files import NO_FPS_FLAGS, FileFlags, FpsFileFlags, select_sets

_Several = Parameter(negative=())
_MOST_NAMED = 20  # skipped clips
_BLIND = 1.0  # a threshold higher by so much lets ten times rarer windows pass


def enrol(
    base: Path,
    paths: Annotated[list[Path] | None, _Several] = None,
    /,
    *,
    out: Path,
    label: Annotated[tuple[str, ...], _Several] = (),
    split: Annotated[tuple[str, ...], _Several] = (),
    clip: Annotated[tuple[str, ...], _Several] = (),
    take: int | None = None,
    flags: FpsFileFlags = NO_FPS_FLAGS,
    keep: Annotated[bool, _Several] = False,
    name: str | None = None,
) -> None:
    """Make a model whose normal is what 1 to 20 clips show, in seconds, without training.

    What the base model has learnt of people stays; what it finds normal is exchanged for the clips. Writes OUT.onnx and
    its thresholds OUT.calibration.yaml. A clip that cannot be used is skipped and named.

    Parameters
    ----------
    base
        A model file that `dyadwatch train` wrote, or `shipped` for the one that comes with dyadwatch.
    paths
        Pose files and folders of any format that `publish file` reads, see `dyadwatch docs sources`.
    out
        The model file to write, ending in .onnx.
    label
        Only clips of this label; may be repeated.
    split
        Only clips of this split; may be repeated.
    clip
        Only the clip of this id; may be repeated.
    take
        Use so many of the clips, evenly spread over all that can be used; at most 20.
    keep
        What the base finds normal stays normal as well.
    name
        What the model calls itself; the name of the file if not given.
    """
    began = time.monotonic()
    base = named_model(base)
    check_enrolled_out(base, out, "--out")
    words = Console(stderr=True)
    with words.status("reading the base model") as status:
        layout = read_sealed(base.read_bytes(), f"model {base}").skeleton
        status.update("reading clips")
        chosen = _choose(paths or [], label, split, clip, flags, layout)
        made = enrol_clips(base, chosen, out, take=take, keep=keep, name=name, progress=status.update)
    normal, enrolled, least = made.normal, made.enrolled, made.least
    for which, why in normal.skipped[:_MOST_NAMED]:
        words.print(f"skipped {which}: {of_clip(why)}", highlight=False)
    if len(normal.skipped) > _MOST_NAMED:
        words.print(f"skipped {len(normal.skipped) - _MOST_NAMED} more", highlight=False)
    _show(enrolled, normal, out, keep, time.monotonic() - began)
    risen = _risen(least, rules_of(enrolled.calibration["rules"]))
    if risen is not None:
        words.print(
            f"the level of {risen[0].part} had to rise from {risen[0].raise_at:g} to {risen[1].raise_at:g}: these "
            "clips differ more from each other than what the base model finds normal, and the new one misses much; "
            "train on both instead",
            highlight=False,
        )


def _choose(
    paths: Sequence[Path],
    labels: Sequence[str],
    splits: Sequence[str],
    ids: Sequence[str],
    flags: FileFlags,
    layout: Layout,
) -> list[tuple[str, Clip]]:
    """The wanted clips, each with its file and id.

    Raises:
        ClipError: a file is unusable, or nothing is wanted; the message lists what there is.
        LayoutError: joints of a file do not map; names the file and every missing joint.
    """
    if not paths:
        raise ClipError(f"no clips given; expected 1 to {MOST_CLIPS} clips of a new normal")
    chosen: list[tuple[str, Clip]] = []
    for clips in select_sets(paths, labels, splits, flags):
        try:
            JointMap.between(clips.layout, layout)
        except LayoutError as error:
            raise LayoutError(f"{clips.name or 'clips'}: {error}") from None
        chosen += [(f"{clips.name or 'clips'}: {c.clip_id or f'clip {i}'}", c) for i, c in enumerate(clips)]
    unknown = [i for i in ids if all(c.clip_id != i for _, c in chosen)]
    if unknown:
        raise ClipError(f"no clip has the id {', '.join(unknown)}; there are {_listed(c.clip_id for _, c in chosen)}")
    return [(name, c) for name, c in chosen if not ids or c.clip_id in ids]


def _risen(before: Sequence[Rule], after: Sequence[Rule]) -> tuple[Rule, Rule] | None:
    """The rule whose level had to rise most, so far that much is missed, as it was and is; None where none had to."""
    known = {(rule.part, rule.over_s): rule for rule in before}
    both = [(known[key], rule) for rule in after if (key := (rule.part, rule.over_s)) in known]
    most = max(both, key=lambda pair: pair[1].raise_at - pair[0].raise_at, default=None)
    return most if most is not None and most[1].raise_at > most[0].raise_at + _BLIND else None


def _listed(names: Iterable[str]) -> str:
    text = ", ".join(sorted(set(names)))
    return text if len(text) <= 400 else text[:400] + ", ..."


def _show(enrolled: Enrolled, normal: Normal, out: Path, keep: bool, took: float) -> None:
    table = Table("what", "value", title=f"model {out}", title_justify="left")
    evidence = enrolled.calibration["evidence"]
    table.add_row("clips used / skipped", f"{normal.clips} / {len(normal.skipped)}")
    if normal.left:
        table.add_row("  usable, not taken", str(normal.left))
    table.add_row("windows of the clips", str(evidence["real_windows"]))
    table.add_row("compares with", f"{enrolled.support} windows" + (", those of the base among them" if keep else ""))
    table.add_row(
        "alarm raised by",
        " or ".join(map(str, rules_of(enrolled.calibration["rules"]))),
    )
    table.add_row("  from", enrolled.info.training["enrolled"]["calibrated_by"])
    for part, share in enrolled.info.training["enrolled"]["believed"].items():
        table.add_row(f"  {part} of the base", f"believed {share:.0%}")
    if normal.units > 1:
        table.add_row("  least like the others", enrolled.oddest)
    table.add_row("  false alarms", f"at most {evidence['events_per_hour_95']:.0f} an hour is all that so little shows")
    table.add_row("size", f"{out.stat().st_size / 1e6:.2f} MB")
    table.add_row("time", f"{took:.1f} s")
    Console().print(table)
