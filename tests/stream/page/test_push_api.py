"""Browsers add and remove themselves as devices that are notified; nobody learns by what they are reached."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from anyio import move_on_after
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.page.push_api import PushApi, forget_devices
from dyadwatch.stream.page.server import make_app, tokens_of
from dyadwatch.stream.page.tokens import Role
from dyadwatch.stream.push.device_file import DeviceFile
from dyadwatch.stream.push.push_device import device_id, from_base64url, to_base64url
from dyadwatch.tools.page import remove_token

AT = "/api/v1/push"
POINT = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def body(number: int = 1, **more: Any) -> dict[str, Any]:
    keys = {"p256dh": to_base64url(POINT), "auth": to_base64url(b"0123456789abcdef")}
    return {"endpoint": f"https://fcm.googleapis.com/fcm/send/{number}", "keys": keys, "name": "phone", **more}


@pytest.fixture
def file(page_config: Config) -> Path:
    return Path(page_config.memory.file).with_name("push.db")


def test_a_viewer_adds_changes_and_removes_a_device(pushing: Any, file: Path) -> None:
    with pushing.client(Role.VIEWER) as viewer:
        assert viewer.get("/api/v1/session").json()["push"] is True
        now = viewer.get(AT).json()
        assert (now["target"], now["least"], now["devices"]) == ("phones", "notice", [])
        assert len(from_base64url(now["key"])) == 65
        added = viewer.post(f"{AT}/devices", json=body(name=" Ann's phone ")).json()
        assert added["key"] == now["key"]
        (device,) = added["devices"]
        assert device["id"] == device_id(body()["endpoint"])
        assert (device["name"], device["own"], device["least"]) == ("Ann's phone", True, "notice")
        assert device["who"].startswith("viewer")
        assert set(device) == {"id", "name", "who", "own", "least", "since", "succeeded", "failed", "error"}
        (device,) = viewer.post(f"{AT}/devices", json=body(least="critical")).json()["devices"]
        assert (device["name"], device["least"]) == ("phone", "critical")
        for path in (AT, "/api/v1/state", "/api/v1/openapi.json"):
            said = viewer.get(path).text
            assert "fcm/send/1" not in said
            assert body()["keys"]["auth"] not in said
        with DeviceFile(file) as devices:
            assert devices.all()[0].endpoint == body()["endpoint"]
        assert viewer.post(f"{AT}/devices/{device['id']}/remove", json={}).json()["devices"] == []
        again = viewer.post(f"{AT}/devices/{device['id']}/remove", json={})
        assert (again.status_code, again.json()["devices"]) == (200, [])


def test_own_devices_are_seen_and_removed_and_an_admin_sees_all(pushing: Any) -> None:
    with (
        pushing.client(Role.VIEWER) as ann,
        pushing.client(Role.OPERATOR) as bea,
        pushing.client(Role.ADMIN) as admin,
        pushing.client() as stranger,
    ):
        assert stranger.get(AT).status_code == 401
        assert stranger.post(f"{AT}/devices", json=body(), headers={"Origin": pushing.url}).status_code == 401
        (mine,) = ann.post(f"{AT}/devices", json=body(1)).json()["devices"]
        assert [d["own"] for d in bea.post(f"{AT}/devices", json=body(2)).json()["devices"]] == [True]
        seen = admin.get(AT).json()["devices"]
        assert [(d["who"].split()[0], d["own"]) for d in seen] == [("viewer", False), ("operator", False)]
        answer = bea.post(f"{AT}/devices/{mine['id']}/remove", json={})
        assert answer.status_code == 200, "who may not see it does not learn whether it is there"
        assert len(admin.get(AT).json()["devices"]) == 2
        assert len(admin.post(f"{AT}/devices/{mine['id']}/remove", json={}).json()["devices"]) == 1
        assert ann.get(AT).json()["devices"] == []


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
def test_another_page_adds_and_removes_nothing(pushing: Any, origin: str | None) -> None:
    with pushing.client() as browser:
        browser.get(f"/?token={pushing.tokens.link()}")
        headers = {} if origin is None else {"Origin": origin}
        for path in (f"{AT}/devices", f"{AT}/devices/{device_id(body()['endpoint'])}/remove"):
            answer = browser.post(path, json=body(), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "origin")
        assert browser.get(AT).json()["devices"] == []
        own = browser.post(f"{AT}/devices", json=body(), headers={"Origin": pushing.url})
        assert len(own.json()["devices"]) == 1


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"endpoint": "https://127.0.0.1:8090/api/v1/state"}, "device", "expected one as a browser gives it"),
        ({"endpoint": "https://169.254.169.254/latest"}, "device", "but lies at https://169.254.169.254; expected one"),
        ({"endpoint": "http://fcm.googleapis.com/x"}, "device", "but lies at http://fcm.googleapis.com; expected"),
        ({"keys": {"p256dh": "AA", "auth": body()["keys"]["auth"]}}, "device",
         "keys.p256dh is 'AA'; expected 65 bytes in Base64 for URLs"),
        ({"keys": {"p256dh": body()["keys"]["p256dh"], "auth": "é"}}, "device", "keys.auth is 'é'; expected 16 bytes"),
        ({"name": " "}, "device", "name is ' '; expected 1 to 64 printable characters"),
        ({"name": "x" * 65}, "device", "expected 1 to 64 printable characters"),
        ({"least": "dire"}, "body", "Invalid enum value 'dire' - at `$.least`"),
        ({"more": 1}, "body", "Object contains unknown field `more`"),
    ],
)  # fmt: skip
def test_what_is_no_device_is_refused(pushing: Any, change: dict[str, Any], code: str, text: str) -> None:
    with pushing.client(Role.VIEWER) as viewer:
        answer = viewer.post(f"{AT}/devices", json=body(**change))
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert text in answer.json()["text"]
        assert viewer.get(AT).json()["devices"] == []


def test_who_is_let_in_no_more_is_notified_no_more(pushing: Any, file: Path) -> None:
    with pushing.client(Role.VIEWER) as ann, pushing.client() as browser:
        ann.post(f"{AT}/devices", json=body(1))
        browser.get(f"/?token={pushing.tokens.link()}")
        browser.post(f"{AT}/devices", json=body(2), headers={"Origin": pushing.url})
        with DeviceFile(file) as devices:
            assert sorted(bool(d.until) for d in devices.all()) == [False, True], "a link ends in a month"
        forget_devices(file, pushing.tokens.path)
        with DeviceFile(file) as devices:
            assert len(devices.all()) == 2
        pushing.tokens.remove(next(t.name for t in pushing.tokens.all() if t.role is Role.VIEWER))
        until = time.monotonic() + 20
        with DeviceFile(file) as devices:  # the page looks by itself
            while len(devices.all()) == 2 and time.monotonic() < until:
                time.sleep(0.1)
            assert [d.endpoint for d in devices.all()] == [body(2)["endpoint"]]


def test_a_token_that_a_command_removes_takes_its_devices_along(pushing: Any, page_config: Config, file: Path) -> None:
    with pushing.client(Role.VIEWER) as ann:
        ann.post(f"{AT}/devices", json=body())
    (name,) = (t.name for t in pushing.tokens.all() if t.role is Role.VIEWER)
    target = "delivery.to={phones: {kind: push, contact: 'mailto:me@example.org'}}"
    remove_token(name, set_=(f"memory.file={page_config.memory.file}", target))
    with DeviceFile(file) as devices:
        assert devices.all() == []


def test_no_device_goes_while_the_file_of_tokens_is_away_for_a_moment(pushing: Any, file: Path) -> None:
    with pushing.client(Role.VIEWER) as ann:
        ann.post(f"{AT}/devices", json=body())
    forget_devices(file, pushing.tokens.path.with_name("away.json"))
    with DeviceFile(file) as devices:
        assert len(devices.all()) == 1


def test_a_place_that_cannot_be_looked_at_does_not_end_the_looking(
    page_config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    target = f"{{phones: {{kind: push, contact: 'mailto:me@example.org', file: {'x' * 300}}}}}"
    config = set_option(page_config, f"delivery.to={target}")

    async def look() -> None:
        with move_on_after(0.3):
            await PushApi(config, tokens_of(config)).run()

    asyncio.run(look())
    assert "File name too long" in caplog.text


def test_it_is_off_until_it_is_configured(page: Any, file: Path) -> None:
    with page.client(Role.ADMIN) as admin:
        assert admin.get("/api/v1/session").json()["push"] is False
        for answer in (admin.get(AT), admin.post(f"{AT}/devices", json=body())):
            assert (answer.status_code, answer.json()["code"]) == (409, "off")
            assert "expected a target of kind push in delivery.to of the configuration" in answer.json()["text"]
    assert not file.exists()


def test_there_must_be_a_place_for_the_devices(pushing: Any) -> None:
    nowhere = set_option(pushing.config, "memory.file=off", "page.tokens=tokens.json")
    with pytest.raises(ConfigError, match=r"delivery\.to\.phones\.file is empty, and no incidents are kept beside"):
        make_app(nowhere)


def test_the_page_can_be_installed(page: Any, repo_root: Path) -> None:
    static = repo_root / "stream" / "page" / "static"
    with page.client() as stranger:
        worker = stranger.get("/service-worker.js")
        assert worker.headers["content-type"].startswith("text/javascript")
        assert worker.content == (static / "service-worker.js").read_bytes()
        manifest = stranger.get("/static/manifest.webmanifest").json()
        assert (manifest["display"], manifest["start_url"], manifest["scope"]) == ("standalone", "/", "/")
        sizes = {icon["sizes"]: stranger.get(icon["src"]).content for icon in manifest["icons"]}
    for side in (192, 512):  # what browsers ask of what is to be installed
        png = sizes[f"{side}x{side}"]
        assert png[:4] == b"\x89PNG"
        assert int.from_bytes(png[16:20], "big") == int.from_bytes(png[20:24], "big") == side
