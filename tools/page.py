"""`dyadwatch page`: the page beside a detector that runs, and who may log in to it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.core.iso_time import moment
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import load_config, set_option
from dyadwatch.stream.page.push_api import forget_devices
from dyadwatch.stream.page.server import base_url, make_server, tokens_of
from dyadwatch.stream.page.tokens import Role
from dyadwatch.stream.push.push_place import device_file_path
from dyadwatch.tools.budget_process import BudgetProcess
from dyadwatch.tools.incident_film import can_film, film_incident
from dyadwatch.tools.log_output import log_in_background

app = App(name="page", help="Serve the page of a detector; make links and tokens to log in with.")
_Config = Annotated[Path | None, Parameter(help="Configuration file of the detector.")]
_Set = Annotated[
    tuple[str, ...], Parameter(name="--set", negative=(), help="One configuration key, such as --set page.bind=...")
]
_NICE = 5  # scoring goes first where both want the same processor


@app.default
def serve(
    *, config: _Config = None, set_: _Set = (), attached: Annotated[bool, Parameter(negative=())] = False
) -> None:
    """Serve the page until Ctrl-C, beside a detector with the same configuration.

    It listens to what the detector publishes and reads its incidents and recordings; many pages that are open cost the
    detector nothing. `dyadwatch up` starts both.

    Parameters
    ----------
    attached
        Print no link, and stop when standard input ends: for a program that started this one.
    """
    settings = _configured(config, set_)
    server = make_server(settings, film_incident if can_film() else None, BudgetProcess(_words(config, set_)))
    log_in_background()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of every browser that left
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    if attached:
        threading.Thread(target=_stop_at_end_of_input, name="attached", daemon=True).start()
    else:
        sys.stderr.write(f"the page is at {base_url(settings)}?token={tokens_of(settings).link()} (works once)\n")
    server.run()
    if not server.started:
        raise DyadwatchError(
            f"page.bind is {settings.page.bind!r}; expected an address this machine can bind: another program may use "
            "the port"
        )


def _configured(config: Path | None, options: Sequence[str]) -> Config:
    """The configuration, without what loads models: a page that is started again should be there at once."""
    return set_option(load_config(config), *options)


def _words(config: Path | None, options: Sequence[str]) -> list[str]:
    """The flags again, for another verb."""
    words = [] if config is None else ["--config", str(config)]
    return [*words, *(word for option in options for word in ("--set", option))]


def _stop_at_end_of_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


@app.command
def link(*, role: Role = Role.ADMIN, config: _Config = None, set_: _Set = ()) -> None:
    """Print a link that logs one browser in. It works once, within an hour.

    Parameters
    ----------
    role
        What it may do: viewer looks, operator also acknowledges, snoozes and judges, admin everything.
    """
    settings = _configured(config, set_)
    sys.stdout.write(f"{base_url(settings)}?token={tokens_of(settings).link(role)}\n")


@app.command
def add_token(name: str, /, *, role: Role = Role.VIEWER, config: _Config = None, set_: _Set = ()) -> None:
    """Make a token for somebody, or for a program. It is printed once; only its hash is kept.

    Parameters
    ----------
    name
        Whose it is; kept beside what they do.
    role
        What it may do: viewer, operator or admin.
    """
    sys.stdout.write(f"{tokens_of(_configured(config, set_)).add(name, role)}\n")


@app.command
def tokens(*, config: _Config = None, set_: _Set = ()) -> None:
    """List who may log in, and browsers that came by a link."""
    for token in tokens_of(_configured(config, set_)).all():
        until = f", until {moment(token.until)}" if token.until else ""
        waits = " (a link that waits)" if token.once and token.hash else ""
        sys.stdout.write(f"{token.name}{waits}: {token.role}, made {moment(token.made)}{until}\n")


@app.command
def remove_token(name: str, /, *, config: _Config = None, set_: _Set = ()) -> None:
    """Take a token, or a browser that came by a link, out again; it is logged out at once.

    Its devices are notified no more.

    Parameters
    ----------
    name
        As `dyadwatch page tokens` lists it.
    """
    settings = _configured(config, set_)
    known = tokens_of(settings)
    known.remove(name)
    devices = device_file_path(settings)
    if devices is not None:
        forget_devices(devices, known.path)


@app.command
def api() -> None:
    """Print the OpenAPI description of what the page answers."""
    from dyadwatch.stream.page.openapi import openapi

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(openapi()), indent=2).decode() + "\n")
