"""Protocols of `core.evaluation` on data sets: one, or all that a folder has data for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dyadwatch.core.enrolment.enrol import Base
from dyadwatch.core.errors import ClipError, DyadwatchError, LayoutError
from dyadwatch.core.evaluation.ablation import variants_of
from dyadwatch.core.evaluation.cache import ResultCache
from dyadwatch.core.evaluation.event_material import normal_training_clips
from dyadwatch.core.evaluation.jobs import Done, Plan, count_kept, run_plans
from dyadwatch.core.evaluation.markdown import as_markdown
from dyadwatch.core.evaluation.protocols import PROTOCOLS, able
from dyadwatch.core.evaluation.results_table import as_document
from dyadwatch.core.evaluation.scored_clips import folds_of
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.evaluation.summary import summary
from dyadwatch.core.model_file.artefact import read_sealed
from dyadwatch.core.readers.dataset import Dataset
from dyadwatch.core.readers.read import read_dataset
from dyadwatch.evaluation_request import LIVE, QUICK_SECONDS, Report, Request, chosen_settings

_ABLATED = ("one-class", "broken-pairs")
_WHOLE = ("clips.npz", "skeletons")  # a folder that has one of these is a data set itself


@dataclass(frozen=True)
class ProtocolPart:
    """One protocol on one data set."""

    data: Dataset
    protocol: str
    ablation: bool
    settings: Settings
    plan: Plan

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.data.name}: {self.protocol}" + (", ablation" if self.ablation else "")


def run_one(request: Request) -> Report:
    """Any protocol of `core.evaluation`.

    Raises:
        DyadwatchError: when the data set cannot serve, or something is wanted that it has not.
    """
    if request.ablation and request.protocol == "few-shot":
        raise DyadwatchError("--ablation with --protocol few-shot: expected one of the other protocols")
    part = _part(request, _data(request), request.protocol, request.ablation)
    (done,) = _run([part], request)
    text = as_markdown(part.plan, done, _about(part, request), ablation=part.ablation)
    return Report(text, _document(part, done, request))


def _data(request: Request) -> Dataset:
    return request.data if isinstance(request.data, Dataset) else read_dataset(request.data, request.declared)


def run_all(request: Request) -> Report:
    """Every protocol that each data set can do, and the ablations, after a summary.

    Raises:
        DyadwatchError: when there is no data set that can serve, or an option is given that is for one protocol.
    """
    single = [f"--{k}" for k, name in (("fold", "folds"), ("category", "categories"), ("method", "methods"))
              if request.settings.get(name)]  # fmt: skip
    if single or request.ablation:
        given = ", ".join([*single, *(["--ablation"] if request.ablation else [])])
        raise DyadwatchError(f"{given} with --protocol all: expected one of the other protocols; all has the ablations")
    parts = [
        part
        for data in data_sets(request)
        for ablation in (False, True)
        for protocol in able(data)
        if (not ablation or protocol in _ABLATED)
        for part in _planned(request, data, protocol, ablation)
    ]
    if not parts:
        raise ClipError(f"{request.data.name}: no protocol could be planned")
    done = _run(parts, request)
    both = list(zip(parts, done, strict=True))
    head = summary([(p.data.name, p.protocol, d) for p, d in both if not p.ablation])
    if request.quick:
        head.insert(2, "A quick run: one fold, one seed, fewer steps; no measure of the model.  ")
    sections = [as_markdown(p.plan, d, _about(p, request), title=p.title, ablation=p.ablation) for p, d in both]
    document = {"protocol": "all", "quick": request.quick, "parts": [_document(p, d, request) for p, d in both]}
    return Report("\n".join(["\n".join(head), *sections]), document)


def data_sets(request: Request) -> list[Dataset]:
    """The data sets in a folder's sub-folders that some protocol can be run on, or the folder itself.

    Raises:
        ClipError: when there is none.
    """
    folder = request.data
    if isinstance(folder, Dataset):
        return [_able(folder, Path(folder.name))]
    found: list[Dataset] = []
    left_out: list[str] = []
    if folder.is_dir() and not any((folder / name).exists() for name in _WHOLE):
        for path in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
            try:
                data = _usable(path, request)
            except DyadwatchError as error:
                left_out.append(f"left out {path.name}: {error}")
            else:
                found.append(data)
    if not found:
        return [_usable(folder, request)]
    for text in left_out:
        request.tell(text)
    return found


def _usable(path: Path, request: Request) -> Dataset:
    return _able(read_dataset(path, request.declared), path)


def _able(data: Dataset, path: Path) -> Dataset:
    if not able(data):
        splits, labels = (sorted({getattr(c, k) for c in data}) for k in ("split", "label"))
        raise ClipError(
            f"{path}: no protocol fits splits {splits!r:.200} and labels {labels!r:.200}; expected a train and a test "
            "split, or two or more folds of two or more categories"
        )
    return data if data.name else replace(data, name=path.name)


def _part(request: Request, data: Dataset, protocol: str, ablation: bool) -> ProtocolPart:
    folds = [f.name for f in folds_of(data)] if request.quick or ablation else []
    wanted = request.settings.get("folds", ())
    train = normal_training_clips(data, folds_of(data, wanted)[0]) if protocol in LIVE else ()
    settings = Settings(
        **chosen_settings(request.settings, protocol, quick=request.quick, ablation=ablation, folds=folds, train=train)
    )
    if ablation:
        if request.quick and protocol == "broken-pairs":
            data = fewer_training_clips(data, QUICK_SECONDS)
        variants = variants_of(protocol, quick=request.quick)
        settings = replace(settings, variants=variants, methods=settings.methods or tuple(variants))
    if request.base is not None:
        return _on_base(request.base, data, settings, request.settings)
    return ProtocolPart(data, protocol, ablation, settings, PROTOCOLS[protocol](data, settings))


def _on_base(path: Path, data: Dataset, settings: Settings, given: Mapping[str, Any]) -> ProtocolPart:
    """Clips enrolled on a model file, in its windows.

    Raises:
        DyadwatchError: the model cannot be enrolled on, or an option is given that the model decides.
    """
    from dyadwatch.core.evaluation.few_shot_base import plan_few_shot_on
    from dyadwatch.exporters.engine import run_model

    decided = [f"--{key.replace('_', '-')}" for key in ("layout", "fps", "window_s") if key in given]
    if decided:
        raise DyadwatchError(f"{', '.join(decided)} with --base: windows are those of the model; leave it out")
    model = path.read_bytes()
    info = read_sealed(model, f"model {path}")
    settings = replace(settings, layout=info.layout, fps=info.fps, window_s=info.frames / info.fps)
    base = Base.of_model(model, info, f"model {path}")
    return ProtocolPart(data, "few-shot", False, settings, plan_few_shot_on(data, settings, base, model, run_model))


def fewer_training_clips(data: Dataset, seconds: float) -> Dataset:
    """All clips but those of the training split; of them every n-th, so that about so many seconds are left."""
    length = [len(c) / c.fps if c.split == "train" else 0.0 for c in data]
    every = max(1, int(sum(length) / seconds))
    train = [i for i, s in enumerate(length) if s]
    kept = set(train[::every])
    return replace(data, clips=tuple(c for i, c in enumerate(data) if i in kept or not length[i]))


def _planned(request: Request, data: Dataset, protocol: str, ablation: bool) -> list[ProtocolPart]:
    """The part, or none with a word why."""
    try:
        return [_part(request, data, protocol, ablation)]
    except (ClipError, LayoutError) as error:
        request.tell(f"left out {protocol} on {data.name}: {error}")
        return []


def _run(parts: Sequence[ProtocolPart], request: Request) -> list[list[Done]]:
    names = [p.title if len(parts) > 1 else "" for p in parts]
    plans, cache = [p.plan for p in parts], ResultCache(request.cache)
    try:
        with request.progress() as tell:
            done = run_plans(list(zip(names, plans, strict=True)), cache, tell)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_stopped(plans, cache)) from None
    every = [d for part in done for d in part]
    kept = sum(d.cached for d in every)
    request.tell(f"{len(every)} jobs, {kept} of them from the cache; {sum(d.seconds for d in every):.0f} s of work")
    return done


def _stopped(plans: Sequence[Plan], cache: ResultCache) -> str:
    """What a run that somebody stopped leaves."""
    total = sum(len(plan.jobs) for plan in plans)
    kept = count_kept(plans, cache)
    if not kept:
        return "stopped; nothing was kept"
    verb = "is" if kept == 1 else "are"
    return f"stopped; {kept} of {total} results {verb} kept in {cache.folder}, the same command goes on from there"


def _about(part: ProtocolPart, request: Request) -> list[str]:
    data, settings = part.data, part.settings
    facts = ", ".join(f"{v} {k}" for k, v in part.plan.facts.items() if isinstance(v, int))
    skipped = f", such as {data.skipped[0].name}: {data.skipped[0].reason}" if data.skipped else ""
    about = [
        f"Data: {data.name or request.data.name} ({data.kind}), {len(data)} clips, {len(data.skipped)} skipped"
        f"{skipped}; {facts}.",
        f"Seeds of training: {settings.seeds}. Intervals: {settings.bootstrap} resamplings of the test clips."
        + (" A quick run: one fold, one seed, fewer steps." if request.quick else ""),
    ]
    if part.ablation:
        options = settings.train_options(0)
        epochs = {v.get("epochs", options.epochs) for v in settings.variants.values() if v.get("recipe") == "paper"}
        about.append(
            f"Every variant learns {options.steps} steps where it has an encoder to train"
            + "".join(f"; the paper recipe {n} epochs" for n in epochs)
            + (f"; tested on {' and '.join(settings.folds)}" if settings.folds and not request.quick else "")
            + f". The row {next(iter(settings.variants))} is the default recipe, with the same."
        )
    return about


def _document(part: ProtocolPart, done: Sequence[Done], request: Request) -> dict[str, Any]:
    data, settings = part.data, part.settings
    return as_document(part.plan, done, {
        "data": {"name": data.name, "kind": data.kind, "clips": len(data),
                 "skipped": {s.name: s.reason for s in data.skipped}},
        "settings": settings.identity() | {"seeds": settings.seeds, "train": dict(settings.train)},
        "quick": request.quick,
        "ablation": {k: dict(v) for k, v in settings.variants.items()},
        "from_cache": sum(d.cached for d in done),
    })  # fmt: skip
