"""`dyadwatch run`: the detector as a service."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec import structs
from rich.console import Console

from dyadwatch.core.model_file.artefact import file_sha256
from dyadwatch.loading import (
    at_site,
    configure,
    is_learning,
    load_calibration,
    load_scorer,
    load_thresholds,
    model_path,
    while_learning,
)
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.version_watch import VersionWatch
from dyadwatch.stream.learning.versions import site_models
from dyadwatch.stream.receiving.heap import map_large_blocks
from dyadwatch.stream.reload import Judging
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.service import Service
from dyadwatch.stream.settings.exchange import Exchange
from dyadwatch.stream.settings.settings_desk import SettingsDesk
from dyadwatch.stream.signals import stop_on_signals
from dyadwatch.stream.sinks.live_table import IncidentLinesSink, TableSink
from dyadwatch.stream.sinks.sinks import JsonLinesSink, Sink
from dyadwatch.stream.start_check import check_exposure, check_start
from dyadwatch.tools.log_output import log_in_background
from dyadwatch.tools.security_flags import security_options

_log = logging.getLogger(__name__)


def run(
    *,
    config: Path | None = None,
    model: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    json: Annotated[bool, Parameter(negative=())] = False,
    no_table: Annotated[bool, Parameter(negative=())] = False,
    keys: Path | None = None,
    insecure: Annotated[bool, Parameter(negative=())] = False,
    memory: str | None = None,
    shadow: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Run the detector until it is stopped with Ctrl-C or SIGTERM.

    Without a model it is learning: it records skeletons, tells scores, and judges nobody. Make a model of what it
    recorded with `dyadwatch enrol` or `dyadwatch train`, and name it with --model.

    Any number of publishers connect to tcp://127.0.0.1:5570 and send pose frames; scores, events, incidents and status
    are published on tcp://127.0.0.1:5571. Both addresses, and everything else, are keys of the configuration.

    Parameters
    ----------
    config
        Configuration file; without one the defaults hold, see `dyadwatch config show`.
    model
        Model file to judge by, instead of the one the configuration names; simulated: the one that comes with
        dyadwatch, which knows simulated people only.
    set_
        One configuration key, such as --set alarm.hold_s=3; may be repeated.
    json
        Print every score, event, incident and status as one JSON object a line on standard output.
    no_table
        On a terminal print lines on incidents only, without the live table.
    keys
        Folder that `dyadwatch keys` made: publishers and subscribers then need a key. See `dyadwatch docs security`.
    insecure
        Listen where other machines can reach it although nobody is asked for a key.
    memory
        File to keep incidents in, for `dyadwatch events`; off: none. By default it lies beside the recordings, where
        they are made.
    shadow
        Tell and keep incidents, and call nobody, as --set alarm.shadow=true: for the first days of a new model.
    """
    kept = () if memory is None else (f"memory.file={memory}",)
    shadowed = ("alarm.shadow=true",) if shadow else ()
    options = (*set_, *security_options(keys, insecure), *kept, *shadowed)
    settings = configure(config, options, model)
    check_start(settings)
    map_large_blocks()
    log = log_in_background()
    service = service_of(config, options, model, sinks_for(json, no_table, Console(), {}))
    with stop_on_signals(service.stop, service.reload):
        service.run()
    if not log.written() or service.left_behind:
        # Python would wait for the locks these threads hold, and for as long as they hold them.
        os._exit(1)


def service_of(config: Path | None, options: Sequence[str], model: Path | None, outputs: dict[str, Sink]) -> Service:
    """The detector by its configuration, and by that again when it is told to read it; logs what it judges by.

    Arguments:
        config, options, model: as flags give them.
        outputs: sinks beside those of the configuration.
    """
    settings = configure(config, options, model)
    if is_learning(settings):
        settings = while_learning(settings)
    models = site_models(settings)
    settings = at_site(settings)
    learning = is_learning(settings)
    scorer, thresholds = load_scorer(settings)
    calibration = None if learning else load_calibration(settings)

    reread = Reread(config, options, model, settings)
    exchange = Exchange.of(settings)
    service = Service(
        scorer,
        thresholds,
        settings,
        outputs,
        learning=learning,
        calibration=calibration,
        reread=reread,
        changed=VersionWatch(models),
        desk=None if exchange is None else SettingsDesk(exchange, config, settings, fixed_keys(options, model)),
    )
    if learning:
        _log.info(
            "learning: no model is named (--model), so nobody is judged; skeletons are recorded in %s",
            f"the folder {settings.record.folder}" if settings.record.folder else "no folder",
        )
    else:
        _log.info(
            "model %s %s on %s; alarm by %s",
            scorer.info.name,
            scorer.info.version,
            scorer.provider,
            thresholds,
        )
    if settings.alarm.shadow:
        _log.info("shadow: incidents are told and kept, and nobody is called")
    return service


class Reread:
    """The configuration as it stands now, with the same options over it, and the model that it asks for.

    Arguments:
        config, options, model: as flags give them.
        settings: what the detector was started with.
    """

    def __init__(self, config: Path | None, options: Sequence[str], model: Path | None, settings: Config) -> None:
        self._asked = config, options, model
        self._settings = settings

    def __call__(self, present: Scorer, text: str | None = None) -> Judging:
        """Reads it, and loads the model where it is another than the present one.

        Arguments:
            present: the model that scores.
            text: that the file is to have; None: it is read as it is.

        Raises:
            DyadwatchError: something of it is not sound.
        """
        again = configure(*self._asked, text=text)
        if text is not None:
            check_exposure(again)  # or the next start would refuse what is written now
        if not again.record.folder:
            again = structs.replace(again, record=self._settings.record)
        again = at_site(again)
        learning = is_learning(again)
        wanted = structs.replace(self._settings.scorer, model=again.scorer.model)
        judged = structs.replace(again, scorer=wanted)
        path = model_path(judged)
        calibration = None if learning else load_calibration(judged)
        if file_sha256(path) == file_sha256(present.path):
            return Judging(again, load_thresholds(judged, path), calibration, learning=learning)
        scorer, thresholds = load_scorer(judged)
        return Judging(again, thresholds, calibration, scorer=scorer, learning=learning)


def fixed_keys(options: Sequence[str], model: Path | None) -> list[str]:
    """The keys that flags set over the file."""
    keys = [option.partition("=")[0].strip() for option in options]
    return list(dict.fromkeys([*keys, *(["scorer.model"] if model is not None else [])]))


def sinks_for(json: bool, no_table: bool, console: Console, sinks: dict[str, Sink]) -> dict[str, Sink]:
    """The sink for standard output that suits it: JSON lines, a live table on a terminal, or lines on incidents."""
    if json:
        # Without a buffer that is shared with the end of the program: a reader that stops reading must not hold it up.
        sinks["json"] = JsonLinesSink(open(sys.stdout.fileno(), "wb", buffering=0, closefd=False))  # noqa: SIM115
    elif console.is_terminal and not no_table:
        sinks["table"] = TableSink(console)
    else:
        sinks["lines"] = IncidentLinesSink(console)
    return sinks
