"""Where frames go and how that is told: the same flags for every verb that publishes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from dyadwatch.stream.publishers.publisher import DEFAULT_ADDRESS


@Parameter(name="*")
@dataclass(frozen=True)
class SendingFlags:
    """Where the detector is, and what is printed at the end."""

    to: Annotated[str, Parameter(help="Where the detector listens.")] = DEFAULT_ADDRESS
    wait: Annotated[float, Parameter(help="Seconds to wait for a detector to listen.")] = 30.0
    json: Annotated[bool, Parameter(help="Print a summary as one JSON object on standard output.", negative=())] = False


AS_USUAL = SendingFlags()
