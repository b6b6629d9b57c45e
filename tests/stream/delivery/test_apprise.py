"""Apprise against a receiver like ntfy."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from apprise.decorators import notify
from PIL import Image

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.codes import AttentionKind, DeliveryState
from dyadwatch.stream.configuration.delivery_options import AppriseOptions
from dyadwatch.stream.delivery.apprise_carrier import AppriseCarrier
from dyadwatch.stream.delivery.wording import Wording

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise loads it


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apprise leaves five seconds between two messages to a real service."""
    from apprise.plugins.base import NotifyBase

    monkeypatch.setattr(NotifyBase, "request_rate_per_sec", 0.0)


def test_a_phone_gets_the_call_and_that_it_is_over(deliver: Any, server: Any, updates: Any, until: Any) -> None:
    sink = deliver(phone=AppriseOptions(url=f"ntfy://127.0.0.1:{server.port}/ward"))
    sink.emit([updates.incident(), updates.call(), updates.incident(kind="update")])
    sink.emit([updates.incident(kind="close"), updates.call(what=AttentionKind.CLEARED)])
    until(lambda: len(server.taken) == 2, "both")
    (first, last) = (json.loads(body) for _, body in server.taken)
    assert first["topic"] == "ward"
    assert first["title"] == "hall: please look"
    assert first["message"].startswith("hall: two people behave unusually since ")
    assert first["message"].endswith("; right hand of 2 toward the head of 1")
    assert last["title"] == "hall: it is over"
    assert "two people behaved unusually from " in last["message"]


def test_a_service_that_has_it_does_not_get_it_again_because_another_has_not(
    deliver: Any, server: Any, make_server: Any, updates: Any, until: Any, tmp_path: Path
) -> None:
    other = make_server(0)
    other.answers = [500]
    file = tmp_path / "phones"
    file.write_text(f"# the ward\nntfy://127.0.0.1:{server.port}/a\n\nntfy://127.0.0.1:{other.port}/b\n")
    sink = deliver(phone=AppriseOptions(url_file=str(file)))
    sink.emit([updates.call()])
    until(lambda: sink.states()[0][1].code is DeliveryState.FAILING, "the failure")
    assert str(sink.states()[0][1].detail["error"]).startswith("ntfy did not take it (Failed to send ntfy notification")
    until(lambda: len(other.taken) == 1, "the second try")
    assert (len(server.taken), len(other.asked)) == (1, 2)


def test_a_picture_goes_with_what_asks_people_to_look(
    deliver: Any, server: Any, updates: Any, until: Any, peaks: Any
) -> None:
    sink = deliver(peaks=peaks, phone=AppriseOptions(url=f"ntfy://127.0.0.1:{server.port}/ward"))
    sink.emit([updates.incident(), updates.call()])
    sink.emit([updates.incident(kind="close"), updates.call(what=AttentionKind.CLEARED)])
    until(lambda: len(server.taken) == 2, "both")
    words = parse_qs(urlsplit(server.paths[0]).query)
    assert urlsplit(server.paths[0]).path == "/ward"
    assert (words["title"], words["filename"]) == (["hall: please look"], ["dyadwatch.png"])
    assert words["message"][0].endswith("; right hand of 2 toward the head of 1")
    picture = Image.open(io.BytesIO(server.taken[0][1]))
    assert (picture.format, picture.size) == ("PNG", (960, 640))
    assert json.loads(server.taken[1][1])["title"] == "hall: it is over"  # as JSON, without any


def test_a_service_that_refuses_pictures_gets_the_words_and_no_other_picture(
    deliver: Any, server: Any, updates: Any, until: Any, peaks: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [413]
    sink = deliver(peaks=peaks, phone=AppriseOptions(url=f"ntfy://127.0.0.1:{server.port}/ward"))
    sink.emit([updates.incident(), updates.call(), updates.call(what=AttentionKind.ESCALATED)])
    until(lambda: len(server.taken) == 2, "both")
    assert [json.loads(body)["title"] for _, body in server.taken] == [
        "hall: please look",
        "hall: please look, nobody has answered yet",
    ]
    assert len(server.asked) == 3
    assert "ntfy takes no picture (Failed to send ntfy notification" in caplog.text
    assert "; for an hour it gets none" in caplog.text


def test_a_service_that_posts_the_words_before_it_fails_on_the_picture_shows_them_twice_and_then_once(
    deliver: Any, updates: Any, until: Any, peaks: Any
) -> None:
    posted: list[str] = []

    @notify(on="halves")
    def post(body: str, title: str, notify_type: str, *_: Any, attach: Any = None, **__: Any) -> bool:
        posted.append(title)
        return not attach

    sink = deliver(peaks=peaks, phone=AppriseOptions(url="halves://"))
    sink.emit([updates.incident(), updates.call(), updates.call(what=AttentionKind.ESCALATED)])
    until(lambda: len(posted) == 3, "both")
    assert posted == ["hall: please look"] * 2 + ["hall: please look, nobody has answered yet"]


def test_a_service_that_is_down_gets_its_picture_once_it_is_back(
    deliver: Any, server: Any, updates: Any, until: Any, peaks: Any
) -> None:
    server.answers = [500, 500]
    sink = deliver(peaks=peaks, phone=AppriseOptions(url=f"ntfy://127.0.0.1:{server.port}/ward"))
    sink.emit([updates.incident(), updates.call()])
    until(lambda: len(server.taken) == 1, "it")
    assert server.taken[0][1].startswith(b"\x89PNG")


def test_no_picture_where_none_is_wanted(deliver: Any, server: Any, updates: Any, until: Any, peaks: Any) -> None:
    sink = deliver(peaks=peaks, phone=AppriseOptions(url=f"ntfy://127.0.0.1:{server.port}/ward", picture=False))
    sink.emit([updates.incident(), updates.call()])
    until(lambda: len(server.taken) == 1, "it")
    assert json.loads(server.taken[0][1])["title"] == "hall: please look"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("# none\n", "delivery.to.phone has no address; expected one a line, such as ntfys://ntfy.example.org/topic"),
        (
            "ntfy://host/topic\nhttp//nonsense\n",
            "delivery.to.phone: line 2 of the addresses is none that Apprise knows; expected one a line, such as "
            "ntfys://ntfy.example.org/topic or mailto://user:password@example.org",
        ),
    ],
)
def test_addresses_that_are_none(text: str, error: str, tmp_path: Path) -> None:
    file = tmp_path / "phones"
    file.write_text(text)
    options = AppriseOptions(url_file=str(file))
    with pytest.raises(ConfigError) as caught:
        AppriseCarrier("delivery.to.phone", options, Wording(options, {}))
    assert str(caught.value) == error
