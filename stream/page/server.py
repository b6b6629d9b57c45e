"""The page as a server: checked first, then bound, then served until it is stopped."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.budget_table import WorkOut
from dyadwatch.stream.memory.memory_place import memory_file
from dyadwatch.stream.page.api import Api
from dyadwatch.stream.page.budget_api import BudgetApi
from dyadwatch.stream.page.configuration_api import ConfigurationApi
from dyadwatch.stream.page.feed import Feed, address_to_listen
from dyadwatch.stream.page.guard import Guard
from dyadwatch.stream.page.hub import Hub
from dyadwatch.stream.page.learning_api import LearningApi
from dyadwatch.stream.page.page_places import Film, Places
from dyadwatch.stream.page.push_api import PushApi
from dyadwatch.stream.page.recordings_api import RecordingsApi
from dyadwatch.stream.page.tokens import Tokens
from dyadwatch.stream.push.push_place import push_target
from dyadwatch.stream.sockets.exposure import is_local_host

TOKENS = "page-tokens.json"
_STOP_S = 1
MOST_HEAD = 32_768  # bytes of the head of a request


def place_of(config: Config) -> tuple[str, int]:
    """Host and port of the page.

    Raises:
        ConfigError: `page.bind` is none, or open to others without TLS; or one of the two files is missing.
    """
    page = config.page
    try:
        url = urlsplit(f"//{page.bind}")
        host, port = url.hostname or "", url.port
    except ValueError:
        host, port = "", None
    if not host or port is None:
        raise ConfigError(
            f"page.bind is {page.bind!r}; expected host and port, such as 127.0.0.1:8090", key="page.bind"
        )
    if bool(page.certificate) != bool(page.key):
        given, missing = ("certificate", "key") if page.certificate else ("key", "certificate")
        text = f"page.{given} is set and page.{missing} is not; expected both for TLS, or neither"
        raise ConfigError(text, key=f"page.{missing}")
    if not is_local_host(host) and not page.certificate and not page.insecure:
        raise ConfigError(
            f"page.bind is {page.bind!r}, which other machines can reach; expected page.certificate and page.key for "
            "TLS, a loopback address such as 127.0.0.1, or page.insecure: true to let others read what is sent",
            key="page.bind",
        )
    return host, port


def base_url(config: Config) -> str:
    """What people open.

    Raises:
        ConfigError: as `place_of`.
    """
    host, port = place_of(config)
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if config.page.certificate else 'http'}://{shown}:{port}/"


def tokens_of(config: Config) -> Tokens:
    """The file of tokens: `page.tokens`, or one beside the incidents.

    Raises:
        ConfigError: there is no place for it.
    """
    if config.page.tokens:
        return Tokens(Path(config.page.tokens))
    memory = memory_file(config)
    if memory is None:
        raise ConfigError(
            "page.tokens is empty; expected a file for the tokens, or memory.file, beside which it is put"
        )
    return Tokens(memory.with_name(TOKENS))


def check_page(config: Config) -> None:
    """Finds what would keep a page from its next start.

    Raises:
        ConfigError: it has no place, or there is none for its tokens.
    """
    place_of(config)
    tokens_of(config)


def make_app(config: Config, film: Film | None = None, work_out: WorkOut | None = None) -> Starlette:
    """The application.

    Arguments:
        config: of the detector.
        film: makes films of incidents; None where that cannot be done.
        work_out: tries budgets on what was recorded; None where that cannot be done.

    Raises:
        ConfigError: something of the configuration cannot be.
    """
    host, _ = place_of(config)
    tokens = tokens_of(config)
    hub = Hub(scenes=bool(config.sinks.people))
    feed = Feed(hub, address_to_listen(config.sinks.bind), config.sinks.people, config.page.listen_key)
    places = Places(
        memory=memory_file(config),
        recordings=Path(config.record.folder) if config.record.folder else None,
        scenes=bool(config.sinks.people),
        publish_to=config.wire.bind,
        before_s=config.page.before_s,
        after_s=config.page.after_s,
        secure=bool(config.page.certificate),
        film=film,
        push=push_target(config) is not None,
    )
    push = PushApi(config, tokens)
    api = Api(hub, tokens, places)
    static = files("dyadwatch.stream.page").joinpath("static")
    index = static.joinpath("index.html").read_bytes()

    async def document(request: Request) -> Response:
        entered = await api.enter_by_link(request)
        return Response(index, media_type="text/html; charset=utf-8") if entered is None else entered

    async def service_worker(request: Request) -> Response:  # from here it may act for the whole page
        return FileResponse(str(static.joinpath("service-worker.js")), headers={"Cache-Control": "no-cache"})

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncGenerator[None]:
        feed.start(asyncio.get_running_loop())
        tasks = [asyncio.create_task(hub.run()), asyncio.create_task(push.run())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            hub.close()
            feed.close()

    routes = [
        *api.routes,
        *RecordingsApi(places).routes,
        *LearningApi(config, hub).routes,
        *BudgetApi(config, hub, work_out).routes,
        *ConfigurationApi(config, hub, check_page).routes,
        *push.routes,
        Route("/", document),
        Route("/service-worker.js", service_worker),
        Mount("/static", StaticFiles(directory=str(static))),
    ]
    app = Starlette(routes=routes, lifespan=life)
    app.add_middleware(Guard, tokens=tokens, local=is_local_host(host))
    app.state.hub = hub
    return app


class _Server(uvicorn.Server):
    """Ends the streams to browsers when it is to stop: uvicorn would wait for them."""

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # pyright: ignore
        self.config.app.state.hub.close()  # pyright: ignore
        await super().shutdown(sockets)  # pyright: ignore


def make_server(config: Config, film: Film | None = None, work_out: WorkOut | None = None) -> uvicorn.Server:
    """The server, checked and not yet bound; `run` binds and serves, a signal ends it.

    Arguments:
        config: of the detector.
        film: makes films of incidents; None where that cannot be done.
        work_out: tries budgets on what was recorded; None where that cannot be done.

    Raises:
        ConfigError: something of the configuration cannot be.
    """
    host, port = place_of(config)
    page = config.page
    if page.certificate:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(page.certificate, page.key)
        except (OSError, ssl.SSLError) as e:
            raise ConfigError(
                f"page.certificate is {page.certificate!r} with page.key {page.key!r}; expected PEM files that belong "
                f"together ({e})"
            ) from None
    options = uvicorn.Config(
        make_app(config, film, work_out),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=_STOP_S,
        limit_concurrency=1000,
        h11_max_incomplete_event_size=MOST_HEAD,
        ssl_certfile=page.certificate or None,
        ssl_keyfile=page.key or None,
    )
    return _Server(options)
