"""Where frames go and how that is told: the same flags for every verb that publishes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dyadwatch.stream.client_keys import ClientKeys, read_client_keys
from dyadwatch.stream.publishers.publisher import DEFAULT_ADDRESS

KEYS_HELP = "This publisher's NAME.key_secret, where the detector asks for keys. See docs/security.md."


@Parameter(name="*")
@dataclass(frozen=True)
class SendingFlags:
    """Where the detector is, and what is printed at the end."""

    to: Annotated[str, Parameter(help="Where the detector listens.")] = DEFAULT_ADDRESS
    wait: Annotated[float, Parameter(help="Seconds to wait for a detector to listen.")] = 30.0
    json: Annotated[bool, Parameter(help="Print a summary as one JSON object on standard output.", negative=())] = False
    keys: Annotated[Path | None, Parameter(help=KEYS_HELP)] = None

    def client_keys(self) -> ClientKeys | None:
        """What `--keys` names.

        Raises:
            ConfigError: it cannot be used.
        """
        return None if self.keys is None else read_client_keys(self.keys)


AS_USUAL = SendingFlags()
