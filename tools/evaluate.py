"""`dyadwatch evaluate`: how well the model distinguishes interactions, with baselines in the same table."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.errors import ConfigError, MissingExtraError
from dyadwatch.core.files.atomic import write_atomically
from dyadwatch.evaluation import check_base
from dyadwatch.evaluation_request import Report, Request
from dyadwatch.model_files import named_model
from dyadwatch.tools.evaluate_flags import EVERYTHING, EvaluationFlags
from dyadwatch.tools.evaluate_progress import progress
from dyadwatch.tools.files import NO_FLAGS, FileFlags
from dyadwatch.tools.tables_file import check_writable, write_tables

Protocol = Literal["one-class", "peaceful-violent", "broken-pairs", "few-shot", "events", "explanation", "live", "all"]

_Flag = Parameter(negative=())


def run(request: Request) -> Report:
    """Does what was asked for; says what is kept when it is stopped with Ctrl-C."""
    check_base(request)
    runner: Callable[[Request], Report]
    if request.protocol == "live":
        from dyadwatch.tools.evaluate_live_page import run_live as runner
    elif request.protocol == "all":
        from dyadwatch.evaluation_runs import run_all as runner
    else:
        from dyadwatch.evaluation_runs import run_one as runner
    try:
        return runner(request)
    except KeyboardInterrupt as stop:
        request.tell(str(stop) or ("stopped; nothing was kept" if request.protocol == "live" else "stopped"))
        raise


def evaluate(
    data: Path,
    /,
    *,
    protocol: Protocol,
    quick: Annotated[bool, _Flag] = False,
    ablation: Annotated[bool, _Flag] = False,
    flags: EvaluationFlags = EVERYTHING,
    out: Path | None = None,
    json: Annotated[bool, _Flag] = False,
    json_out: Path | None = None,
    threads: int = 2,
    files: FileFlags = NO_FLAGS,
) -> None:
    """Measure how well interactions are distinguished, on data nothing was tuned on, with baselines in the same table.

    Reads what `publish file` reads: clips in the shared format, SBU's text files, NTU RGB+D 120's .skeleton files,
    Inter-X's folders, and folders of BVH, C3D, TRC, CSV or JSON frames with a folder a label inside. A result is kept
    as soon as it is there, by what it was made from, so a stopped run goes on where it was.

    Parameters
    ----------
    data
        File or folder of the data set; for the protocol all also a folder with data sets in its sub-folders.
    protocol
        one-class: each category in turn is normal. peaceful-violent: SBU. broken-pairs: does it see who belongs
        together. few-shot: a new normal from 1, 5 and 20 clips. events: which clips raise an alarm, and when.
        explanation: is the limb named that was altered. live: real clips through the running detector. all: every one
        but live that each data set can do, with ablations, after a summary.
    quick
        One fold, one seed, fewer steps: within ten minutes on two cores. Shows that it runs, not how good it is.
    ablation
        Compare variants of the model instead of baselines.
    out
        Also write the tables to this file, as Markdown. In a document with the comments "tables: begin" and "tables:
        end" only what stands between them is replaced.
    json
        Print everything measured as JSON on standard output, instead of the tables.
    json_out
        Also write that JSON to this file.
    threads
        Processor threads to use.
    """
    for file in (out, json_out):
        if file is not None:
            check_writable(file)
    if flags.set_ and protocol != "live":
        raise ConfigError(
            f"--set {flags.set_[0]} with --protocol {protocol}: expected --protocol live, the only one that runs a "
            "detector"
        )
    try:
        import torch

        from dyadwatch.core.evaluation.cache import default_cache
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "train") from None
    torch.set_num_threads(threads)
    console = Console(stderr=True)
    request = Request(
        data,
        protocol,
        quick,
        ablation,
        flags.settings(),
        None if flags.no_cache else flags.cache or default_cache(),
        lambda text: console.print(text, soft_wrap=True, markup=False, highlight=False),
        lambda: progress(console),
        files.declared,
        None if flags.base is None else named_model(flags.base),
    )
    report = run(request)
    sys.stdout.write(report.json if json else report.markdown + "\n")
    if out is not None:
        write_tables(out, report.markdown)
    if json_out is not None:
        write_atomically(json_out, report.json.encode())
