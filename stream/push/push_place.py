"""Whether devices are notified by push, and where they are kept."""

from __future__ import annotations

from pathlib import Path

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.delivery_options import PushOptions
from dyadwatch.stream.memory.memory_place import memory_file

NAME = "push.db"


def push_target(config: Config) -> tuple[str, PushOptions] | None:
    """Name and options of the target of kind push; None where there is none."""
    return next(((name, to) for name, to in config.delivery.to.items() if isinstance(to, PushOptions)), None)


def device_file_path(config: Config) -> Path | None:
    """The file of devices; None where no target is of kind push.

    Raises:
        ConfigError: there is no place for it.
    """
    target = push_target(config)
    if target is None:
        return None
    name, options = target
    if options.file:
        return Path(options.file)
    memory = memory_file(config)
    if memory is None:
        raise ConfigError(
            f"delivery.to.{name}.file is empty, and no incidents are kept beside which it could lie; expected a file "
            "such as push.db, or memory.file"
        )
    return memory.with_name(NAME)
