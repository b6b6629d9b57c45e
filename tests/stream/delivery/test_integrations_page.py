"""The receivers and the configuration of docs/integrations.md, as they stand there."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dyadwatch.stream.configuration.config_file import parse_config
from dyadwatch.stream.configuration.delivery_options import MqttOptions, PushOptions, TargetOptions, WebhookOptions
from dyadwatch.stream.configuration.templates import FIELDS


@pytest.fixture(scope="module")
def page(repo_root: Path) -> str:
    return (repo_root / "docs" / "integrations.md").read_text("utf8")


def example(page: str, language: str) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0]


@pytest.mark.parametrize("language", ["python", "js"])
def test_a_receiver_takes_what_is_signed_and_leaves_out_what_it_has(
    page: str, language: str, deliver: Any, free_port: Any, updates: Any, until: Any, tmp_path: Path
) -> None:
    program = {"python": sys.executable, "js": shutil.which("node")}[language]
    if program is None:
        pytest.skip("no node here")
    file, port, secret = tmp_path / "receiver.mjs", free_port(), tmp_path / "secret"
    file.write_text(example(page, language))
    secret.write_text("open sesame")
    out = (tmp_path / "out").open("w+")
    receiver = subprocess.Popen(
        [program, str(file), str(port)], stdout=out, stderr=out, env={"WEBHOOK_SECRET": "open sesame"}
    )
    try:
        until(lambda: _listens(port), "the receiver")
        url = f"http://127.0.0.1:{port}/"
        sink = deliver(good=WebhookOptions(url=url, secret_file=str(secret)), again=WebhookOptions(
            url=url, secret_file=str(secret)), forged=WebhookOptions(url=url))  # fmt: skip
        sink.emit([updates.incident("a"), updates.incident("b")])
        until(lambda: [account.delivered for _, _, account in sink.states()][:2] == [2, 2], "both, twice")
        until(
            lambda: "answered 401" in str(sink.states()[2][1].detail.get("error")), "the refusal of what is not signed"
        )
    finally:
        receiver.kill()
        receiver.wait()
        out.close()
    told = [line for line in (tmp_path / "out").read_text().splitlines() if line.startswith("hall: ")]
    assert len(told) == 2
    assert all(line.startswith("hall: two people behave unusually since") for line in told)


def _listens(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def test_the_configuration_of_the_page_is_one(page: str) -> None:
    config = parse_config(example(page, "yaml"), "site.yaml")
    assert list(config.delivery.to) == ["home", "hook", "night", "bell"]


def test_keys_and_fields_are_documented_and_no_other(page: str) -> None:
    def keys(heading: str) -> set[str]:
        section = page.split(f"## {heading}")[1].split("\n## ")[0]
        rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        return {key for row in rows for key in re.findall(r"`(\w+)`", row)}

    assert keys("What holds for every target") == set(TargetOptions.__struct_fields__)
    own = set(MqttOptions.__struct_fields__) - set(TargetOptions.__struct_fields__)
    assert keys("MQTT and Home Assistant") - {"incidents", "calls"} == own
    own = set(PushOptions.__struct_fields__) - set(TargetOptions.__struct_fields__)
    assert keys("Push to phones and computers") - {"port"} == own
    assert f"with `{' '.join(FIELDS)}`" in page
