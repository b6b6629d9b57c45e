"""What a page, or a program, asks of the server: /api/v1, the same objects as on the wire. docs/page.md lists it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from http import HTTPStatus

import msgspec
from msgspec import Struct, structs
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from dyadwatch.core.errors import ConfigError, MemoryFileError
from dyadwatch.stream.memory.kept import Action, ActionKind, Verdict
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.page.guard import COOKIE, LoginLimit, problem, token_of
from dyadwatch.stream.page.hub import Hub
from dyadwatch.stream.page.page_places import Places, answer, ask_store, memory_problem
from dyadwatch.stream.page.queries import (
    IncidentRecord,
    day_spans,
    days,
    incident_details,
    kinds_of,
    wanted_of,
)
from dyadwatch.stream.page.tokens import Role, Token, Tokens
from dyadwatch.stream.publishers.publisher import check_source

VERSION = 1
_MOST_NEAR_MISSES = 200
_MOST_NOTE = 2000  # characters
_MOST_SNOOZE_MIN = 60 * 24 * 7
_STAYS_S = 3.0  # between two looks whether who listens may still do so


class Login(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a login."""

    token: str


class Said(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of what somebody does: a note may always come along.

    `verdict` is of a verdict, `minutes` of a snooze; 0 ends it.
    """

    note: str = ""
    verdict: Verdict | None = None
    minutes: float = 30.0


class Session(Struct, frozen=True, kw_only=True):
    """Who asks, and what there is to ask for."""

    name: str
    role: Role
    memory: bool
    recordings: bool
    scenes: bool
    publish_to: str
    films: bool
    push: bool


class Api:
    """The routes.

    Arguments:
        hub: the present state.
        tokens: who may log in.
        places: where the rest is.
    """

    def __init__(self, hub: Hub, tokens: Tokens, places: Places) -> None:
        self._hub = hub
        self._tokens = tokens
        self._places = places
        self._limit = LoginLimit()

    @property
    def routes(self) -> list[Route]:
        """All of them."""
        v1 = "/api/v1"
        acts = {kind: partial(self._act, kind) for kind in ActionKind}
        return [
            Route(f"{v1}/health", self._health),
            Route(f"{v1}/login", self._login, methods=["POST"]),
            Route(f"{v1}/logout", self._logout, methods=["POST"]),
            Route(f"{v1}/session", self._session),
            Route(f"{v1}/state", self._state),
            Route(f"{v1}/stream", self._stream),
            Route(f"{v1}/incidents", self._incidents),
            Route(f"{v1}/incidents/{{id}}", self._incident),
            *(Route(f"{v1}/incidents/{{id}}/{kind}", act, methods=["POST"]) for kind, act in acts.items()),
            Route(f"{v1}/sources/{{source}}/snooze", self._snooze_source, methods=["POST"]),
            Route(f"{v1}/near-misses", self._near_misses),
            Route(f"{v1}/days", self._days),
            Route(f"{v1}/days/{{day}}", self._day),
            Route(f"{v1}/openapi.json", self._openapi),
        ]

    async def enter_by_link(self, request: Request) -> Response | None:
        """Answers a link with a token: logs in, and on to the page without it. None where there is none."""
        given = request.query_params.get("token")
        if given is None:
            return None
        token = self._entered(request, given)
        to = "/" if isinstance(token, Token) else "/?login=failed"
        response = RedirectResponse(to, HTTPStatus.SEE_OTHER)
        if isinstance(token, Token):
            self._set_cookie(response, token)
        return response

    def _entered(self, request: Request, given: str) -> Token | Response:
        address = request.client.host if request.client else ""
        wait = self._limit.wait_s(address)
        if wait > 0:
            return problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many",
                f"too many wrong tokens; try again in {wait:.0f} s",
                {"Retry-After": f"{wait:.0f}"},
            )
        token = self._tokens.enter(given)
        if token is None:
            self._limit.wrong(address)
            return problem(
                HTTPStatus.UNAUTHORIZED, "token", "the token is unknown or was removed, or its link was used already"
            )
        return token

    def _set_cookie(self, response: Response, token: Token) -> None:
        value, seconds = self._tokens.cookie(token)
        response.set_cookie(
            COOKIE, value, max_age=seconds, httponly=True, samesite="strict", secure=self._places.secure
        )

    async def _health(self, request: Request) -> Response:
        return answer({"version": VERSION, "detector": self._hub.state().detector})

    async def _openapi(self, request: Request) -> Response:
        from dyadwatch.stream.page.openapi import openapi  # made of all types, and hardly ever asked for

        return answer(openapi())

    async def _login(self, request: Request) -> Response:
        try:
            given = msgspec.json.decode(await request.body(), type=Login).token
        except msgspec.MsgspecError as e:
            return problem(HTTPStatus.BAD_REQUEST, "body", f'{e}; expected {{"token": "..."}}')
        token = self._entered(request, given)
        if isinstance(token, Response):
            return token
        response = answer(self._session_of(token))
        self._set_cookie(response, token)
        return response

    async def _logout(self, request: Request) -> Response:
        token = token_of(request)
        if token is not None and token.until:  # came by a link: the browser was its only holder
            self._tokens.remove(token.name)
        response = answer({})
        response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=self._places.secure)
        return response

    def _session_of(self, token: Token) -> Session:
        p = self._places
        return Session(
            name=token.name,
            role=token.role,
            memory=p.memory is not None,
            recordings=p.recordings is not None,
            scenes=p.scenes,
            publish_to=p.publish_to,
            films=p.film is not None,
            push=p.push,
        )

    async def _session(self, request: Request) -> Response:
        token = token_of(request)
        assert token is not None, "the guard lets nobody else in"
        return answer(self._session_of(token))

    async def _state(self, request: Request) -> Response:
        return answer(self._hub.state())

    async def _stream(self, request: Request) -> Response:
        try:
            kinds = kinds_of(request.query_params)
        except ConfigError as e:
            return problem(HTTPStatus.BAD_REQUEST, "query", str(e))
        client = self._hub.join(kinds)
        if client is None:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "full", "too many pages are open; close some")

        token = token_of(request)
        assert token is not None, "the guard lets nobody else in"

        async def stream() -> AsyncIterator[bytes]:
            due = time.monotonic() + _STAYS_S
            try:
                yield b"retry: 1000\n\n"
                async for data in client.stream():
                    yield data
                    if time.monotonic() >= due:
                        due = time.monotonic() + _STAYS_S
                        if not self._tokens.lasts(token):
                            return
            finally:
                self._hub.leave(client)

        return StreamingResponse(stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def _asked(self, ask: Callable[[Store], object]) -> Response:
        """The answer of the memory, or what is wrong."""
        try:
            return answer(await ask_store(self._places.memory, ask))
        except MemoryFileError as e:
            return memory_problem(e)

    async def _incidents(self, request: Request) -> Response:
        try:
            wanted = wanted_of(request.query_params)
        except ConfigError as e:
            return problem(HTTPStatus.BAD_REQUEST, "query", str(e))
        return await self._asked(lambda store: store.incidents(wanted))

    async def _incident(self, request: Request) -> Response:
        return await self._asked(lambda store: incident_details(store, request.path_params["id"]))

    async def _act(self, kind: ActionKind, request: Request) -> Response:
        said = await _said(request, kind)
        if isinstance(said, Response):
            return said
        action = _action(kind, said, token_of(request))

        def act(store: Store) -> IncidentRecord:
            kept = store.incident(request.path_params["id"])
            store.act(structs.replace(action, incident=kept.message.id))
            return incident_details(store, kept.message.id)

        return await self._told(act)

    async def _snooze_source(self, request: Request) -> Response:
        said = await _said(request, ActionKind.SNOOZE)
        if isinstance(said, Response):
            return said
        try:
            check_source(request.path_params["source"])
        except ConfigError as e:
            return problem(HTTPStatus.BAD_REQUEST, "source", str(e))
        action = _action(ActionKind.SNOOZE, said, token_of(request))
        return await self._told(lambda store: store.act(structs.replace(action, source=request.path_params["source"])))

    async def _told(self, act: Callable[[Store], object]) -> Response:
        """Keeps what somebody did, and has every page look again."""
        response = await self._asked(act)
        if response.status_code == HTTPStatus.OK:
            self._hub.tell("acted", bytes(response.body))
        return response

    async def _near_misses(self, request: Request) -> Response:
        source = request.query_params.get("source", "")
        return await self._asked(lambda store: store.near_misses(source, _MOST_NEAR_MISSES))

    async def _days(self, request: Request) -> Response:
        return await self._asked(lambda store: days(store, self._running))

    @property
    def _running(self) -> int:
        """Unix ns up to which the detector is known to run: now, where it is heard; 0 where it is not."""
        return time.time_ns() if self._hub.connected else 0

    async def _day(self, request: Request) -> Response:
        try:
            return await self._asked(lambda store: day_spans(store, request.path_params["day"], self._running))
        except ConfigError as e:
            return problem(HTTPStatus.BAD_REQUEST, "day", str(e))


async def _said(request: Request, kind: ActionKind) -> Said | Response:
    try:
        said = msgspec.json.decode(await request.body() or b"{}", type=Said)
    except msgspec.MsgspecError as e:
        return problem(HTTPStatus.BAD_REQUEST, "body", f"{e!s:.200}")
    if kind is ActionKind.VERDICT and said.verdict is None:
        return problem(HTTPStatus.BAD_REQUEST, "body", "verdict is missing; expected true, false or unsure")
    if kind is ActionKind.NOTE and not said.note.strip():
        return problem(HTTPStatus.BAD_REQUEST, "body", "note is empty; expected some words")
    if len(said.note) > _MOST_NOTE:
        return problem(HTTPStatus.BAD_REQUEST, "body", f"note is too long; expected at most {_MOST_NOTE} characters")
    if not 0 <= said.minutes <= _MOST_SNOOZE_MIN:
        return problem(
            HTTPStatus.BAD_REQUEST, "body", f"minutes is {said.minutes:g}; expected 0 to end it, up to a week"
        )
    return said


def _action(kind: ActionKind, said: Said, token: Token | None) -> Action:
    now = time.time_ns()
    return Action(
        at=now,
        kind=kind,
        until=now + round(said.minutes * 60e9) if kind is ActionKind.SNOOZE and said.minutes else 0,
        verdict=said.verdict if kind is ActionKind.VERDICT else None,
        who="" if token is None else token.name,
        note=said.note.strip(),
    )
