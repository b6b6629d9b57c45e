"""What the page asks about learning on site, and what people do about it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import msgspec
from anyio import to_thread
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.standing import SiteLearning, learning_now
from dyadwatch.stream.learning.versions import SiteModels, site_models
from dyadwatch.stream.page.guard import problem, token_of
from dyadwatch.stream.page.hub import Hub


class UseVersion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of taking a version into use; 0 is the one that is proposed."""

    version: int = 0


class LearningApi:
    """The routes.

    Arguments:
        config: of the detector.
        hub: tells every page that somebody did something.
    """

    def __init__(self, config: Config, hub: Hub) -> None:
        self._config = config
        self._models = site_models(config)
        self._hub = hub

    @property
    def routes(self) -> list[Route]:
        """All of them."""
        at = "/api/v1/learning"
        return [
            Route(at, self._now),
            Route(f"{at}/use", self._use, methods=["POST"]),
            Route(f"{at}/back", self._back, methods=["POST"]),
            Route(f"{at}/propose", self._propose, methods=["POST"]),
        ]

    def _standing(self) -> SiteLearning:
        return learning_now(self._config, self._models)

    async def _now(self, request: Request) -> Response:
        return await self._answered(self._standing)

    async def _use(self, request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(await request.body() or b"{}", type=UseVersion).version
        except msgspec.MsgspecError as e:
            return problem(HTTPStatus.BAD_REQUEST, "body", f'{e!s:.200}; expected {{"version": 3}}')

        def use(models: SiteModels, who: str) -> None:
            number = wanted or models.read().proposed
            if not number:
                raise ConfigError("no version is proposed; expected one, or the number of a version")
            models.use(number, who)

        return await self._acted(request, use)

    async def _back(self, request: Request) -> Response:
        return await self._acted(request, lambda models, who: models.back(who))

    async def _propose(self, request: Request) -> Response:
        return await self._acted(request, lambda models, who: models.ask())

    async def _acted(self, request: Request, act: Callable[[SiteModels, str], object]) -> Response:
        models, token = self._models, token_of(request)
        if models is None:
            text = "the configuration names a model (scorer.model), or nothing is kept; expected neither"
            return problem(HTTPStatus.CONFLICT, "fixed", text)

        def run() -> SiteLearning:
            act(models, "" if token is None else token.name)
            return self._standing()

        response = await self._answered(run)
        if response.status_code == HTTPStatus.OK:
            self._hub.tell("acted", bytes(response.body))
        return response

    async def _answered(self, ask: Callable[[], SiteLearning]) -> Response:
        try:
            now = await to_thread.run_sync(ask)
        except ConfigError as e:
            return problem(HTTPStatus.CONFLICT, "version", str(e))
        except OSError as e:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "versions", f"the versions cannot be changed ({e.strerror})")
        return Response(msgspec.json.encode(now), media_type="application/json")
