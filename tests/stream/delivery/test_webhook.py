"""Webhooks against real HTTP servers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.codes import DeliveryLoss, DeliveryState
from dyadwatch.stream.configuration.delivery_options import WebhookOptions
from dyadwatch.stream.delivery.webhook import WebhookCarrier, signature
from dyadwatch.stream.delivery.wording import Wording


def test_a_request_holds_key_time_and_signature_that_a_receiver_can_check(
    deliver: Any, server: Any, updates: Any, until: Any, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    sink = deliver(hook=WebhookOptions(url=server.url, secret_file=str(secret)))
    sink.emit([updates.incident()])
    sink.emit([updates.call()])
    until(lambda: len(server.taken) == 2, "both updates")
    (headers, body), (_, call) = server.taken
    assert headers["webhook-id"] == headers["idempotency-key"] == "1405dc-1"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 5
    signed = f"1405dc-1.{headers['webhook-timestamp']}.".encode() + body
    code = base64.b64encode(hmac.digest(b"open sesame", signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{code}"
    told = json.loads(body)
    assert (told["key"], told["number"], told["message"]["kind"]) == ("1405dc-1", 1, "incident")
    assert told["incident"] is None
    assert json.loads(call)["incident"]["id"] == "1405dc"
    assert json.loads(call)["key"] == "1405dc-2"


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of the Standard Webhooks specification.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    id_, stamp = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"
    assert signature(key, id_, stamp, body) == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_server_that_fails_for_a_while_gets_all_in_order_and_once(
    deliver: Any, server: Any, updates: Any, until: Any
) -> None:
    server.always = 500
    sink = deliver(hook=WebhookOptions(url=server.url))
    for i in range(5):
        sink.emit([updates.incident(f"i{i}"), updates.call(f"i{i}")])
    until(lambda: len(server.asked) >= 2, "a second try")
    ((_, found, account),) = sink.states()
    assert found.code is DeliveryState.FAILING
    assert found.detail["error"] == f"http://127.0.0.1:{server.port} answered 500 Internal Server Error"
    assert (account.waiting, account.delivered) == (10, 0)
    assert account.since is not None
    server.always = None
    until(lambda: len(server.taken) == 10, "all updates")
    assert server.took() == [f"i{i}-{n}" for i in range(5) for n in (1, 2)]
    until(lambda: sink.states()[0][1].code is DeliveryState.READY, "the end")
    assert sink.states()[0][2].delivered == 10


def test_a_server_that_is_down_is_waited_for_across_a_restart_of_the_detector(
    deliver: Any, make_server: Any, free_port: Any, updates: Any, until: Any
) -> None:
    port = free_port()
    options = WebhookOptions(url=f"http://127.0.0.1:{port}/hook")
    sink = deliver(hook=options)
    sink.emit([updates.incident(), updates.call()])
    until(lambda: sink.states()[0][1].code is DeliveryState.FAILING, "the failure")
    assert "does not answer (ConnectError" in str(sink.states()[0][1].detail["error"])
    sink.close()
    server = make_server(port)
    sink = deliver(hook=options)
    sink.emit([updates.incident(kind="close")])
    until(lambda: len(server.taken) == 3, "what waited")
    assert server.took() == ["1405dc-1", "1405dc-2", "1405dc-3"]


def test_a_server_that_never_answers_holds_up_nobody(deliver: Any, server: Any, updates: Any, until: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        sink = deliver(mute=WebhookOptions(url=url, timeout_s=0.5), hook=WebhookOptions(url=server.url))
        began = time.monotonic()
        for i in range(20):
            sink.emit([updates.incident(f"i{i}")])
        assert time.monotonic() - began < 5  # nothing was waited for but the disk
        until(lambda: len(server.taken) == 20, "what is for the other")
        until(lambda: sink.states()[0][1].code is DeliveryState.FAILING, "the failure")
        assert "does not answer (ReadTimeout: timed out)" in str(sink.states()[0][1].detail["error"])
        assert sink.states()[0][2].waiting == 20
        began = time.monotonic()
        sink.close()
        assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("status", [400, 410, 413, 422])
def test_what_the_server_will_never_take_is_counted_and_left_out(
    deliver: Any, server: Any, updates: Any, until: Any, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    server.answers = [status]
    sink = deliver(hook=WebhookOptions(url=server.url))
    sink.emit([updates.incident("a"), updates.incident("b")])
    until(lambda: server.took() == ["b-1"], "the other one")
    until(lambda: sink.states()[0][2].delivered == 1, "its account")
    assert sink.states()[0][2].dropped == {DeliveryLoss.REFUSED: 1}
    assert f"a-1 is left out: the other side does not take it (http://127.0.0.1:{server.port} answered {status}" in (
        caplog.text
    )


@pytest.mark.parametrize("status", [301, 401, 404, 429, 503])
def test_what_may_be_put_right_is_tried_again(deliver: Any, server: Any, updates: Any, until: Any, status: int) -> None:
    server.answers = [status]
    sink = deliver(hook=WebhookOptions(url=server.url))
    sink.emit([updates.incident()])
    until(lambda: server.took() == ["1405dc-1"], "the second try")
    assert len(server.asked) == 2
    assert server.asked[0][1] == server.asked[1][1]  # the same bytes


def test_secrets_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def error(**options: Any) -> str:
        target = WebhookOptions(url="http://127.0.0.1/", **options)
        with pytest.raises(ConfigError) as caught:
            WebhookCarrier("delivery.to.hook", target, Wording(target, {}))
        return str(caught.value)

    missing, empty = tmp_path / "none", tmp_path / "empty"
    empty.write_text(" \n")
    assert error(secret_file=str(missing)) == (
        f"delivery.to.hook.secret_file is {missing}, which cannot be read (No such file or directory); expected a text "
        "file that holds the secret"
    )
    assert error(secret_file=str(empty)) == (
        f"delivery.to.hook.secret_file is {empty}, which is empty; expected a file that holds the secret"
    )
    assert error(secret_env="DYADWATCH_NONE") == (
        "delivery.to.hook.secret_env is DYADWATCH_NONE, which is not set; expected a variable of the environment that "
        "holds the secret"
    )
    monkeypatch.setenv("DYADWATCH_HOOK", "whsec_!!")
    assert error(secret_env="DYADWATCH_HOOK") == (
        "delivery.to.hook: the secret after whsec_ is no Base64; expected Base64, or plain text"
    )
