"""How far a site is, for page and commands: the table of versions and what the learner tells, as one object."""

from __future__ import annotations

from msgspec import Struct

from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.learning_codes import SiteState
from dyadwatch.stream.learning.progress import LearnerProgress, read_progress
from dyadwatch.stream.learning.versions import SiteModels, Version, VersionTable, site_models


class SiteLearning(Struct, frozen=True, kw_only=True):
    """How far a site is.

    Arguments:
        state: of the site.
        current: number of the version in use; 0 for none.
        proposed: number of the version that waits to be used; 0 for none.
        before: number of the version that going back leads to; 0: nobody is judged then. None where nothing is in use.
        versions: the latest first.
        progress: what the learner told last.
        alive: whether there is a learner.
        auto: whether what is proposed is used at once.
        enough_min: minutes that make a first model.
    """

    state: SiteState
    current: int = 0
    proposed: int = 0
    before: int | None = None
    versions: tuple[Version, ...] = ()
    progress: LearnerProgress = LearnerProgress()
    alive: bool = False
    auto: bool = False
    enough_min: float = 0.0


def state_of(table: VersionTable) -> SiteState:
    """How far a site is that has these versions."""
    if table.current:
        return SiteState.WATCHING
    return SiteState.PROPOSED if table.proposed else SiteState.LEARNING


def learning_now(config: Config, models: SiteModels | None = None) -> SiteLearning:
    """How far the site of a configuration is.

    Arguments:
        config: of the detector.
        models: its versions; None finds them.

    Raises:
        ConfigError: the table of versions cannot be read.
    """
    models = models or site_models(config)
    options = config.learning
    if models is None:
        return SiteLearning(state=SiteState.FIXED, auto=options.auto, enough_min=options.enough_min)
    table, progress = models.read(), read_progress(models.folder)
    uses = table.uses
    return SiteLearning(
        state=state_of(table),
        current=table.current,
        proposed=table.proposed,
        before=(uses[-2].number if len(uses) > 1 else 0) if uses else None,
        versions=tuple(reversed(table.versions)),
        progress=progress,
        alive=progress.alive,
        auto=options.auto,
        enough_min=options.enough_min,
    )
