"""`dyadwatch config`: look at a configuration, check it, and change keys of a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files import plain_yaml
from dyadwatch.core.files.atomic import write_atomically
from dyadwatch.core.files.plain_yaml import PlainYamlError
from dyadwatch.core.words import counted
from dyadwatch.loading import configure, load_thresholds, model_path
from dyadwatch.stream.config_difference import difference, is_live
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_edit import is_blank, with_options
from dyadwatch.stream.configuration.config_file import load_config
from dyadwatch.stream.configuration.config_template import config_schema, default_text

app = App(name="config", help="Look at a configuration, check it, and change keys of a file.")
_Set = Annotated[tuple[str, ...], Parameter(name="--set", negative=())]


@app.command
def check(file: Path, /, *, set_: _Set = ()) -> None:
    """Say whether a configuration is sound, its model and thresholds too, and what differs from the default.

    Parameters
    ----------
    file
        The configuration file.
    set_
        One configuration key over it, such as --set alarm.hold_s=3; may be repeated.
    """
    settings = configure(file, set_, None)
    thresholds = load_thresholds(settings, model_path(settings))
    found = difference(Config(), settings)
    keys = [*(change.key for change in found.live), *found.restart]
    differ = f"{counted(len(keys), 'key')} unlike the default" + (f" ({', '.join(sorted(keys))})" if keys else "")
    sys.stdout.write(f"{file} is sound: {differ}; alarm by {thresholds}\n")


@app.command
def show(
    file: Path | None = None, /, *, set_: _Set = (), changed: Annotated[bool, Parameter(negative=())] = False
) -> None:
    """Print a configuration: every key with the value that counts, or the commented default where no file is named.

    Parameters
    ----------
    file
        The configuration file.
    set_
        One configuration key over it, such as --set alarm.hold_s=3; may be repeated.
    changed
        Only keys that differ from the default, each with how it takes effect.
    """
    if file is None and not set_ and not changed:
        sys.stdout.write(default_text())
        return
    settings = configure(file, set_, None)
    if not changed:
        sys.stdout.buffer.write(plain_yaml.dump(settings))
        sys.stdout.flush()
        return
    found = difference(Config(), settings)
    for key in sorted([*(change.key for change in found.live), *found.restart]):
        value: object = settings
        for name in key.split("."):
            value = getattr(value, name)
        written = msgspec.json.encode(msgspec.to_builtins(value)).decode()
        when = "at once (SIGHUP)" if is_live(key) else "after a restart"
        sys.stdout.write(f"{key}: {written}  # {when}\n")


@app.command
def schema() -> None:
    """Print the JSON Schema of configuration files, for editors."""
    made = msgspec.json.format(msgspec.json.encode(config_schema()))
    sys.stdout.buffer.write(made + b"\n")
    sys.stdout.flush()


@app.command(name="set")
def set_keys(file: Path, /, *options: str) -> None:
    """Change keys of a file, which keeps its remarks and its order; nothing is written unless the whole is sound.

    A running detector takes them up when it is told to: kill -HUP. Those that need a restart are named.

    Parameters
    ----------
    file
        The configuration file; it is made if need be.
    options
        Such as alarm.hold_s=3.
    """
    if not options:
        raise ConfigError("no key is given; expected one at least, such as alarm.hold_s=3")
    try:
        text = plain_yaml.read_text(file) if file.exists() else ""
    except (OSError, PlainYamlError) as e:
        raise ConfigError(f"{file} cannot be read ({e}); expected a YAML file") from None
    before = Config() if is_blank(text) else load_config(file)
    changed = with_options(text, str(file), *options)
    write_atomically(file, changed.encode())
    found = difference(before, load_config(file))
    sys.stdout.write(f"{file}: {found}\n")
