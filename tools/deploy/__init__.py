"""`dyadwatch deploy`: a systemd unit and a compose file, to run the detector for good; see `docs/page.md`."""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib.resources import files


class DeployFile(StrEnum):
    """What runs it; the value of each is a word of the command line."""

    SYSTEMD = "systemd"
    COMPOSE = "compose"

    @property
    def file(self) -> str:
        """Its name in this folder."""
        return {DeployFile.SYSTEMD: "dyadwatch.service", DeployFile.COMPOSE: "compose.yaml"}[self]


def deploy(by: DeployFile, /) -> None:
    """Print the file that runs `dyadwatch up` for good: a systemd unit, or a compose file for Docker.

    Parameters
    ----------
    by
        systemd: for /etc/systemd/system/dyadwatch.service; compose: for compose.yaml. Each says how at its head.
    """
    sys.stdout.write(files("dyadwatch.tools.deploy").joinpath(by.file).read_text("utf8"))
