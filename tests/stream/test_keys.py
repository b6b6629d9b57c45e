from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
import zmq.auth

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.sockets.allow_list import Allowed, Peer
from dyadwatch.stream.sockets.client_keys import read_client_keys
from dyadwatch.stream.sockets.key_folder import KeyFolder

KEY = "0<euFucT5Eh2-<uK{&]Uh*H%v9{a2kZbTX+FK93>"


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "site" / "keys")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_can_read_what_is_secret(keys: KeyFolder) -> None:
    before = os.umask(0o000)
    try:
        handed_over = keys.add("cam", ["cam"])
    finally:
        os.umask(before)
    assert mode(keys.path) == mode(keys.path / "handout") == 0o700
    assert {mode(p) for p in (handed_over, keys.path / "server.key_secret", keys.path / "allowed.yaml")} == {0o600}


def test_what_is_handed_over_is_a_certificate_of_pyzmq_with_the_detectors_public_key(keys: KeyFolder) -> None:
    file = keys.add("cam", ["cam"])
    public, secret = zmq.auth.load_certificate(file)
    server, _ = zmq.auth.load_certificate(keys.path / "server.key")
    mine = read_client_keys(file)
    assert (mine.public, mine.secret, mine.server) == (public, secret, server)
    assert zmq.curve_public(mine.secret) == public
    assert keys.server_keys()[0] == server
    assert keys.server_keys()[1] not in file.read_bytes()


def test_rights_are_kept_and_end_with_the_revocation(keys: KeyFolder) -> None:
    for name, sources, listen in (("cam", ["a", "b"], False), ("wall", [], True), ("any", ["*"], True)):
        keys.add(name, sources, listen)
    by_name = {p.name: p for p in keys.peers()}
    allowed = keys.allowed()
    may = {(n, s): allowed.may_speak(by_name[n].key, s) for n in by_name for s in ("a", "b", "c")}
    assert {k for k, v in may.items() if v} == {("cam", "a"), ("cam", "b"), ("any", "a"), ("any", "b"), ("any", "c")}
    assert [allowed.may_connect(by_name[n].key, "results") for n in ("cam", "wall", "any")] == [False, True, True]
    assert [allowed.may_connect(by_name[n].key, "poses") for n in ("cam", "wall", "any")] == [True, False, True]
    keys.revoke("any")
    assert not (keys.path / "handout" / "any.key_secret").exists()
    assert not keys.allowed().may_speak(by_name["any"].key, "a")
    assert allowed.may_speak(by_name["any"].key, "a"), "a list that somebody holds does not change under him"
    assert [p.name for p in keys.peers()] == ["cam", "wall"]


def test_who_has_no_key_may_do_nothing() -> None:
    allowed = Allowed([Peer("cam", KEY, frozenset({"cam"}), True)])
    for stranger in (None, "", "x", KEY.lower(), KEY + " "):
        assert not allowed.may_speak(stranger, "cam")
    assert not allowed.may_connect("x", "results")
    assert allowed.peer(None) is None


def test_the_detectors_keys_stay_when_peers_come(keys: KeyFolder) -> None:
    assert keys.make()
    server = keys.server_keys()
    assert not keys.make()
    keys.add("cam", ["cam"])
    assert keys.server_keys() == server


def test_keys_made_at_the_same_time_are_all_on_the_list(keys: KeyFolder) -> None:
    threads = [threading.Thread(target=keys.add, args=(f"cam{i}", ["hall"])) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(keys.peers()) == 8
    assert {read_client_keys(keys.path / "handout" / f"cam{i}.key_secret").server for i in range(8)} == {
        keys.server_keys()[0]
    }


NAME = "expected 1-64 characters of A-Z a-z 0-9 _ -"


@pytest.mark.parametrize(
    ("name", "sources", "error"),
    [
        ("a/b", ["a"], f"name is 'a/b'; {NAME}"),
        ("..", ["a"], f"name is '..'; {NAME}"),
        ("", ["a"], f"name is ''; {NAME}"),
        ("a" * 65, ["a"], f"name is {'a' * 65!r}; {NAME}"),
        ("cam\n", ["a"], f"name is 'cam\\n'; {NAME}"),
        ("new", ["a b"], f"source is 'a b'; {NAME}, or * for any"),
        ("new", ["**"], f"source is '**'; {NAME}, or * for any"),
        ("new", [], "new may do nothing; expected sources to speak for, or leave to listen"),
        ("Cam", ["cam"], "name is 'Cam', and 'cam' has a key; revoke it first or choose another"),
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    keys: KeyFolder, name: str, sources: list[str], error: str
) -> None:
    keys.add("cam", ["cam"])
    before = sorted(p.name for p in keys.path.rglob("*"))
    with pytest.raises(ConfigError) as caught:
        keys.add(name, sources)
    assert str(caught.value) == error
    assert sorted(p.name for p in keys.path.rglob("*")) == before


def test_revoking_a_name_that_has_no_key_names_those_that_have(keys: KeyFolder) -> None:
    keys.add("cam", ["cam"])
    with pytest.raises(ConfigError, match=r"^name is 'camera'; expected one that has a key: cam$"):
        keys.revoke("camera")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("cam: [", "is no allow-list: "),
        ("- cam", "is no allow-list: Expected `object`, got `array`"),
        (f"cam: {{key: '{KEY}', sorces: [cam]}}", "is no allow-list: Object contains unknown field `sorces`"),
        ("cam: {sources: [cam]}", "is no allow-list: Object missing required field `key`"),
        ("cam: {key: short}", "is no allow-list: Expected `str` matching regex"),
        (f"cam: {{key: '{KEY}', sources: cam}}", "is no allow-list: Expected `array`, got `str`"),
        (f"cam: {{key: '{KEY}', listen: 1}}", "is no allow-list: Expected `bool`, got `int`"),
        (f"cam: {{key: '{KEY}', sources: [a b]}}", f"cam: source is 'a b'; {NAME}, or * for any"),
        (f"c m: {{key: '{KEY}'}}", f"name is 'c m'; {NAME}"),
        (f"a: {{key: '{KEY}'}}\nb: {{key: '{KEY}'}}", "b has the key of a; expected one each"),
        ("!!python/object/apply:os.system [true]", "is no allow-list: line 1: has the tag"),
        ("\x00", "is no allow-list: "),
        ("#" * (1 << 20) + "\n", "has 1048577 bytes; expected at most 1048576"),
    ],
)
def test_a_damaged_list_is_refused_by_name(keys: KeyFolder, text: str, error: str) -> None:
    keys.make()
    path = keys.path / "allowed.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        keys.allowed()
    assert str(path) in str(caught.value)
    assert error in str(caught.value)


def test_a_list_of_nobody_is_one(keys: KeyFolder) -> None:
    keys.make()
    assert keys.peers() == []
    (keys.path / "allowed.yaml").write_text("# all gone\n")
    assert keys.peers() == []


def test_folders_and_files_that_are_not_safe_are_refused(keys: KeyFolder, tmp_path: Path) -> None:
    other = tmp_path / "home"
    other.mkdir(mode=0o700)
    (other / "diary").touch()
    with pytest.raises(ConfigError, match="a folder with other files in it; expected a new or empty folder"):
        KeyFolder(other).make()
    open_one = tmp_path / "open"
    open_one.mkdir()
    open_one.chmod(0o755)
    with pytest.raises(ConfigError, match=r"can be read by other users; expected mode 700: chmod 700 "):
        KeyFolder(open_one).make()
    with pytest.raises(ConfigError, match=r"expected a folder that can be written to \(Not a directory\)"):
        KeyFolder(other / "diary" / "keys").make()
    keys.make()
    (keys.path / "server.key_secret").chmod(0o644)
    with pytest.raises(ConfigError, match=r"server\.key_secret can be read by other users; expected mode 600: chmod"):
        keys.server_keys()


def test_what_a_stopped_start_left_is_finished(keys: KeyFolder) -> None:
    keys.path.mkdir(mode=0o700, parents=True)
    (keys.path / "allowed.yaml").write_text("{}")
    assert keys.make()
    assert keys.peers() == []


@pytest.mark.parametrize("text", ["", "curve\n", 'curve\n  secret-key = "x"\n', "cut"])
def test_a_server_key_that_is_damaged_is_refused(keys: KeyFolder, text: str) -> None:
    keys.make()
    path = keys.path / "server.key_secret"
    path.write_text(path.read_text()[:-10] if text == "cut" else text)
    with pytest.raises(ConfigError, match=r"server\.key_secret holds no (pair of )?keys.*; expected what `dyadwatch k"):
        keys.server_keys()


def test_errors_of_the_file_that_was_handed_over(keys: KeyFolder, tmp_path: Path) -> None:
    made = "expected the NAME.key_secret that `dyadwatch keys new NAME` made"
    good = keys.add("cam", ["cam"]).read_text()
    cases = {
        "which cannot be read (": None,
        "which holds no key; ": "",
        "which holds no secret-key of 40 characters; ": good[: good.index("    secret-key")],
        "which holds no server-key of 40 characters; ": good.replace("server-key", "server"),
        "a file of over 65536 bytes; ": good + "#" * (1 << 16),
    }
    for expected, text in cases.items():
        path = tmp_path / "x.key_secret"
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            read_client_keys(path)
        assert str(caught.value).startswith(f"keys is {str(path)!r}, {expected}")
        assert str(caught.value).endswith(made)
