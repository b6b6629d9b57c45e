"""Tokens: only hashes are kept, links work once, and what is removed is out at once."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.page import tokens as module
from dyadwatch.stream.page.tokens import Role, Tokens


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "page-tokens.json"


def test_a_token_lets_in_who_has_it_and_is_not_in_the_file(path: Path) -> None:
    secret = Tokens(path).add("ann", Role.OPERATOR)
    found = Tokens(path).enter(secret)
    assert found is not None
    assert (found.name, found.role) == ("ann", Role.OPERATOR)
    assert Tokens(path).enter(secret) is not None, "again and again"
    assert Tokens(path).enter(secret + "x") is None
    assert Tokens(path).enter("") is None
    assert secret not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_link_works_once_and_for_an_hour(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(path)
    link = tokens.link()
    first, second = tokens.enter(link), Tokens(path).enter(link)
    assert first is not None
    assert first.role is Role.ADMIN
    assert second is None
    late = tokens.link()
    now = time.time_ns()
    monkeypatch.setattr(module.time, "time_ns", lambda: now + 3601 * 10**9)
    assert tokens.enter(late) is None
    assert tokens.bearer(late) is None


def test_a_link_is_no_token_for_programs(path: Path) -> None:
    tokens = Tokens(path)
    assert tokens.bearer(tokens.link()) is None
    assert tokens.bearer(tokens.add("cron", Role.VIEWER)) is not None


def test_a_cookie_is_good_until_the_token_is_removed(path: Path) -> None:
    tokens = Tokens(path)
    ann = tokens.enter(tokens.add("ann", Role.VIEWER))
    assert ann is not None
    cookie, seconds = tokens.cookie(ann)
    assert 29 * 86_400 < seconds <= 30 * 86_400
    assert tokens.session(cookie) == ann
    Tokens(path).remove("ann")  # another process
    assert tokens.session(cookie) is None
    tokens.add("ann", Role.ADMIN)
    assert tokens.session(cookie) is None, "another of the same name"


@pytest.mark.parametrize("change", [lambda c: c[:-1] + ("0" if c[-1] != "0" else "1"), lambda c: "x" + c, lambda c: ""])
def test_a_cookie_that_was_changed_is_of_nobody(path: Path, change) -> None:
    tokens = Tokens(path)
    ann = tokens.enter(tokens.add("ann", Role.VIEWER))
    assert ann is not None
    assert tokens.session(change(tokens.cookie(ann)[0])) is None


def test_cookies_outlive_a_restart_and_are_of_one_file_alone(path: Path, tmp_path: Path) -> None:
    tokens = Tokens(path)
    ann = tokens.enter(tokens.add("ann", Role.VIEWER))
    assert ann is not None
    cookie = tokens.cookie(ann)[0]
    assert Tokens(path).session(cookie) == ann
    assert Tokens(tmp_path / "other.json").session(cookie) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", r"^the name is ''; expected 1 to 64 printable characters$"),
        ("a|b", r"^the name is 'a\|b'; expected 1 to 64 printable characters$"),
        ("ann", r"^there is a token named 'ann' already; remove it first, or choose another name$"),
    ],
)
def test_names_that_cannot_be(path: Path, name: str, said: str) -> None:
    tokens = Tokens(path)
    tokens.add("ann", Role.VIEWER)
    with pytest.raises(ConfigError, match=said):
        tokens.add(name, Role.VIEWER)


def test_what_is_not_there_cannot_be_removed(path: Path) -> None:
    tokens = Tokens(path)
    tokens.add("ann", Role.VIEWER)
    with pytest.raises(ConfigError, match=r"^there is no token named 'bob'; those there are: ann$"):
        tokens.remove("bob")


def test_a_file_that_is_none_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("[]")
    with pytest.raises(
        ConfigError, match=r"page-tokens.json is no file of tokens \(.*\); expected one that was made here$"
    ):
        Tokens(path)
