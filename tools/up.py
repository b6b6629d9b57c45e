"""`dyadwatch up`: the detector with all that people need around it: recorder, memory and page."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.loading import configure
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.versions import site_models
from dyadwatch.stream.memory.memory_place import OFF, memory_file
from dyadwatch.stream.page.server import base_url, place_of, tokens_of
from dyadwatch.stream.receiving.heap import map_large_blocks
from dyadwatch.stream.settings.own_file import NAME as OWN_FILE
from dyadwatch.stream.settings.own_file import make_own_file
from dyadwatch.stream.signals import stop_on_signals
from dyadwatch.stream.start_check import check_start
from dyadwatch.tools import background
from dyadwatch.tools.companion import Companion
from dyadwatch.tools.log_output import log_in_background
from dyadwatch.tools.run import service_of, sinks_for
from dyadwatch.tools.up_lock import UpLock

_log = logging.getLogger(__name__)
_READY_S = 120.0


def up(
    *,
    config: Path | None = None,
    data: Path | None = None,
    model: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    detach: Annotated[bool, Parameter(negative=())] = False,
    stop: Annotated[bool, Parameter(negative=())] = False,
    in_background: Annotated[bool, Parameter(negative=(), show=False)] = False,
) -> None:
    """Run the detector, record, keep incidents, learn the site, and serve the page, until Ctrl-C or SIGTERM.

    Prints a link to the page that works once. The page is a process of its own: whatever happens to it, or in browsers,
    detecting goes on; it is started again when it ends. There is one for each folder of data.

    Parameters
    ----------
    config
        Configuration file; without one settings.yaml among the data, which is made if need be and holds what was
        changed on the page.
    data
        Folder for recordings, incidents and tokens, where the configuration names none; by default
        ~/.local/share/dyadwatch.
    model
        Model file to judge by, instead of the one the configuration names; simulated: the bundled one. Without any the
        site is learnt: it records, and judges nobody until a model of what it recorded is used.
    set_
        One configuration key, such as --set page.bind=127.0.0.1:8100; may be repeated.
    detach
        Go on without the terminal: print the link, and come back. What it would print goes to up.log among the data.
    stop
        End the one that runs, given the --config and --data that it was started with.
    in_background
        Print no link, and keep the log short: for a program that started this one.
    """
    if detach and stop:
        raise ConfigError("--detach and --stop are both given; expected one of them")
    try:
        private = Path(tempfile.mkdtemp(prefix="dyadwatch-"))  # for its owner alone
    except OSError as e:
        raise ConfigError(f"no temporary folder can be made ({e.strerror}); expected room in TMPDIR or /tmp") from None
    try:
        options = (*set_, *_filled_in(configure(config, set_, model), data, private, not stop))
        settings = configure(config, options, model)
        file = config or _own_file(_home(settings), not stop)
        if file != config:
            options = (*set_, *_filled_in(configure(file, set_, model), data, private, not stop))
            settings = configure(file, options, model)
        home = _home(settings)
        if stop:  # makes nothing
            sys.stdout.write(f"stopped; it was process {background.stop(home)}\n")
            return
        _made(home)
        if detach:
            named = {"--config": config, "--data": data, "--model": model}
            words = [word for flag, value in named.items() if value is not None for word in (flag, str(value))]
            _detach(settings, home, [*words, *(word for option in set_ for word in ("--set", option))])
        else:
            lock = UpLock(home)
            try:
                _run(settings, file, options, model, in_background)
            finally:
                lock.release()
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _home(settings: Config) -> Path:
    """The folder of incidents and tokens."""
    memory = memory_file(settings)
    assert memory is not None, "_filled_in sees to it"
    return memory.parent.absolute()


def _own_file(home: Path, make: bool) -> Path | None:
    """The configuration file among the data, for want of another; None where there is none and none is to be made."""
    if make:
        _made(home)
        return make_own_file(home)
    return home / OWN_FILE if (home / OWN_FILE).is_file() else None


def _made(folder: Path) -> None:
    """Makes a folder, for its owner alone, where there is none.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as e:
        raise ConfigError(
            f"{folder} cannot be made ({e.strerror}); expected a folder for data, with --data, record.folder or "
            "memory.file"
        ) from None


def _detach(settings: Config, home: Path, words: Sequence[str]) -> None:
    background.check_none_runs(home)
    check_start(settings)
    _check_free(settings)
    pid = background.start(words, home, lambda within_s: _answers(settings, within_s))
    memory = memory_file(settings)
    assert memory is not None
    # From whatever folder it is called, and whatever was given.
    stops = shlex.join(["dyadwatch", "up", "--stop", "--set", f"memory.file={memory.absolute()}"])
    if pid is None:
        raise DyadwatchError(
            f"the page does not answer at {base_url(settings)}; {home / background.LOG} may say why, "
            f"stop it with: {stops}"
        )
    link = f"{base_url(settings)}?token={tokens_of(settings).link()}"
    sys.stdout.write(
        f"the page is at {link}  (works once)\n"
        f"it goes on without this terminal as process {pid}; log: {home / background.LOG}\n"
        f"stop it with: {stops}\n"
    )


def _filled_in(given: Config, data: Path | None, private: Path, make: bool) -> list[str]:
    """Options for what the configuration leaves open; makes the folder of data if that is wanted.

    Raises:
        ConfigError: no incident is to be kept, or the folder cannot be made.
    """
    if given.memory.file == OFF:
        raise ConfigError(
            f"memory.file is {OFF!r}; expected a file, or none for one of its own: the page shows what is kept"
        )
    options: list[str] = []
    if data is not None or not given.record.folder:
        home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "dyadwatch"
        folder = (data or home).absolute()
        if make:
            _made(folder)
        options.append(f"record.folder={folder}")
    if not given.sinks.people:
        options.append(f"sinks.people={private / 'people'}")
    if not given.sinks.bind:
        raise ConfigError("sinks.bind is empty; expected an address, on which the page hears the detector")
    return options


def _words(config: Path | None, options: tuple[str, ...]) -> list[str]:
    words = [] if config is None else ["--config", str(config)]
    return [*words, *(word for option in options for word in ("--set", option))]


def _run(
    settings: Config, config: Path | None, options: tuple[str, ...], model: Path | None, in_background: bool
) -> None:
    check_start(settings)
    _check_free(settings)
    url = base_url(settings)
    tokens = tokens_of(settings)
    map_large_blocks()
    log = log_in_background()
    console = Console()
    service = service_of(config, options, model, sinks_for(False, True, console, {}))
    _log.info("recording to %s", settings.record.folder)
    words = _words(config, options)
    companions = [Companion("page", ["page", *words])]
    if site_models(settings) is not None:
        companions.append(Companion("learner", ["learn", "run", *words]))
    for companion in companions:
        companion.start()

    def introduce() -> None:
        if _answers(settings):
            console.print(f"the page is at {url}?token={tokens.link()}  (works once)", soft_wrap=True, highlight=False)
        else:
            _log.warning("the page does not answer at %s", url)

    if in_background:
        background.keep_log_short(_home(settings))
    else:
        threading.Thread(target=introduce, name="introduce", daemon=True).start()
    try:
        with stop_on_signals(service.stop, service.reload):
            service.run()
    finally:
        for companion in companions:
            companion.ask_to_end()
        for companion in companions:
            companion.close()
    if not log.written() or service.left_behind:
        os._exit(1)


def _check_free(settings: Config) -> None:
    """Finds a port that is taken before a model is loaded.

    Raises:
        ConfigError: the page could not be bound.
    """
    host, port = place_of(settings)
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, proto) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as e:
            raise ConfigError(
                f"page.bind is {settings.page.bind!r}; expected an address this machine can bind ({e.strerror}); "
                "choose another port with --set page.bind=127.0.0.1:8091"
            ) from None


def _answers(settings: Config, within_s: float = _READY_S) -> bool:
    """Waits until the page takes connections, for so many seconds at most."""
    host, port = place_of(settings)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port), 1.0).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False
