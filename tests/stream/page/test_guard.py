"""Who is let in, by real requests: host, origin, token, role, size, and how often somebody may guess."""

from __future__ import annotations

import http.client
import re
from typing import Any

import httpx
import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.page.guard import POLICY, LoginLimit
from dyadwatch.stream.page.server import place_of
from dyadwatch.stream.page.tokens import Role


def test_nothing_is_told_without_a_token(page: Any) -> None:
    with page.client() as stranger:
        for path in ("session", "state", "stream", "incidents", "incidents/a1b2c3", "incidents/a1b2c3/clip", "days"):
            answer = stranger.get(f"/api/v1/{path}")
            assert answer.status_code == 401, path
            assert answer.json()["code"] == "login"
        assert stranger.get("/").status_code == 200
        assert stranger.get("/static/app.js").status_code == 200
        assert stranger.get("/api/v1/health").json()["version"] == 1


def test_a_link_logs_a_browser_in_once(page: Any) -> None:
    link = f"/?token={page.tokens.link()}"
    with page.client() as browser, page.client() as other:
        answer = browser.get(link)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert re.search(r"HttpOnly; Max-Age=\d+; Path=/; SameSite=strict$", cookie), cookie
        assert browser.get("/api/v1/session").json()["role"] == "admin"
        again = other.get(link)
        assert (again.status_code, again.headers["location"]) == (303, "/?login=failed")
        assert other.get("/api/v1/session").status_code == 401


def test_who_is_removed_hears_no_more(page: Any) -> None:
    token = page.tokens.add("ann", Role.VIEWER)
    with page.client(headers={"Authorization": f"Bearer {token}"}, timeout=20) as ann:
        with ann.stream("GET", "/api/v1/stream") as answer:
            lines = answer.iter_lines()
            assert next(lines) == "retry: 1000"
            page.tokens.remove("ann")
            assert len(list(lines)) < 100, "the stream ends"
        assert ann.get("/api/v1/state").status_code == 401


def test_logging_out_ends_what_a_link_began(page: Any) -> None:
    with page.client() as browser:
        browser.get(f"/?token={page.tokens.link()}")
        kept = dict(browser.cookies)
        assert browser.post("/api/v1/logout", json={}, headers={"Origin": page.url}).status_code == 200
        assert browser.get("/api/v1/session").status_code == 401
        browser.cookies.update(kept)
        assert browser.get("/api/v1/session").status_code == 401


def test_a_token_is_given_by_form_or_by_header(page: Any) -> None:
    secret = page.tokens.add("ann", Role.OPERATOR)
    with page.client() as browser:
        answer = browser.post("/api/v1/login", json={"token": secret}, headers={"Origin": page.url})
        assert answer.json()["name"] == "ann"
        assert browser.get("/api/v1/session").json() == answer.json()
    program = httpx.Client(base_url=page.url, headers={"Authorization": f"Bearer {secret}"}, trust_env=False)
    with program:
        assert program.get("/api/v1/session").json()["role"] == "operator"
        assert program.post("/api/v1/incidents/a1b2c3/acknowledge", json={}).status_code == 200, "it needs no origin"


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "https://127.0.0.1"])
def test_another_page_cannot_act_in_the_name_of_who_is_logged_in(page: Any, origin: str | None) -> None:
    with page.client() as browser:
        browser.get(f"/?token={page.tokens.link()}")
        headers = {} if origin is None else {"Origin": origin}
        answer = browser.post("/api/v1/incidents/a1b2c3/acknowledge", json={}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "origin")
        assert browser.get("/api/v1/incidents/a1b2c3").json()["incident"]["acknowledged"] == 0
        own = browser.post("/api/v1/incidents/a1b2c3/acknowledge", json={}, headers={"Origin": page.url})
        assert own.status_code == 200


def test_a_name_on_the_internet_that_points_here_is_refused(page: Any) -> None:
    with page.client(Role.ADMIN) as somebody:
        answer = somebody.get("/api/v1/state", headers={"Host": "evil.example"})
        assert (answer.status_code, answer.json()["code"]) == (421, "host")
        assert "expected 127.0.0.1 or localhost" in answer.json()["text"]
        assert somebody.get("/", headers={"Host": "evil.example"}).status_code == 421
        assert (
            somebody.get("/api/v1/state", headers={"Host": f"localhost:{page.url.rpartition(':')[2]}"}).status_code
            == 200
        )


def test_a_viewer_looks_and_an_operator_acts(page: Any) -> None:
    with page.client(Role.VIEWER) as viewer:
        assert len(viewer.get("/api/v1/incidents").json()) == 2
        bodies = {"acknowledge": {}, "snooze": {}, "verdict": {"verdict": "true"}, "note": {"note": "x"}}
        for what, body in bodies.items():
            answer = viewer.post(f"/api/v1/incidents/a1b2c3/{what}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "role"), what
            assert "expected a token of the role operator for that" in answer.json()["text"]
        assert viewer.post("/api/v1/sources/hall/snooze", json={}).status_code == 403


def test_every_answer_forbids_what_the_page_does_not_bring(page: Any) -> None:
    with page.client(Role.VIEWER) as viewer:
        for path in ("/", "/static/app.js", "/api/v1/state", "/nowhere"):
            headers = viewer.get(path).headers
            assert headers["content-security-policy"] == POLICY, path
            assert headers["x-content-type-options"] == "nosniff"
        assert "unsafe" not in POLICY
        assert viewer.get("/api/v1/state").headers["cache-control"] == "no-store"
        assert "server" not in viewer.get("/").headers
        html = viewer.get("/").text
        assert not re.search(r"<script(?![^>]*src=)|<style| style=| on\w+=|https?://", html)


def test_large_bodies_and_those_of_unknown_length_are_refused(page: Any) -> None:
    with page.client(Role.OPERATOR) as operator:
        answer = operator.post("/api/v1/incidents/a1b2c3/note", json={"note": "x" * 20_000})
        assert (answer.status_code, answer.json()["code"]) == (413, "size")
        answer = operator.post("/api/v1/incidents/a1b2c3/note", content=iter([b"{}"]))
        assert answer.status_code == 413
    host, port = page.config.page.bind.split(":")
    raw = http.client.HTTPConnection(host, int(port), timeout=5)
    raw.putrequest("GET", "/")
    raw.putheader("X-Long", "x" * 200_000)
    raw.endheaders()
    assert raw.getresponse().status == 400
    raw.close()


def test_who_guesses_tokens_has_to_wait(page: Any) -> None:
    right = page.tokens.add("ann", Role.VIEWER)
    with page.client() as guesser:
        for _ in range(5):
            answer = guesser.post("/api/v1/login", json={"token": "guess"}, headers={"Origin": page.url})
            assert (answer.status_code, answer.json()["code"]) == (401, "token")
        for given in ("guess", right):
            answer = guesser.post("/api/v1/login", json={"token": given}, headers={"Origin": page.url})
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many")
            assert 50 < int(answer.headers["retry-after"]) <= 60
        assert guesser.get(f"/?token={right}").headers["location"] == "/?login=failed"


def test_guesses_are_counted_for_a_minute_by_address_and_in_all() -> None:
    now = [0.0]
    limit = LoginLimit(most=2, per_s=60, clock=lambda: now[0])
    limit.wrong("a")
    assert limit.wait_s("a") == 0
    now[0] = 10
    limit.wrong("a")
    assert (limit.wait_s("a"), limit.wait_s("b")) == (50, 0)
    now[0] = 60
    assert limit.wait_s("a") == 0
    for k in range(20):
        limit.wrong(f"host{k}")
    assert limit.wait_s("new") == 60, "a guesser with many addresses"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["page.bind=8090"], r"^page.bind is '8090'; expected host and port, such as 127.0.0.1:8090$"),
        (["page.bind=a:x"], r"^page.bind is 'a:x'; expected host and port, such as 127.0.0.1:8090$"),
        (["page.key=k.pem"], r"^page.key is set and page.certificate is not; expected both for TLS, or neither$"),
        (
            ["page.bind=0.0.0.0:8090"],
            r"^page.bind is '0.0.0.0:8090', which other machines can reach; expected page.certificate and page.key for "
            r"TLS, a loopback address such as 127.0.0.1, or page.insecure: true to let others read what is sent$",
        ),
    ],
)
def test_addresses_that_cannot_be(options: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        place_of(set_option(Config(), *options))


def test_others_may_reach_it_where_that_is_wished_for() -> None:
    assert place_of(set_option(Config(), "page.bind=0.0.0.0:8090", "page.insecure=true")) == ("0.0.0.0", 8090)
    assert place_of(set_option(Config(), "page.bind=[::1]:8090")) == ("::1", 8090)


def test_a_proxy_that_ends_tls_is_believed_where_the_page_is_bound_for_it(page_config: Config, serve: Any) -> None:
    """As docs/operations.md has it: Host unchanged, and the scheme in X-Forwarded-Proto."""
    port = page_config.page.bind.rpartition(":")[2]
    through = {"Host": "watch.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    origin = {"Origin": "https://watch.example.org"}
    bound = set_option(page_config, f"page.bind=0.0.0.0:{port}", "page.insecure=true")
    with serve(bound) as page, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as browser:
        browser.headers.update(through)
        login = browser.post("/api/v1/login", json={"token": page.tokens.add("ann", Role.OPERATOR)}, headers=origin)
        assert login.status_code == 200
        cookie = {"Cookie": login.headers["set-cookie"].partition(";")[0]}
        done = browser.post("/api/v1/incidents/a1b2c3/acknowledge", json={}, headers={**origin, **cookie})
        assert done.status_code == 200
        for other in ("http://watch.example.org", "https://elsewhere.example.org"):
            refused = browser.post("/api/v1/incidents/a1b2c3/note", json={}, headers={"Origin": other, **cookie})
            assert (refused.status_code, refused.json()["code"]) == (403, "origin")
    with serve(page_config), httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as browser:
        assert browser.get("/api/v1/health", headers=through).json()["code"] == "host", "not on loopback"
