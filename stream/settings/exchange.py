"""Two small files beside the memory: what the detector says of its configuration, and what somebody wants of it.

The page and its detector are processes of their own, perhaps in containers of their own; the folder of the memory is
what both have. The detector alone writes its configuration: it knows, with model and levels, whether it can be used.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files.atomic import write_private
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.memory.kept import ChangedKey
from dyadwatch.stream.memory.memory_place import memory_file

T = TypeVar("T", "ConfigurationAccount", "SettingsRequest")


class StaleError(ConfigError):
    """Somebody else changed the file meanwhile: look again."""


class ConfigurationAccount(Struct, frozen=True, kw_only=True):
    """What a detector says of its configuration, at its start and whenever it was read.

    Arguments:
        file: that it reads; empty for none.
        revision: of that file, as it was read.
        fixed: keys that its command line sets over the file, and to what.
        waiting: keys that wait for a restart, with the value in force before and the one that is wanted.
        answers: id of the request that was answered last.
        refused: why nothing changed; empty where it did.
        stale: whether that is because somebody else changed the file meanwhile.
        changes: that it made.
        at: unix ns of the change as it is kept; 0 where nothing is to be kept.
    """

    file: str = ""
    revision: str = ""
    fixed: dict[str, Any] = {}
    waiting: tuple[ChangedKey, ...] = ()
    answers: str = ""
    refused: str = ""
    stale: bool = False
    changes: tuple[ChangedKey, ...] = ()
    at: int = 0


class SettingsRequest(Struct, frozen=True, kw_only=True):
    """What somebody wants of the configuration.

    Arguments:
        id: never given twice.
        who: wants it.
        file: that it is about.
        revision: of the file that it was made of; where it is another by then nothing is changed.
        text: that the file is to have.
    """

    id: str
    who: str
    file: str
    revision: str
    text: str


class Exchange:
    """The two files.

    Arguments:
        memory: the file of incidents, beside which they lie.
    """

    def __init__(self, memory: Path) -> None:
        self.account = memory.with_name(f"{memory.stem}.configuration.json")
        self.request = memory.with_name(f"{memory.stem}.configuration-request.json")

    @classmethod
    def of(cls, config: Config) -> Exchange | None:
        """The one of a detector; None where nothing is kept."""
        memory = memory_file(config)
        return None if memory is None else cls(memory)

    def read_account(self) -> ConfigurationAccount | None:
        """What the detector said last; None where it never did.

        Raises:
            OSError: it cannot be read.
        """
        return _read(self.account, ConfigurationAccount)

    def read_request(self) -> SettingsRequest | None:
        """The latest request; None for none.

        Raises:
            OSError: it cannot be read.
        """
        return _read(self.request, SettingsRequest)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.MsgspecError):  # of another version: as good as none
        return None


def write(path: Path, value: ConfigurationAccount | SettingsRequest) -> None:
    """Writes one of the files, for its owner alone; its folder is made if need be.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, msgspec.json.encode(value))


def revision_of(file: Path) -> str:
    """What tells a file from one with other contents; empty where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def check_revision(file: Path, revision: str) -> None:
    """Refuses to write over what somebody else changed meanwhile.

    Raises:
        StaleError: the file is another by now.
    """
    if revision_of(file) != revision:
        raise StaleError(f"{file} was changed by somebody else meanwhile; expected it as it was looked at: look again")
