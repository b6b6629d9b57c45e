"""Where frames go and how that is reported: the same flags for every verb that publishes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.publishers.publisher import DEFAULT_ADDRESS, check_address
from dyadwatch.stream.sockets.client_keys import ClientKeys, read_client_keys

KEY_HELP = "This publisher's NAME.key_secret, where the detector asks for keys; see `dyadwatch docs security`."


@dataclass(frozen=True)
class Target:
    """A detector as `SendingFlags.target` has checked it; the only thing that frames are sent to.

    Arguments:
        address: where it listens.
        wait_s: how long to wait for it.
        keys: of this publisher, where it asks for some.
    """

    address: str
    wait_s: float
    keys: ClientKeys | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class SendingFlags:
    """Where the detector is, and what is printed at the end."""

    to: Annotated[str, Parameter(help="Where the detector listens.")] = DEFAULT_ADDRESS
    wait: Annotated[float, Parameter(help="Seconds to wait for a detector to listen.")] = 30.0
    json: Annotated[bool, Parameter(help="Print a summary as one JSON object on standard output.", negative=())] = False
    key: Annotated[Path | None, Parameter(help=KEY_HELP)] = None

    def target(self) -> Target:
        """What `--to`, `--wait` and `--key` name; made before anything that takes long.

        Raises:
            ConfigError: one of them cannot be used.
        """
        check_address("--to", self.to)
        if not 0 <= self.wait < float("inf"):
            raise ConfigError(f"--wait is {self.wait:g}; expected seconds, 0 or more")
        return Target(self.to, self.wait, None if self.key is None else read_client_keys(self.key))


AS_USUAL = SendingFlags()
