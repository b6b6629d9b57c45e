"""Which file the incidents of a detector are kept in."""

from __future__ import annotations

from pathlib import Path

from dyadwatch.stream.configuration.config import Config

NAME = "incidents.db"
OFF = "off"


def memory_file(config: Config) -> Path | None:
    """The file of `memory.file`, or the one beside the recordings; None where nothing is kept."""
    if config.memory.file == OFF:
        return None
    if config.memory.file:
        return Path(config.memory.file)
    return Path(config.record.folder) / NAME if config.record.folder else None
