"""Budgets on the page, for real: a process reads the recording, an operator moves the slider and uses one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from testing_browser import chromium, needs_chromium
from testing_page import serving

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.learning.budget_table import BUDGETS
from dyadwatch.stream.page.server import make_server, tokens_of
from dyadwatch.stream.page.tokens import Role
from dyadwatch.stream.sockets.free_port import free_port
from dyadwatch.tools.budget_process import BudgetProcess

AXE = Path(__file__).parents[2] / "stream" / "page" / "axe" / "axe.min.js"
PATIENCE_S = 60.0  # the machine may be busy
AT = "/api/v1/learning/budgets"


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Config]:
    """The page of a folder of data, with the process that `dyadwatch page` would start."""
    options = (f"record.folder={folder}", *options)
    own = (f"page.bind=127.0.0.1:{free_port()}", f"sinks.bind=tcp://127.0.0.1:{free_port()}")
    config = set_option(Config(), *options, *own)
    server = make_server(config, work_out=BudgetProcess([word for option in options for word in ("--set", option)]))
    with serving(server, PATIENCE_S, PATIENCE_S):
        yield config


def client(config: Config, role: Role) -> httpx.Client:
    name = f"some {role} {time.monotonic_ns()}"
    headers = {"Authorization": f"Bearer {tokens_of(config).add(name, role)}"}
    return httpx.Client(base_url=f"http://{config.page.bind}", trust_env=False, timeout=30.0, headers=headers)


def answered(asked: httpx.Client, days: int = 1) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE_S
    while (now := asked.get(AT, params={"days": days}).json())["reading"]:
        assert time.monotonic() < until
        time.sleep(0.1)
    return now


def test_a_viewer_looks_and_an_operator_uses_one(own_site: Any) -> None:
    with (
        served(own_site.folder) as config,
        client(config, Role.VIEWER) as viewer,
        client(config, Role.OPERATOR) as operator,
    ):
        assert httpx.get(f"http://{config.page.bind}{AT}", trust_env=False).status_code == 401
        now = answered(viewer)
        table = now["table"]
        assert (now["failed"], now["fixed"], table["version"]) == ("", "", 1)
        assert [o["budget"] for o in table["offers"]] == list(BUDGETS)
        assert table["offers"][-1]["level"] > 1
        assert answered(operator)["table"]["id"] == table["id"], "told again, not read again"
        wanted = {"budget": "6/hour", "table": table["id"]}
        refused = viewer.post(f"{AT}/use", json=wanted)
        assert (refused.status_code, refused.json()["code"]) == (403, "role")
        foreign = operator.post(
            f"{AT}/use", json=wanted, headers={"Authorization": "", "Origin": "https://elsewhere.example"}
        )
        assert (foreign.status_code, foreign.json()["code"]) == (403, "origin")
        for body, status, code, text in (
            ({"budget": "1/day"}, 400, "body", "Object missing required field `table`"),
            ({**wanted, "budget": "1/week"}, 409, "budget", "budget is 1/week, for which 502.7 h are missing"),
            ({**wanted, "table": "x"}, 409, "budget", "table is 'x', which is not there any more; expected what was"),
        ):
            answer = operator.post(f"{AT}/use", json=body)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert answer.json()["text"].startswith(text)
        assert viewer.get(AT, params={"days": "3"}).json() == {
            "code": "query", "text": "days is '3'; expected one of 1, 7, 28"
        }  # fmt: skip
        assert own_site.models.read().current == 1
        used = operator.post(f"{AT}/use", json=wanted).json()
        assert (used["current"], used["before"], used["versions"][0]["budget"]) == (2, 1, "6/hour")
        assert own_site.models.read().by.startswith("some operator")
        again = answered(viewer)["table"]
        assert (again["version"], again["budget"], again["events"]) == (2, "6/hour", 0)
        assert operator.post("/api/v1/learning/back").json()["current"] == 1


@pytest.mark.parametrize(
    ("options", "fixed", "text"),
    [
        (("scorer.model=shipped",), "scorer.model", "scorer.model of the configuration decides what is judged by; "),
        (("alarm.raise_at=0.9",), "alarm.raise_at", "alarm.raise_at is set, and prevails over the levels of any "),
    ],
)
def test_what_the_configuration_sets_is_left_alone(site: Any, options: tuple[str, ...], fixed: str, text: str) -> None:
    with served(site.folder, *options) as config, client(config, Role.OPERATOR) as operator:
        now = answered(operator)
        assert (now["failed"], now["fixed"]) == ("", fixed)
        assert now["table"]["offers"][-1]["level"] > 1, "it may be looked at all the same"
        refused = operator.post(f"{AT}/use", json={"budget": "6/hour", "table": now["table"]["id"]})
        assert (refused.status_code, refused.json()["code"]) == (409, "fixed")
        assert refused.json()["text"].startswith(text)


def test_what_cannot_be_worked_out_is_said(tmp_path: Path) -> None:
    with served(tmp_path) as config, client(config, Role.VIEWER) as viewer:
        now = answered(viewer)
    assert now["table"] is None
    assert now["failed"] == "no model is in use, so that nobody is judged; expected a version, or scorer.model"
    with pytest.raises(DyadwatchError, match=r"wire\.bnd is not a key"):
        BudgetProcess(["--set", "wire.bnd=x"])(1)


@pytest.fixture
def opened() -> Iterator[Callable[..., Page]]:
    """A browser that is logged in and looks at Learning."""
    with chromium() as browser:

        def make(config: Config, role: Role = Role.OPERATOR, width: int = 1280, **more: Any) -> Page:
            context = browser.new_context(viewport={"width": width, "height": 800}, **{"locale": "en-GB", **more})
            context.set_default_timeout(1000 * PATIENCE_S)
            page = context.new_page()
            page.goto(f"http://{config.page.bind}/?token={tokens_of(config).link(role)}")
            page.evaluate("location.hash = '#/learning'")
            return page

        yield make


@pytest.mark.slow
@needs_chromium
def test_the_slider_shows_what_comes_and_goes_before_it_is_used(own_site: Any, opened: Callable[..., Page]) -> None:
    with served(own_site.folder) as config:
        page = opened(config)
        complaints: list[str] = []
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.get_by_label("Hours to try it on").select_option("1")
        page.get_by_role("button", name="Try it").click()
        slider = page.get_by_label("False alarms", exact=True)
        expect(slider).to_have_attribute("aria-valuetext", "at most 6 an hour", timeout=1000 * PATIENCE_S)
        expect(page.locator(".budget output")).to_have_text("at most 6 an hour")
        offered = page.locator(".budget .offer")
        expect(offered).to_contain_text("Alarms left: 0; at most")
        expect(offered.locator("details.go summary")).to_contain_text("Alarms that go:")
        assert offered.locator("details.go li a[href^='#/incident/']").count() > 0
        expect(page.get_by_role("img", name="Alarms in these hours at each level")).to_be_visible()
        slider.focus()
        page.keyboard.press("Home")
        short = "at most 1 a week: To vouch for that, 503 h more must be judged without an alarm."
        expect(slider).to_have_attribute("aria-valuetext", short)
        assert offered.get_by_role("button").count() == 0, "what is not vouched for cannot be used"
        page.keyboard.press("End")
        page.get_by_role("button", name="Use: at most 6 an hour").click()
        expect(page.get_by_text("Watching by version 2")).to_be_visible()
        expect(page.get_by_text("version 1 with other levels")).to_be_attached()
        expect(page.locator(".budget")).to_contain_text("Alarms at the present levels: 0;", timeout=1000 * PATIENCE_S)
        page.get_by_role("button", name="Back to version 1").click()
        expect(page.get_by_text("Watching by version 1")).to_be_visible()
        assert complaints == []
    assert own_site.models.read().version(2).by.startswith("link")


@pytest.mark.slow
@needs_chromium
def test_a_viewer_on_a_phone_sees_it_in_german(site: Any, opened: Callable[..., Page]) -> None:
    with served(site.folder) as config:
        page = opened(config, Role.VIEWER, 390, locale="de-DE", color_scheme="light")
        page.get_by_role("button", name="Ausprobieren").click()
        expect(page.locator(".budget output")).to_have_text("höchstens 6 in der Stunde", timeout=1000 * PATIENCE_S)
        assert page.get_by_role("button", name="Verwenden").count() == 0
        page.evaluate(AXE.read_text("utf8"))
        options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}}
        found = page.evaluate("options => axe.run(document, options)", options)
        assert [v["id"] for v in found["violations"] if v["impact"] in ("serious", "critical")] == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
