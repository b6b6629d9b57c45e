"""A stopped evaluation goes on where it was; results are kept by what they were made from."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import dyadwatch.core
from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.errors import TrainingError
from dyadwatch.core.evaluation.cache import (
    ResultCache,
    code_digest,
    data_digest,
    default_cache,
    meaning,
    module_code,
    modules_of,
)
from dyadwatch.core.evaluation.figures import Figure, Result
from dyadwatch.core.evaluation.jobs import Job, Plan, Status, count_kept, identity, run_plans
from dyadwatch.core.evaluation.protocols import PROTOCOLS
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.training.options import Progress

CODE = "dyadwatch.core.scoring.auroc"


class StoppedError(Exception):
    """Somebody pressed Ctrl-C."""


def jobs_of(ran: list[str], stop_at: str = "") -> list[Job]:
    def run(name: str) -> Callable:
        def job(listen: object) -> Result:
            if name == stop_at:
                raise StoppedError
            ran.append(name)
            return Result([Figure(Row(name), "AUROC", 0, 0.75, (0.7, 0.8))], {"said": name})

        return job

    return [Job(n, "", "fold1", 0, {"option": 1}, CODE, run(n)) for n in ("a", "b", "c")]


def plan(jobs: list[Job], digest: str = "data") -> Plan:
    return Plan("one-class", digest, jobs)


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    ran: list[str] = []
    with pytest.raises(StoppedError):
        run_plans([("", plan(jobs_of(ran, stop_at="c")))], ResultCache(tmp_path), lambda s: None)[0]
    assert ran == ["a", "b"]
    done = run_plans([("", plan(jobs_of(ran)))], ResultCache(tmp_path), lambda s: None)[0]
    assert ran == ["a", "b", "c"]
    assert [d.cached for d in done] == [True, True, False]
    assert done[0].figures == [Figure(Row("a"), "AUROC", 0, 0.75, (0.7, 0.8))]
    assert done[0].remarks == {"said": "a"}


def test_without_a_folder_nothing_is_kept() -> None:
    ran: list[str] = []
    for _ in range(2):
        run_plans([("", plan(jobs_of(ran)))], ResultCache(None), lambda s: None)[0]
    assert len(ran) == 6


@pytest.mark.parametrize("change", ["digest", "seed", "fold", "category", "method", "made_from", "code"])
def test_anything_that_matters_makes_it_anew(tmp_path: Path, change: str) -> None:
    ran: list[str] = []
    job = jobs_of(ran)[0]
    run_plans([("", plan([job]))], ResultCache(tmp_path), lambda s: None)[0]
    other = {"seed": 1, "fold": "fold2", "category": "x", "method": "z", "made_from": {"option": 2},
             "code": "dyadwatch.core.features.pair_statistics"}  # fmt: skip
    changed = job if change == "digest" else replace(job, **{change: other[change]})
    run_plans(
        [("", plan([changed], "other" if change == "digest" else "data"))], ResultCache(tmp_path), lambda s: None
    )[0]
    assert ran == ["a", "a"]


def test_options_that_are_tuples_are_found_again(tmp_path: Path) -> None:
    ran: list[str] = []
    job = replace(jobs_of(ran)[0], made_from={"train": {"without": ("flow",), "layout": None}})
    for _ in range(2):
        run_plans([("", plan([job]))], ResultCache(tmp_path), lambda s: None)[0]
    assert ran == ["a"]


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    ran: list[str] = []
    job = jobs_of(ran)[0]
    for content in ("", "{", "[]", '{"made_from": 1}'):
        run_plans([("", plan([job]))], ResultCache(tmp_path), lambda s: None)[0]
        (file,) = tmp_path.rglob("*.json")
        file.write_text(content)
    assert ran == ["a"] * 4
    assert ResultCache(tmp_path).get(identity(plan([job]), job)) is None


def test_a_training_that_gives_up_is_told_and_not_fatal(tmp_path: Path) -> None:
    def gives_up(listen: object) -> Result:
        raise TrainingError("collapsed in epoch 7")

    ran: list[str] = []
    jobs = [Job("bad", "", "fold1", 0, {}, CODE, gives_up), *jobs_of(ran)]
    for _ in range(2):
        done = run_plans([("", plan(jobs))], ResultCache(tmp_path), lambda s: None)[0]
        assert (done[0].error, done[0].figures) == ("collapsed in epoch 7", [])
    assert ran == ["a", "b", "c"]


def test_progress_names_the_job_and_the_time_left() -> None:
    told: list[Status] = []
    run_plans([("", plan(jobs_of([])))], ResultCache(None), told.append)[0]
    assert [(s.done, s.total, s.job) for s in told] == [
        (0, 3, "a, fold1, seed 0"), (1, 3, "b, fold1, seed 0"), (2, 3, "c, fold1, seed 0"), (3, 3, "")
    ]  # fmt: skip
    assert [s.left_s for s in told] == [None, None, None, 0]  # each is a method of its own


def test_several_plans_share_the_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def takes(seconds: float) -> Callable:
        def job(listen: Callable) -> Result:
            nonlocal now
            listen(Progress("encoder", 1, 2))
            now += seconds
            return Result([])

        return job

    monkeypatch.setattr("dyadwatch.core.evaluation.jobs.time.monotonic", lambda: now)
    first = Plan(
        "one-class", "x", [Job(m, "", f, 0, {}, CODE, takes(t)) for f in "12" for m, t in (("a", 1), ("b", 5))]
    )
    recipes = [("c", 60, "default"), ("d", 80, "default"), ("e", 90, "paper"), ("f", 95, "default")]
    second = Plan(
        "few-shot", "y", [Job(m, "", "1", 0, {"train": {"recipe": r}}, CODE, takes(t)) for m, t, r in recipes]
    )
    told: list[Status] = []
    parts = [("first", first), ("second", second)]
    done = run_plans(parts, ResultCache(tmp_path), told.append)
    assert [[d.job.method for d in part] for part in done] == [["a", "b", "a", "b"], ["c", "d", "e", "f"]]
    began = [s for s in told if s.step is None]
    assert [(s.part, s.done, s.left_s) for s in began] == [
        *(("first", i, None) for i in range(4)), *(("second", i, None) for i in (4, 5, 6)),
        ("second", 7, 70), ("", 8, 0),
    ]  # fmt: skip
    assert [(s.part, s.job, s.step.stage) for s in told if s.step][-1] == ("second", "f, 1, seed 0", "encoder")


def test_kept_results_foretell_how_long_the_others_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.0, 7.0])
    jobs = [replace(job, fold=fold) for fold in ("fold1", "fold2", "fold3") for job in jobs_of([])[:1]]
    with monkeypatch.context() as patch:
        patch.setattr("dyadwatch.core.evaluation.jobs.time.monotonic", lambda: next(seconds))
        run_plans([("", plan(jobs[:1]))], ResultCache(tmp_path), lambda s: None)[0]
    told: list[Status] = []
    run_plans([("", plan(jobs))], ResultCache(tmp_path), told.append)[0]
    assert told[0].left_s == 14  # two more of the same kind; the first is there
    other = plan([*jobs, replace(jobs[0], method="trees")])
    run_plans([("", other)], ResultCache(tmp_path), told.append)[0]
    assert told[-2].left_s is None  # how long trees take nobody knows


def test_results_that_are_kept_are_counted(tmp_path: Path) -> None:
    cache, jobs = ResultCache(tmp_path), jobs_of([])
    run_plans([("", plan(jobs[:2]))], cache, lambda s: None)[0]
    assert count_kept([plan(jobs), plan(jobs, "other")], cache) == 2
    assert count_kept([plan(jobs)], ResultCache(None)) == 0


def test_data_are_known_by_all_they_hold(folded: ClipSet) -> None:
    first = folded[0]
    assert data_digest(folded) == data_digest(ClipSet(tuple(folded), folded.layout, "another name"))
    joints = first.joints.copy()
    joints[3, 0, 0, 0] += 1e-4
    changes: list[dict[str, Any]] = [{"label": "z"}, {"split": "z"}, {"fps": 14.0}, {"joints": joints}]
    for change in changes:
        other = replace(first, **change)
        assert data_digest(ClipSet((other, *folded[1:]), folded.layout)) != data_digest(folded)


def test_code_is_known_by_what_it_does() -> None:
    plain = "def f(x):\n    return x + 1\n"
    same = '"""New words."""\ndef f(x):  # and a comment\n    """Adds."""\n    return (x +\n            1)\n'
    assert meaning(plain) == meaning(same)
    assert meaning(plain) != meaning("def f(x):\n    return x + 2\n")
    assert code_digest("dyadwatch.core.scoring.memory_bank") != code_digest("dyadwatch.core.scoring.auroc")
    with pytest.raises(ModuleNotFoundError, match=r"no module dyadwatch\.core\.nowhere"):
        code_digest("dyadwatch.core.nowhere")


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `dyadwatch.core.made_up` with imports of every kind; what was read of it is forgotten."""
    folder = tmp_path / "made_up"
    (folder / "deep").mkdir(parents=True)
    sources = {
        "__init__": "",
        "root": "import numpy\nimport dyadwatch.core.made_up.plain\nfrom dyadwatch.core.made_up import member\n",
        "plain": "def late():\n    from dyadwatch.core.made_up.lazy import x\n    return x\n",
        "lazy": "x = 1\n",
        "member": "from .near import x\n",
        "near": "from . import deep\nx = 1\n",
        "deep/__init__": "from ..last import x as y\n",
        "deep/unused": "",
        "last": "x = 1\n",
        "unused": "",
    }
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    monkeypatch.setattr(dyadwatch.core, "__path__", [*dyadwatch.core.__path__, str(tmp_path)])
    module_code.cache_clear()
    yield folder
    module_code.cache_clear()
    for name in [n for n in sys.modules if n.startswith("dyadwatch.core.made_up")]:
        del sys.modules[name]


def test_imports_of_every_kind_are_followed(made_up: Path) -> None:
    found = modules_of("dyadwatch.core.made_up.root")
    expected = ["", ".made_up", *(f".made_up.{n}" for n in ("deep", "last", "lazy", "member", "near", "plain", "root"))]
    assert found == [f"dyadwatch.core{n}" for n in expected]


@pytest.mark.parametrize(
    ("file", "matters"), [("lazy", True), ("last", True), ("deep/__init__", True), ("unused", False)]
)
def test_a_change_in_any_module_that_is_imported_matters(made_up: Path, file: str, matters: bool) -> None:
    before = code_digest("dyadwatch.core.made_up.root")
    with (made_up / f"{file}.py").open("a") as source:
        source.write("# only a word\n")
    module_code.cache_clear()
    assert code_digest("dyadwatch.core.made_up.root") == before
    with (made_up / f"{file}.py").open("a") as source:
        source.write("z = 2\n")
    module_code.cache_clear()
    assert (code_digest("dyadwatch.core.made_up.root") != before) == matters


def test_what_a_result_depends_on(folded: ClipSet, handovers: ClipSet) -> None:
    plans = [PROTOCOLS[p](c, Settings()) for p, c in
             (("one-class", folded), ("few-shot", folded), ("broken-pairs", handovers))]  # fmt: skip
    for job in (j for p in plans for j in p.jobs):
        found = {m.removeprefix("dyadwatch.core.") for m in modules_of(job.code)}
        needed = {"data.resample", "features.pair_statistics", "evaluation.figures"}
        needed |= {f"skeletons.{name}" for name in ("mapping", "layouts", "layout")}
        assert found >= needed, job.name
    for job in (j for p in plans for j in p.jobs if j.method == "dyadwatch" and "train" in j.made_from):
        assert set(modules_of(job.code)) >= {"dyadwatch.core.training.recipe", "dyadwatch.core.iadnet.network"}
        assert "dyadwatch.core.evaluation.baselines" not in modules_of(job.code)
    roots = {j.code for p in plans for j in p.jobs if "train" not in j.made_from}
    assert len(roots) == 3
    for root in roots:
        with_torch = [m for m in modules_of(root) if re.search("^(import|from) torch", source_of(m), re.MULTILINE)]
        assert with_torch == []


def source_of(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text()


def test_a_result_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        ResultCache(tmp_path).put({"a": 1}, {"figure": object()})
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_the_cache_lies_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "dyadwatch" / "evaluate"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache().parts[-3:] == (".cache", "dyadwatch", "evaluate")
