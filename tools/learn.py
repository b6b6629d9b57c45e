"""`dyadwatch learn`: how far a site is learnt, and what is to become of the model that is proposed."""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.iso_time import clock_moment
from dyadwatch.loading import configure, is_learning, while_learning
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.budget_table import DAYS
from dyadwatch.stream.learning.learning_words import STATE, of_budgets, of_lesson, of_progress, of_version
from dyadwatch.stream.learning.other_levels import use_budget
from dyadwatch.stream.learning.standing import learning_now
from dyadwatch.stream.learning.versions import SiteModels, WouldBe, site_models
from dyadwatch.tools.log_output import log_in_background

app = App(name="learn", help="Learn a site while it is recorded: what is heard, proposed and used.")
_Config = Annotated[Path | None, Parameter(help="Configuration file of the detector.")]
_Set = Annotated[
    tuple[str, ...],
    Parameter(name="--set", negative=(), help="One configuration key, such as --set alarm.hold_s=3"),
]
_Data = Annotated[Path | None, Parameter(help="Folder that dyadwatch up was given with --data.")]
_Flag = Annotated[bool, Parameter(negative=())]
_NICE = 10  # whoever scores goes first
_TURN_S = 2.0


def settings_of(config: Path | None, options: tuple[str, ...], data: Path | None = None) -> Config:
    """The configuration of the detector whose site it is, with where it records."""
    kept = () if data is None else (f"record.folder={data}",)
    settings = configure(config, (*options, *kept), None)
    if data is None and not settings.record.folder:
        home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "dyadwatch"
        if home.is_dir() and not Path(settings.learning.folder).is_dir():  # as dyadwatch up has it
            settings = configure(config, (*options, f"record.folder={home}"), None)
    return while_learning(settings) if is_learning(settings) else settings


def models_of(settings: Config) -> SiteModels:
    """The versions of a site's model.

    Raises:
        ConfigError: there are none, because the configuration names a model or nothing is kept.
    """
    models = site_models(settings)
    if models is None:
        raise ConfigError(
            f"scorer.model is {settings.scorer.model!r} and memory.file {settings.memory.file!r}; expected no "
            "model and a memory, beside which the versions of the site's own model lie"
        )
    return models


@app.command
def status(
    *,
    config: _Config = None,
    set_: _Set = (),
    data: _Data = None,
    json: _Flag = False,
) -> None:
    """Say how far the site is: hours heard, pairs seen, the model that is proposed, and what became of verdicts.

    Parameters
    ----------
    json
        Print it as one JSON object.
    """
    settings = settings_of(config, set_, data)
    now = learning_now(settings)
    if json:
        sys.stdout.write(msgspec.json.encode(now).decode() + "\n")
        return
    lines = [STATE[now.state], *of_progress(now.progress)]
    if not now.alive:
        lines.append("no learner is running: dyadwatch up starts one, and so does dyadwatch learn run")
    for version in now.versions:
        mark = "in use" if version.number == now.current else "proposed" if version.number == now.proposed else ""
        lines.append(f"version {version.number}{f' ({mark})' if mark else ''}: {of_version(version)}")
        if version.number == now.proposed:
            lines += map(_would_be, version.would_be)
    lines += [f"{lesson.incident}: {of_lesson(lesson)}" for lesson in now.progress.lessons]
    if now.progress.install:
        lines.append(f"to train models here, too: {now.progress.install}")
    sys.stdout.write("\n".join(lines) + "\n")


def _would_be(alarm: WouldBe) -> str:
    when, pair = clock_moment(alarm.stamp, alarm.clock), f"{alarm.pair[0]} and {alarm.pair[1]}"
    return f"  {when} {alarm.source} {pair}: {alarm.evidence:.2f} of an alarm"


@app.command
def propose(*, config: _Config = None, set_: _Set = (), data: _Data = None) -> None:
    """Ask the learner for a model of what was heard so far, whether it is enough or not."""
    models_of(settings_of(config, set_, data)).ask()
    sys.stdout.write("asked; dyadwatch learn status tells when it is there\n")


@app.command
def accept(version: int = 0, /, *, config: _Config = None, set_: _Set = (), data: _Data = None) -> None:
    """Use a version from now on. A detector that runs takes it up at once, without losing a window.

    Parameters
    ----------
    version
        Its number; the one that is proposed if not given.
    """
    models = models_of(settings_of(config, set_, data))
    number = version or models.read().proposed
    if not number:
        raise ConfigError("no version is proposed; expected one, or the number of a version (dyadwatch models list)")
    models.use(number, getpass.getuser())
    sys.stdout.write(f"version {number} is in use\n")


@app.command
def back(*, config: _Config = None, set_: _Set = (), data: _Data = None) -> None:
    """Go back to the version that was in use before; before the first one nobody was judged."""
    table = models_of(settings_of(config, set_, data)).back(getpass.getuser())
    sys.stdout.write(f"version {table.current} is in use\n" if table.current else "nobody is judged\n")


@app.command
def budgets(
    *,
    days: int = 7,
    use: str = "",
    config: _Config = None,
    set_: _Set = (),
    data: _Data = None,
    json: _Flag = False,
    attached: Annotated[bool, Parameter(negative=(), show=False)] = False,
) -> None:
    """Say what each budget of false events would make of the hours that the model in use judged.

    By the scores that were told then, in a process of low priority. What people judged real is not counted.

    Parameters
    ----------
    days
        How many to look back: 1, 7 or 28.
    use
        A budget, such as 1/day: its levels with the model in use become a version, which is used from now on.
    json
        Print one JSON object, with the alarms that would come, go and stay.
    attached
        Stop when standard input ends: for a program that started this one.
    """
    from dyadwatch.budgeting import work_out

    if days not in DAYS:
        raise ConfigError(f"--days is {days}; expected one of {', '.join(map(str, DAYS))}")
    if attached:
        threading.Thread(target=_stop_at_end_of_input, name="attached", daemon=True).start()
    with contextlib.suppress(OSError):
        os.nice(_NICE)
        if attached:  # where memory runs short, this is what ends, and not the detector
            Path("/proc/self/oom_score_adj").write_text("1000")
    settings = settings_of(config, set_, data)
    worked = work_out(settings, days)
    if use:
        use_budget(models_of(settings), worked, use, getpass.getuser(), settings.alarm)
    if json:
        sys.stdout.write(msgspec.json.encode(worked).decode() + "\n")
    else:
        sys.stdout.write("\n".join(of_budgets(worked.table)) + "\n")
    if use and not json:
        sys.stdout.write(f"the levels for {use} are in use\n")


@app.command
def run(
    *,
    config: _Config = None,
    set_: _Set = (),
    data: _Data = None,
    attached: _Flag = False,
) -> None:
    """Learn beside a detector with the same configuration, until Ctrl-C. `dyadwatch up` starts both.

    Parameters
    ----------
    attached
        Stop when standard input ends: for a program that started this one.
    """
    from dyadwatch.site_learner import SiteLearner

    settings = settings_of(config, set_, data)
    models = models_of(settings)
    log_in_background()
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    stop = threading.Event()
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, lambda *_: stop.set())
    if attached:
        threading.Thread(target=_stop_at_end_of_input, name="attached", daemon=True).start()
    words = [w for o in (*set_, f"record.folder={settings.record.folder}") for w in ("--set", o)]
    learner = SiteLearner(settings, models, [*([] if config is None else ["--config", str(config)]), *words])
    log = logging.getLogger(__name__)
    while not stop.is_set():
        try:
            learner.turn()
        except Exception as e:
            log.error("the learner failed, and goes on: %s: %s", type(e).__name__, e, exc_info=e)
            stop.wait(10 * _TURN_S)
        stop.wait(_TURN_S)


@app.command(show=False)
def train(*, out: Path, steps: int | None = None, config: _Config = None, set_: _Set = (), data: _Data = None) -> None:
    """Train a model on what was recorded, with windows as those of the model that comes along; the learner starts it.

    Parameters
    ----------
    out
        The model file to write.
    steps
        Of the encoder; those of `dyadwatch train` if not given.
    """
    from dyadwatch.core.model_file.artefact import read_info
    from dyadwatch.core.training.options import Progress as Step
    from dyadwatch.heard_clips import heard_lately
    from dyadwatch.model_files import shipped_model
    from dyadwatch.site_training import told, train_like
    from dyadwatch.stream.learning.progress import Training

    threading.Thread(target=_stop_at_end_of_input, name="attached", daemon=True).start()
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    settings, like = settings_of(config, set_, data), read_info(shipped_model())

    def tell(step: Step) -> None:
        sys.stdout.buffer.write(told(Training(what=step.stage, done=step.done, total=step.total)))
        sys.stdout.buffer.flush()

    train_like(heard_lately(Path(settings.record.folder), like.fps), out, like, tell, steps)


def _stop_at_end_of_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGKILL)  # it may be in the middle of anything, and leaves nothing half done
