"""Apprise against a receiver like ntfy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

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
