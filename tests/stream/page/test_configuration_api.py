"""Settings are seen by all, changed by admins, whole or not at all; a real detector takes them up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from testing_waits import until

from dyadwatch.loading import configure
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import load_config, set_option
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.page.tokens import Role
from dyadwatch.stream.settings.exchange import Exchange, revision_of
from dyadwatch.stream.sockets.free_port import free_port
from dyadwatch.tools.run import service_of

AT = "/api/v1/configuration"
TEXT = """\
# of the hall
alarm:
  hold_s: 2  # short
delivery:
  to: {there: {kind: webhook, url: "http://127.0.0.1:9/the-right-to-send"}}
"""


class Site(NamedTuple):
    """A running detector with its page."""

    file: Path
    config: Config
    page: Any

    def now(self, role: Role = Role.ADMIN) -> dict[str, Any]:
        with self.page.client(role) as client:
            return client.get(AT).json()

    def change(self, role: Role = Role.ADMIN, **body: Any) -> Any:
        with self.page.client(role, timeout=60.0) as client:
            return client.post(AT, json=body)


def settings(now: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {s["key"]: s for section in now["sections"] for s in section["settings"]}


@pytest.fixture
def site(tmp_path: Path, page_config: Config, serve: Callable[..., Any]) -> Iterator[Site]:
    """`dyadwatch run` as far as settings go: its configuration, its service, and a page with the same configuration."""
    file = tmp_path / "hall.yaml"
    file.write_text(TEXT)
    options = (
        f"memory.file={tmp_path / 'site.db'}",
        f"page.bind={page_config.page.bind}",
        f"sinks.bind={page_config.sinks.bind}",
        f"wire.bind=tcp://127.0.0.1:{free_port()}",
        "sinks.status_s=0.2",
    )
    config = configure(file, options, Path("simulated"))
    service = service_of(file, options, Path("simulated"), {})
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        with serve(config) as page:
            found = Site(file, config, page)
            until(lambda: found.now()["locked"] is None, "the detector", 30.0)
            yield found
    finally:
        service.stop()
        thread.join(30)
        assert not thread.is_alive()


def test_every_setting_is_told_with_what_it_takes(site: Site) -> None:
    now = site.now()
    assert (now["file"], now["unread"], now["why"], now["changes"]) == (str(site.file), False, "", [])
    known = settings(now)
    assert set(known) >= {"alarm.hold_s", "zones", "schedules", "wire.max_people", "delivery.names"}
    hold = known["alarm.hold_s"]
    assert (hold["value"], hold["default"], hold["live"], hold["fixed"]) == (2.0, 2.0, True, False)
    assert (hold["schema"], hold["expected"]) == ({"type": "number", "minimum": 0}, "a number >= 0")
    assert hold["text"].startswith("Seconds")
    assert (known["sinks.status_s"]["fixed"], known["sinks.status_s"]["value"]) == (True, 0.2)
    assert known["scorer.model"]["fixed"], "by --model"
    assert not known["wire.max_people"]["live"]


def test_addresses_of_targets_are_for_admins_alone(site: Site) -> None:
    assert settings(site.now())["delivery.to"]["value"]["there"]["url"].endswith("/the-right-to-send")
    for role in (Role.OPERATOR, Role.VIEWER):
        now = site.now(role)
        assert "the-right-to-send" not in str(now)
        assert settings(now)["delivery.to"]["hidden"]
        assert settings(now)["alarm.hold_s"]["value"] == 2.0
        refused = site.change(role, settings={"alarm.hold_s": 3})
        assert (refused.status_code, refused.json()["code"]) == (403, "role")
    with site.page.client() as stranger:
        assert stranger.get(AT).status_code == 401
        assert stranger.post(AT, json={}).status_code == 403, "no Origin"
    assert site.file.read_text() == TEXT


def test_a_program_that_is_run_is_named_by_hand_alone(site: Site) -> None:
    """Whoever steals an admin's token must not run programs; what the file names already may stay."""
    present = settings(site.now())["delivery.to"]["value"]
    bell = {"bell": {"kind": "command", "command": ["/bin/true"]}}
    refused = site.change(settings={"delivery.to": {**present, **bell}})
    assert refused.status_code == 422
    assert refused.json()["errors"] == {
        "delivery.to": "delivery.to.bell runs a program, /bin/true; expected a change of that by hand, in hall.yaml: "
        "whoever steals a token must not run programs"
    }
    assert site.file.read_text() == TEXT


def test_a_change_is_taken_up_kept_and_told(site: Site) -> None:
    zones = {"hall": [{"name": "mat", "corners": [[0, 0], [1, 0], [1, 1]], "ignore": True}]}
    wanted = {"alarm.hold_s": 3, "wire.max_people": 4, "zones": zones}
    done = site.change(settings=wanted, revision=site.now()["revision"])
    assert done.status_code == 200, done.text
    told = done.json()
    assert [(c["key"], c["after"], c.get("waits", False)) for c in told["changes"]] == [
        ("alarm.hold_s", 3.0, False),
        ("zones", told["changes"][1]["after"], False),
        ("wire.max_people", 4, True),
    ]
    assert told["kept"]
    assert told["who"].startswith("admin ")
    assert "# of the hall\nalarm:\n  hold_s: 3  # short\n" in site.file.read_text(), "remarks and order stay"
    assert load_config(site.file).wire.max_people == 4
    with Store(Path(site.config.memory.file)) as store:
        ((change),) = store.runs(1)[0].changes
    assert (change.who, change.at, len(change.changes)) == (told["who"], told["at"], 3)
    now = site.now()
    assert now == told["now"]
    assert (now["changes"][0]["who"], now["unread"]) == (told["who"], False)
    people = settings(now)["wire.max_people"]
    assert (people["value"], people["waits"], people["in_force"]) == (4, True, 32)
    assert site.change(settings={"alarm.hold_s": 3.0}).json()["changes"] == [], "nothing differs"
    assert len(site.now()["changes"]) == 1


@pytest.mark.parametrize(
    ("body", "status", "code", "errors"),
    [
        ({"settings": {"alarm.hold_s": -1, "alarm.shadow": True, "pairs.enter_m": "far"}}, 422, "settings",
         {"alarm.hold_s": "hall.yaml line 3: alarm.hold_s is -1; expected a number >= 0",
          "pairs.enter_m": "hall.yaml line 7: pairs.enter_m is 'far'; expected a number > 0"}),
        ({"settings": {"alarm.hold": 3}}, 422, "settings",
         {"alarm.hold": "hall.yaml: alarm.hold is not a key; did you mean 'alarm.hold_s'?"}),
        ({"settings": {"alarm": {}}}, 422, "settings",
         {"alarm": "hall.yaml: alarm is a section; expected a key of it, as alarm.hold_s is"}),
        ({"settings": {"sinks.status_s": 3}}, 422, "settings",
         {"sinks.status_s": "sinks.status_s is set by the command line of the detector; expected a change there, with "
          "--set or its flag"}),
        ({"settings": {"page.certificate": "chain.pem"}}, 422, "settings",
         {"page.key": "page.certificate is set and page.key is not; expected both for TLS, or neither"}),
        ({"settings": {"alarm.calibration": "missing.yaml"}}, 409, "refused", None),
        ({"settings": {"alarm.hold_s": 3}, "revision": "of yesterday"}, 409, "revision", None),
        ({"settings": {}}, 400, "body", None),
        ({"alarm.hold_s": 3}, 400, "body", None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_key_and_nothing_is_changed(
    site: Site, body: dict[str, Any], status: int, code: str, errors: dict[str, str] | None
) -> None:
    refused = site.change(**body)
    told = refused.json()
    assert (refused.status_code, told["code"]) == (status, code), told
    if errors is not None:
        assert told["errors"] == errors
    if code == "refused":
        assert "missing.yaml: no such calibration file" in told["text"]
    assert site.file.read_text() == TEXT
    assert site.now()["changes"] == []


def test_what_somebody_else_wrote_meanwhile_is_not_lost(site: Site) -> None:
    looked = site.now()["revision"]
    by_hand = TEXT.replace("hold_s: 2", "hold_s: 5")
    site.file.write_text(by_hand)
    refused = site.change(settings={"incidents.linger_s": 4}, revision=looked)
    assert (refused.status_code, refused.json()["code"]) == (409, "revision")
    assert site.file.read_text() == by_hand
    now = site.now()
    assert (now["unread"], settings(now)["alarm.hold_s"]["value"]) == (True, 5.0)
    done = site.change(settings={"incidents.linger_s": 4}, revision=now["revision"]).json()
    assert {c["key"] for c in done["changes"]} == {"alarm.hold_s", "incidents.linger_s"}


def test_a_page_without_its_detector_says_so(page_config: Config, page: Any) -> None:
    with page.client(Role.ADMIN) as admin:
        now = admin.get(AT).json()
        assert (now["locked"], now["file"]) == ("not_heard", "")
        assert now["why"].startswith("the detector does not answer; ")
        refused = admin.post(AT, json={"settings": {"alarm.hold_s": 3}})
    assert (refused.status_code, refused.json()["code"]) == (409, "locked")
    exchange = Exchange.of(page_config)
    assert exchange is not None
    assert not exchange.request.exists()


def test_a_file_that_is_not_there_has_no_revision(tmp_path: Path) -> None:
    assert revision_of(tmp_path / "none") == ""


def test_nothing_is_kept_nothing_is_changed() -> None:
    assert Exchange.of(set_option(Config(), "memory.file=off")) is None
