"""From a model and a few clips to a model whose normal is what they show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.decision.calibration_file import (
    Calibration,
    calibration_path,
    check_belongs,
    read_calibration,
    write_calibration,
)
from dyadwatch.core.decision.rules import Rule
from dyadwatch.core.enrolment.enrol import Base, Enrolled, Extent
from dyadwatch.core.enrolment.enrol import enrol as enrol_clips
from dyadwatch.core.enrolment.normal_clips import Normal, take_clips
from dyadwatch.core.errors import ArtefactError, ClipError
from dyadwatch.core.model_file.artefact import file_sha256, read_sealed, seal, write_atomically
from dyadwatch.model_files import check_out, named_model

MOST_HEARD = 200  # clips of at most eight seconds
# Windows of them that a model compares with, and that its maps and levels are fitted to: all that 150 handovers have at
# 0.2 s. With 1024 and 600, recall was 0.02 to 0.08 lower at as many false events.
_HEARD_SUPPORT, _HEARD_JUDGED = 4096, 6000


@dataclass(frozen=True)
class EnrolledModel:
    """A model whose normal is what a few clips show.

    Arguments:
        model: the model file; its thresholds lie beside it, in `.calibration.yaml`.
        normal: which clips were used, and which were skipped and why.
        enrolled: what it compares with, and its thresholds.
        least: what raises alarms of the base where its normal was kept, else nothing.
    """

    model: Path
    normal: Normal
    enrolled: Enrolled
    least: tuple[Rule, ...]


def enrol(
    base: str | Path,
    clips: Sequence[Clip | tuple[str, Clip]],
    out: str | Path,
    *,
    take: int | None = None,
    keep: bool = False,
    name: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> EnrolledModel:
    """Makes a model whose normal is what 1 to 20 clips show, in seconds, without training and without torch.

    Arguments:
        base: a model file that `train` wrote, or `shipped`.
        clips: of the new normal, joints in metres; each may come with a name for messages, as (name, clip).
        out: the model file to write, ending in .onnx; its thresholds are written beside it.
        take: use so many of the clips, 1 to 20, evenly spread over all that can be used; None is all of them.
        keep: what the base finds normal stays normal as well.
        name: what the model calls itself; None is the name of the file.
        progress: called with a few words before each step.

    Raises:
        ArtefactError: the base cannot be enrolled on, or nothing can be written to `out`.
        CalibrationError: with `keep`, the thresholds beside the base are those of another model.
        ClipError: there are no or too many clips, or none can be used; names each with the reason.
        LayoutError: joints do not map onto the model's layout; names the missing ones.
        MissingExtraError: no ONNX Runtime is installed.
    """
    out = Path(out)
    base = named_model(base)
    check_enrolled_out(base, out)
    listen = progress or _silent
    listen("reading the base model")
    data = base.read_bytes()
    info = read_sealed(data, f"model {base}")
    listen("reading clips")
    normal = take_clips([_named(i, clip) for i, clip in enumerate(clips)], info, take)
    listen(f"enrolling {normal.clips} clips")
    least = _rules(base) if keep else ()
    of_base = Base.of_model(data, info, f"model {base}")
    return _written(of_base, normal, out, name or out.stem, listen, keep=keep, least=least)


def enrol_heard(
    base: Path, clips: Sequence[Clip], out: Path, *, name: str, may_exceed: int | None = None
) -> EnrolledModel:
    """The same with what a site heard: up to `MOST_HEARD` clips, and as much of them as a model can hold.

    Arguments:
        base: a model file.
        clips: that were heard.
        out: the model file to write.
        name: what the model calls itself.
        may_exceed: clips whose evidence the levels may lie below.

    Raises:
        ArtefactError, ClipError, LayoutError: as of `enrol`.
    """
    data = base.read_bytes()
    info = read_sealed(data, f"model {base}")
    normal = take_clips([_named(i, clip) for i, clip in enumerate(clips)], info, most=MOST_HEARD)
    extent = Extent(_HEARD_SUPPORT, _HEARD_JUDGED, may_exceed)
    return _written(Base.of_model(data, info, f"model {base}"), normal, out, name, _silent, extent=extent)


def _written(
    base: Base,
    normal: Normal,
    out: Path,
    name: str,
    listen: Callable[[str], None],
    *,
    keep: bool = False,
    least: tuple[Rule, ...] = (),
    extent: Extent | None = None,
) -> EnrolledModel:
    """Enrols clips and writes the model and its thresholds."""
    from dyadwatch.exporters.engine import check_steady, run_model

    enrolled = enrol_clips(base, normal, run_model, keep=keep, least=least, extent=extent)
    listen("checking that scores are steady")
    parity = check_steady(enrolled.model, f"model {out}") | {"base": base.info.parity}
    described = msgspec.structs.replace(enrolled.info, name=name, version="1", parity=parity)
    write_atomically(out, seal(enrolled.model, described))
    write_calibration(calibration_path(out), Calibration.of(file_sha256(out), enrolled.calibration))
    return EnrolledModel(out, normal, enrolled, least)


def check_enrolled_out(base: Path, out: Path, argument: str = "out") -> None:
    """Before anything is read.

    Arguments:
        argument: what errors call `out`.

    Raises:
        ArtefactError: when no model enrolled on `base` can be written to `out`.
    """
    check_out(out, argument, ArtefactError)
    if out.exists() and out.samefile(base):
        raise ArtefactError(f"{argument} is {out}, the base model itself; give the new model another name")


def _named(i: int, clip: Clip | tuple[str, Clip]) -> tuple[str, Clip]:
    if isinstance(clip, Clip):
        return clip.clip_id or f"clip {i}", clip
    if not (isinstance(clip, tuple) and len(clip) == 2 and isinstance(clip[1], Clip)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ClipError(f"clips[{i}] is {clip!r:.60}; expected a Clip, or a name and a Clip")
    return clip


def _silent(_: str) -> None:
    """Reports nothing."""


def _rules(base: Path) -> tuple[Rule, ...]:
    """What raises alarms of the base model; nothing where no calibration lies beside it.

    Raises:
        CalibrationError: when there is one, but not of this model.
    """
    path = calibration_path(base)
    if not path.exists():
        return ()
    calibration = read_calibration(path)
    check_belongs(calibration, base)
    return calibration.thresholds.rules
