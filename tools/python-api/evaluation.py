"""How well interactions are told apart, with baselines beside the model, from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from dyadwatch.core.errors import ConfigError, DyadwatchError, MissingExtraError
from dyadwatch.core.readers.dataset import Dataset
from dyadwatch.core.readers.read_options import ReadOptions
from dyadwatch.evaluation_request import Report, Request
from dyadwatch.model_files import named_model

if TYPE_CHECKING:
    from dyadwatch.core.evaluation.jobs import Status
    from dyadwatch.core.evaluation.settings import Fit

Protocol = Literal["one-class", "peaceful-violent", "broken-pairs", "few-shot", "all"]


def evaluate(
    data: str | Path | Dataset,
    protocol: Protocol,
    *,
    quick: bool = False,
    ablation: bool = False,
    settings: Mapping[str, Any] | None = None,
    baselines: Mapping[str, Fit] | None = None,
    base: str | Path | None = None,
    declared: ReadOptions | None = None,
    cache: str | Path | None = None,
    tell: Callable[[str], None] | None = None,
    progress: Callable[[Status], None] | None = None,
) -> Report:
    """Measures how well interactions are told apart, as `dyadwatch evaluate` does.

    Its protocol live, which publishes clips to a running detector, is for the command line alone.

    Arguments:
        data: file or folder of a data set; or a data set, as `read_poses` gives them. Joints in metres.
        protocol: its name; `all` is every one that the data can serve.
        quick: one fold, one seed, fewer steps: shows that it runs, not how good it is.
        ablation: compare variants of the model instead of the baselines.
        settings: what differs from the default, by the names in `core.evaluation.settings.Settings`, such as
            `{"folds": ("fold1",), "seeds": 1}`; `methods` names the rows of the table that are wanted.
        baselines: further methods by the name of their row: called with how statistics are made and those of normal
            windows, shape (N, F), a method gives a function from statistics (M, F) to scores (M,), higher is more
            anomalous. Their results are not kept in the cache.
        base: model file that `few-shot` enrols on, or `shipped`; None learns from the other categories.
        declared: what the files of `data` do not say themselves.
        cache: folder that results are kept in; None keeps nothing.
        tell: called with a line about what goes on.
        progress: called with how far the jobs are.

    Returns:
        Tables as Markdown, and everything that was measured.

    Raises:
        ClipError: the data cannot be read, or has not what the protocol needs.
        DyadwatchError: naming the argument or setting, its value and what was expected; or a baseline of yours, and
            what is wrong with its scores.
        LayoutError: joints do not map onto the layout of `settings`.
        MissingExtraError: torch or scikit-learn is not installed.
    """
    if protocol not in get_args(Protocol):
        raise DyadwatchError(f"protocol is {protocol!r}; expected one of {', '.join(get_args(Protocol))}")
    if baselines and (ablation or base is not None):
        raise DyadwatchError(
            f"baselines with {'ablation' if ablation else 'base'}: there none stand beside the model; leave out one"
        )
    try:
        from dyadwatch.core.evaluation.settings import Settings
        from dyadwatch.evaluation_runs import run_all, run_one
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "train") from None
    given = dict(settings or {})
    known = {f.name for f in fields(Settings)} - {"baselines", "variants"}
    if unknown := sorted(set(given) - known):
        raise DyadwatchError(f"settings has {unknown[0]!r}; expected some of {', '.join(sorted(known))}")
    listen = progress or _not_shown
    request = Request(
        data if isinstance(data, Dataset) else Path(data),
        protocol,
        quick,
        ablation,
        given | ({"baselines": dict(baselines)} if baselines else {}),
        None if cache is None else Path(cache),
        tell or (lambda text: None),
        lambda: nullcontext(listen),
        declared,
        None if base is None else named_model(base),
    )
    check_base(request)
    return run_all(request) if protocol == "all" else run_one(request)


def check_base(request: Request) -> None:
    """Before anything is read.

    Raises:
        ConfigError: a base is given to a protocol that enrols nothing.
    """
    if request.base is not None and request.protocol != "few-shot":
        raise ConfigError(f"--base with --protocol {request.protocol}: expected --protocol few-shot")


def _not_shown(status: Status) -> None:
    """Nobody asked for progress."""
