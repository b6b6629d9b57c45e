"""Tells a detector that another version of its model was taken into use."""

from __future__ import annotations

import logging

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.learning.versions import SiteModels
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.names import DETECTOR

_log = logging.getLogger(__name__)


class VersionWatch:
    """Looks which version is in use, each time it is called.

    Arguments:
        models: of the site; None where the configuration names a model, so that there is nothing to look at.
    """

    def __init__(self, models: SiteModels | None) -> None:
        self._models = models
        self._told = LimitedLog(_log)
        self._current = None if models is None else models.read().current

    def __call__(self) -> str:
        """Who asks for another version than before; empty for nobody."""
        if self._models is None:
            return ""
        try:
            table = self._models.read()
        except ConfigError as e:
            self._told.warning(DETECTOR, "versions", str(e))
            return ""
        if table.current == self._current:
            return ""
        self._current = table.current
        return table.by or "learner"
