"""Being notified on this device, in a real browser: the button, the service worker, and what a message shows.

The browser has no push service here. Where a subscription is needed, `PushManager.subscribe` alone is replaced, by what
a push service would have given; permission, service worker, push events and notifications are the browser's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, BrowserContext, Page, expect
from testing_browser import chromium, needs_chromium

from dyadwatch.stream.codes import AttentionKind, Severity
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.delivery_options import PushOptions
from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.delivery.push_message import push_body
from dyadwatch.stream.delivery.wording import Wording
from dyadwatch.stream.messages import AttentionMessage
from dyadwatch.stream.push.device_file import DeviceFile
from dyadwatch.stream.push.push_device import device_id, to_base64url

pytestmark = [
    pytest.mark.slow,
    needs_chromium,
]
PATIENCE_MS = 30_000  # the machine may be busy
CONTACT = "mailto:me@example.org"
ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/one"
_POINT = (
    ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)
KEYS = {"p256dh": to_base64url(_POINT), "auth": to_base64url(b"0123456789abcdef")}
# What the browser's push service would do, and nothing else; it lasts across pages, as a subscription does.
PUSH_SERVICE = f"""
(() => {{
  const made = () => {{
    const key = localStorage.getItem("stub");
    return key === null ? null : {{
      endpoint: {ENDPOINT!r},
      options: {{ applicationServerKey: Uint8Array.from(JSON.parse(key)).buffer }},
      toJSON: () => ({{ endpoint: {ENDPOINT!r}, expirationTime: null, keys: {json.dumps(KEYS)} }}),
      unsubscribe: async () => {{ localStorage.removeItem("stub"); return true; }},
    }};
  }};
  PushManager.prototype.getSubscription = async () => made();
  PushManager.prototype.subscribe = async options => {{
    if (!options.userVisibleOnly) throw new Error("a browser would refuse that");
    localStorage.setItem("stub", JSON.stringify([...options.applicationServerKey]));
    return made();
  }};
}})();
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def opened(browser: Browser, pushing: Any) -> Iterator[Callable[..., Page]]:
    """A browser with the page's incidents; `granted` is whether somebody allowed notifications."""
    contexts: list[BrowserContext] = []

    def make(*, granted: bool = True, stub: bool = True, width: int = 1280, height: int = 800, **more: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, **{"locale": "en-GB", "color_scheme": "dark", **more}
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        if granted:
            context.grant_permissions(["notifications"], origin=pushing.url)
        if stub:
            context.add_init_script(PUSH_SERVICE)
        page = context.new_page()
        page.goto(f"{pushing.url}/?token={pushing.tokens.link()}")
        page.evaluate("location.hash = '#/incidents'")
        return page

    yield make
    for context in contexts:
        context.close()


def saying(number: int, what: AttentionKind = AttentionKind.CALL, id_: str = "a1b2c3", later_s: int = 0) -> str:
    """The bytes that a device decrypts, as text."""
    at = (1_795_960_980 + later_s) * 10**9
    message = AttentionMessage(
        what=what, source="hall", at=at, severity=Severity.ALARM, incidents=(id_,), text="look", explanation="a blow"
    )
    parcel = Parcel(key=f"{id_}-{number}", number=number, at=at, message=message)
    return push_body(parcel, Wording(PushOptions(contact=CONTACT), {})).decode()


class Worker:
    """The service worker of a page: what a push service sends it arrives through the browser's own debugger."""

    def __init__(self, page: Page, url: str) -> None:
        self._page, self._url = page, url
        self._session = page.context.new_cdp_session(page)
        self._ids: list[str] = []
        self._session.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda event: self._ids.extend(r["registrationId"] for r in event["registrations"] if not r["isDeleted"]),
        )
        self._session.send("ServiceWorker.enable")
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")

    def push(self, data: str) -> None:
        until = 100
        while not self._ids and until:
            self._page.wait_for_timeout(50)
            until -= 1
        self._session.send(
            "ServiceWorker.deliverPushMessage", {"origin": self._url, "registrationId": self._ids[-1], "data": data}
        )

    def shown(self, key: str) -> list[dict[str, Any]]:
        """What is shown, once the message with a key is."""
        script = """async key => {
            const there = async () => (await (await navigator.serviceWorker.ready).getNotifications());
            for (let i = 0; i < 200; i++) {
                if ((await there()).some(n => n.data.key === key)) break;
                await new Promise(done => setTimeout(done, 50));
            }
            const said = ({title, body, tag, silent, data}) => ({title, body, tag, silent, key: data.key});
            return (await there()).map(said);
        }"""
        return self._page.evaluate(script, key)


def tell_me(page: Page) -> None:
    page.get_by_role("button", name="Tell me on this device").click()
    expect(page.get_by_text("This device is told")).to_be_visible(timeout=PATIENCE_MS)


def test_a_device_is_added_by_the_button_and_taken_out_again(
    opened: Callable[..., Page], pushing: Any, page_config: Config
) -> None:
    page = opened()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.locator(".push-least select").select_option("alarm")
    tell_me(page)
    expect(page.get_by_text("Told here from now on, whether a page is open or not.")).to_be_visible()
    with DeviceFile(Path(page_config.memory.file).with_name("push.db")) as devices:
        (device,) = devices.all()
        assert (device.endpoint, device.p256dh, device.auth) == (ENDPOINT, KEYS["p256dh"], KEYS["auth"])
        assert device.id == device_id(ENDPOINT)
        assert (device.name, device.least) == ("Chrome, Linux", Severity.ALARM)
        assert device.who.startswith("link-")
        page.reload()
        expect(page.get_by_text("This device is told")).to_be_visible(timeout=PATIENCE_MS)
        page.get_by_text("1 device is told").click()
        expect(page.locator(".push-devices li")).to_contain_text("Chrome, Linux")
        expect(page.locator(".push-devices li")).to_contain_text("nothing sent yet")
        page.locator(".push-least select").select_option("critical")
        expect(page.locator(".push-devices li")).to_contain_text("critical alone")
        assert devices.all()[0].least is Severity.CRITICAL
        devices.failed(device.id, 1, "https://updates.push.services.mozilla.com answered 500")
        page.reload()
        page.get_by_text("1 device is told").click()
        expect(page.locator(".push-devices .warning")).to_contain_text("answered 500")
        page.get_by_role("button", name="No longer on this device").click()
        expect(page.get_by_role("button", name="Tell me on this device")).to_be_visible(timeout=PATIENCE_MS)
        assert devices.all() == []
        tell_me(page)
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("heading", name="Log in")).to_be_visible(timeout=PATIENCE_MS)
        assert devices.all() == [], "who logs out is notified no more"
    assert [c for c in complaints if "401" not in c] == []


def test_a_message_is_shown_in_the_place_of_the_one_before_and_leads_to_the_incident(
    opened: Callable[..., Page], pushing: Any
) -> None:
    page = opened()
    tell_me(page)
    worker = Worker(page, pushing.url)
    worker.push(saying(1))
    (call,) = worker.shown("a1b2c3-1")
    assert (call["title"], call["tag"], call["silent"]) == ("hall: please look", "a1b2c3", False)
    assert call["body"] == "hall: please look; a blow"
    worker.push(saying(1, id_="d4e5f6"))
    assert len(worker.shown("d4e5f6-1")) == 2
    worker.push(saying(3, AttentionKind.CLEARED))
    over = {n["tag"]: n for n in worker.shown("a1b2c3-3")}
    assert (len(over), over["a1b2c3"]["title"], over["a1b2c3"]["silent"]) == (2, "hall: it is over", True)
    worker.push(saying(2, AttentionKind.ESCALATED))  # the push service delivered it late
    worker.push(saying(2, id_="d4e5f6"))
    late = {n["tag"]: n for n in worker.shown("d4e5f6-2")}
    assert (len(late), late["a1b2c3"]["key"]) == (2, "a1b2c3-3")
    # A click on a notification is the system's and cannot be made here: the event is made, what follows is real.
    (background,) = page.context.service_workers
    background.evaluate("""async () => {
        const [notification] = await registration.getNotifications({tag: "a1b2c3"});
        dispatchEvent(new NotificationEvent("notificationclick", {notification}));
    }""")
    expect(page).to_have_url(re.compile("#/incident/a1b2c3$"), timeout=PATIENCE_MS)
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 and 2", timeout=PATIENCE_MS)


def test_a_new_message_is_not_hidden_by_one_with_a_higher_number_from_before(
    opened: Callable[..., Page], pushing: Any
) -> None:
    page = opened()
    tell_me(page)
    worker = Worker(page, pushing.url)
    worker.push(saying(7))
    assert len(worker.shown("a1b2c3-7")) == 1
    worker.push(saying(1, later_s=60))  # the spool was lost: numbers begin anew
    assert [(n["key"], n["silent"]) for n in worker.shown("a1b2c3-1")] == [("a1b2c3-1", False)]


def test_who_logs_out_while_the_server_forgets_nobody_is_reached_no_more(
    opened: Callable[..., Page],
) -> None:
    page = opened()
    tell_me(page)
    page.route("**/api/v1/push/devices/*/remove", lambda route: route.abort())
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible(timeout=PATIENCE_MS)
    assert page.evaluate("localStorage.getItem('stub')") is None


def test_a_device_follows_its_address(opened: Callable[..., Page], pushing: Any, page_config: Config) -> None:
    page = opened()
    page.locator(".push-least select").select_option("alarm")
    tell_me(page)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    (background,) = page.context.service_workers
    # No push service is here that would change it: the event is made, what follows is real.
    change = """([old, anew, keys]) => {
        const of = endpoint => ({endpoint, options: {}, toJSON: () => ({endpoint, keys})});
        const said = {oldSubscription: old && of(old), newSubscription: of(anew)};
        dispatchEvent(Object.assign(new ExtendableEvent("pushsubscriptionchange"), said));
    }"""
    with DeviceFile(Path(page_config.memory.file).with_name("push.db")) as devices:
        before = devices.all()[0]
        background.evaluate(change, [None, f"{ENDPOINT}/lost", KEYS])
        background.evaluate(change, [f"{ENDPOINT}/unknown", f"{ENDPOINT}/lost", KEYS])
        background.evaluate(change, [ENDPOINT, f"{ENDPOINT}/anew", KEYS])
        for _ in range(200):
            if [d.endpoint for d in devices.all()] == [f"{ENDPOINT}/anew"]:
                break
            page.wait_for_timeout(50)
        (after,) = devices.all()
    assert (after.endpoint, after.id) == (f"{ENDPOINT}/anew", device_id(f"{ENDPOINT}/anew"))
    assert (after.name, after.least, after.who) == (before.name, Severity.ALARM, before.who)


def test_what_is_in_the_way_is_said(opened: Callable[..., Page]) -> None:
    page = opened(granted=False)  # nobody is there to allow it
    page.get_by_role("button", name="Tell me on this device").click()
    expect(page.get_by_text("Notifications of this page are blocked in this browser")).to_be_visible(
        timeout=PATIENCE_MS
    )


def test_a_push_service_out_of_reach_is_said(opened: Callable[..., Page]) -> None:
    page = opened(stub=False)
    page.get_by_role("button", name="Tell me on this device").click()
    expect(page.locator(".push .note")).to_contain_text(
        re.compile("could not reach|blocked|did not work"), timeout=PATIENCE_MS
    )
    expect(page.get_by_role("button", name="Tell me on this device")).to_be_enabled()


def test_nothing_of_it_is_there_while_it_is_off(browser: Browser, page: Any) -> None:
    with browser.new_context(locale="de-DE") as context:
        one = context.new_page()
        one.goto(f"{page.url}/?token={page.tokens.link()}")
        one.evaluate("location.hash = '#/incidents'")
        expect(one.locator("a.incident").first).to_be_visible(timeout=PATIENCE_MS)
        assert one.get_by_role("button", name="Auf diesem Gerät melden").count() == 0


@pytest.mark.parametrize(("width", "height", "theme"), [(390, 844, "light"), (1280, 800, "dark")])
def test_it_speaks_german_and_fits_the_screen(opened: Callable[..., Page], width: int, height: int, theme: Any) -> None:
    page = opened(width=width, height=height, color_scheme=theme, locale="de-DE")
    page.get_by_role("button", name="Auf diesem Gerät melden").click()
    expect(page.get_by_text("Auf diesem Gerät wird gemeldet")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_text("Auf 1 Gerät wird gemeldet").click()
    axe = (Path(__file__).parent / "axe" / "axe.min.js").read_text("utf8")
    page.evaluate(axe)
    # Nothing is as bright as usual, since no detector runs here; tests/tools/test_page.py looks at contrast beside one.
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}}
    found = page.evaluate("options => axe.run(document, options)", options)
    assert [v["id"] for v in found["violations"] if v["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
