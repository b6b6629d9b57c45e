"""Before any request is answered: is the host ours, did our own page send it, who asks, and may they."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dyadwatch.stream.page.tokens import Role, Token, Tokens
from dyadwatch.stream.sockets.exposure import is_local_host

COOKIE = "dyadwatch"
OPEN = frozenset({"/api/v1/login", "/api/v1/health", "/api/v1/openapi.json"})  # asked of nobody for a token
SAFE = frozenset({"GET", "HEAD"})
OWN_AFFAIRS = ("/api/v1/logout", "/api/v1/push/")  # to change anything else takes an operator
ADMIN_AFFAIRS = ("/api/v1/configuration",)  # and this an admin
MOST_BODY = 16_384  # bytes
# Nothing but what the page itself brings: no script in a document, nothing of another host, no frame around it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class HttpProblem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong with a request: a code for programs, a sentence for people.

    `errors` has a sentence for each key of the configuration that is wrong, of a change of settings.
    """

    code: str
    text: str
    errors: dict[str, str] = {}


def problem(
    status: HTTPStatus,
    code: str,
    text: str,
    headers: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    """An answer that says what is wrong."""
    made = HttpProblem(code=code, text=text, errors=errors or {})
    return Response(msgspec.json.encode(made), status, headers, "application/json")


def least_role(method: str, path: str) -> Role:
    """Who may make a request at all."""
    if method in SAFE or path.startswith(OWN_AFFAIRS):
        return Role.VIEWER
    return Role.ADMIN if path.startswith(ADMIN_AFFAIRS) else Role.OPERATOR


class LoginLimit:
    """How often somebody may try: `most` wrong tokens in `per_s` seconds from one address, ten times as many of all.

    Arguments:
        most, per_s: see above.
        clock: seconds.
    """

    def __init__(self, most: int = 5, per_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._per_s, self._clock = most, per_s, clock
        self._wrong: deque[tuple[float, str]] = deque(maxlen=10 * most)

    def wait_s(self, address: str) -> float:
        """Seconds until the next try from there; 0 for now."""
        now = self._clock()
        while self._wrong and now - self._wrong[0][0] >= self._per_s:
            self._wrong.popleft()
        mine = [at for at, who in self._wrong if who == address]
        if len(mine) >= self._most:
            return mine[-self._most] + self._per_s - now
        return self._wrong[0][0] + self._per_s - now if len(self._wrong) == self._wrong.maxlen else 0.0

    def wrong(self, address: str) -> None:
        """Takes note of a wrong token."""
        self._wrong.append((self._clock(), address))


class Guard:
    """Wraps the application.

    Arguments:
        app: what is asked in the end; it finds the token that belongs to a request in `request.state.token`.
        tokens: who there is.
        local: whether only this machine reaches the page; then only its own names are hosts, whatever a name on the
            internet may point to (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, local: bool) -> None:
        self._app = app
        self._tokens = tokens
        self._local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers what is refused, and passes on the rest."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith("/static/") else "no-store")
            await send(message)

        refused = self._refusal(scope)
        await (refused or self._app)(scope, receive, sent)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        host = headers.get("host", "")
        if self._local and not is_local_host(_name(host)):
            return problem(
                HTTPStatus.MISDIRECTED_REQUEST, "host", f"the host is {host!r:.80}; expected 127.0.0.1 or localhost"
            )
        scheme, _, given = headers.get("authorization", "").partition(" ")
        by_token = scheme.lower() == "bearer"
        if method not in SAFE and not by_token and not self._own(headers, scope["scheme"], host):
            return problem(
                HTTPStatus.FORBIDDEN, "origin", "a request of another page; expected the Origin header of this one"
            )
        if int(headers.get("content-length") or 0) > MOST_BODY or (
            method not in SAFE and "content-length" not in headers
        ):
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "size", f"expected a body of at most {MOST_BODY} bytes")
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        token = self._tokens.bearer(given) if by_token else self._tokens.session(cookie) if cookie else None
        scope.setdefault("state", {})["token"] = token
        if not path.startswith("/api/") or path in OPEN:
            return None
        if token is None:
            return problem(
                HTTPStatus.UNAUTHORIZED, "login", "expected a token; `dyadwatch page link` prints a link that logs in"
            )
        least = least_role(method, path)
        if token.role.rank < least.rank:
            text = f"{token.name} is a {token.role}; expected a token of the role {least} for that"
            return problem(HTTPStatus.FORBIDDEN, "role", text)
        return None

    def _own(self, headers: Headers, scheme: str, host: str) -> bool:
        return headers.get("origin", "") == f"{scheme}://{host}"


def _name(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


def token_of(request: Request) -> Token | None:
    """Whose request it is; None where nobody logged in."""
    return request.state.token
