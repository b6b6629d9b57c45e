"""docs/wire-protocol.md says what the code does, and its examples run."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import threading
from enum import StrEnum
from pathlib import Path

import pytest
import zmq

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.skeletons.layouts import LAYOUTS, UPPER11
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.stream import messages, wire
from dyadwatch.stream.codes import (
    NAMED,
    REASONS,
    Blindness,
    DeliveryLoss,
    DeliveryState,
    EventReason,
    IncidentReason,
    MergeState,
    RecordingState,
    SourceState,
)
from dyadwatch.stream.configuration.config import Config, SecurityOptions, SinkOptions, WireOptions
from dyadwatch.stream.messages import (
    AttentionMessage,
    DeliveryNow,
    EventMessage,
    IncidentMessage,
    IncidentPair,
    JointPairPart,
    NearMissMessage,
    ScoreMessage,
    StatusMessage,
)
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.service import Service
from dyadwatch.stream.sockets.key_folder import KeyFolder


@pytest.fixture(scope="module")
def page(repo_root: Path) -> str:
    return (repo_root / "docs" / "wire-protocol.md").read_text("utf8")


def example(page: str, name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```python\n(.*?)```", page, re.DOTALL)
    assert found, f"no example {name}"
    return found[1]


def section(page: str, title: str) -> str:
    """From a heading up to the next one of its level or above."""
    start = page.index(f"\n{title}") + 1
    level = len(title) - len(title.lstrip("#"))
    end = re.compile(rf"^#{{1,{level}}} ", re.MULTILINE).search(page, start + 1)
    return page[start : end.start() if end else None]


def documented(text: str) -> set[str]:
    """The keys in the first column of tables."""
    rows = re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


def test_it_is_the_version_of_the_code(page: str) -> None:
    assert f"- **In**, version {wire.VERSION}: " in page
    assert f"- **Out**, version {messages.VERSION}: " in page
    assert f"`v` ({messages.VERSION})" in section(page, "## Out:")
    assert WireOptions().bind in page
    assert SinkOptions().bind in page


def test_every_header_key_is_documented_and_no_other(page: str) -> None:
    assert documented(section(page, "## In: a pose message")) == set(wire.Header.__struct_fields__)


@pytest.mark.parametrize(
    ("heading", "message"),
    [
        ("### `score.", ScoreMessage),
        ("### `event.", EventMessage),
        ("### `near_miss.", NearMissMessage),
        ("### `incident.", IncidentMessage),
        ("### `attention.", AttentionMessage),
        ("### `status.", StatusMessage),
    ],
)
def test_every_key_of_a_message_is_documented_and_no_other(
    page: str,
    heading: str,
    message: type[ScoreMessage | EventMessage | NearMissMessage | IncidentMessage | AttentionMessage | StatusMessage],
) -> None:
    everywhere = {"v", "source"}
    assert documented(section(page, heading)) == set(message.__struct_fields__) - everywhere
    for key in (*everywhere, message.__struct_config__.tag_field, message.__struct_config__.tag):
        assert f"`{key}`" in section(page, "## Out:")


def test_the_keys_of_joint_pairs_are_documented(page: str) -> None:
    for key in JointPairPart.__struct_fields__:
        assert f"`{key}`" in section(page, "### `event.")


def test_the_keys_of_the_pairs_of_incidents_are_documented(page: str) -> None:
    for key in IncidentPair.__struct_fields__:
        assert f"`{key}`" in section(page, "### `incident.")


def test_every_reason_is_documented_and_no_other(page: str) -> None:
    order = re.findall(r"\| ([^|]*`\w+`) \|$", section(page, "## Time"), re.MULTILINE)
    told = [
        *documented(section(page, "## What is refused")),
        *documented(section(page, "## Keys")),
        *(code for cell in order for code in re.findall(r"`(\w+)`", cell)),
    ]
    names = {str(reason): f"{reason}_<{what}>".replace("<sink>", "<name>") for reason, what in NAMED.items()}
    assert set(re.findall(r"`(\w+_<\w+>)`", page)) == set(names.values())
    codes = {names.get(str(reason), str(reason)) for reasons in REASONS for reason in reasons}
    assert set(told) | set(names.values()) == codes


@pytest.mark.parametrize(
    ("title", "codes"),
    [
        ("### Why an event is told", EventReason),
        ("### Why an incident is told", IncidentReason),
        ("### Why a source is blind", Blindness),
        ("### How sources are merged", MergeState),
        ("### How deliveries go", DeliveryState),
        ("### Whether it records", RecordingState),
    ],
)
def test_every_code_of_a_message_is_documented_in_its_order_and_no_other(
    page: str, title: str, codes: type[StrEnum]
) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?!what happened|`detail`)", section(page, title), re.MULTILINE)
    assert rows == [str(code) for code in codes]


def test_the_keys_of_deliveries_are_documented(page: str) -> None:
    (row,) = re.findall(r"^\| `deliveries` \|.*$", page, re.MULTILINE)
    assert set(re.findall(r"`([a-z]+)`", row)) - {"deliveries"} == set(DeliveryNow.__struct_fields__)
    assert all(f"`{loss}` (" in section(page, "### How deliveries go") for loss in DeliveryLoss)


def test_every_state_is_documented(page: str) -> None:
    (row,) = re.findall(r"^\| `state` \| (.*) \|$", page, re.MULTILINE)
    assert set(re.findall(r"`([a-z]+)`", row)) - {"blind"} == set(SourceState) - {SourceState.BLIND}


def test_what_stands_in_for_the_joints_of_the_shipped_model_is_that_of_the_code(page: str) -> None:
    rows = re.findall(r"^\|(.*)\|$", section(page, "## In: a pose message").split("`upper11` needs")[1], re.MULTILINE)
    columns = [
        ("sbu15",),
        ("mediapipe33", "coco17", "openpose25", "zed34", "zed26"),
        ("kinect25", "smpl22", "upper11"),
    ]
    told = {
        (name, joint): cell
        for joint, *cells in ([c.strip() for c in row.split("|")] for row in rows[1:])
        for names, cell in zip(columns, cells, strict=True)
        for name in names
        if cell != "itself"
    }
    derived = {}
    for layout in LAYOUTS.values():
        for joint, pair in zip(UPPER11.joints, JointMap.between(layout, UPPER11).pairs, strict=True):
            stands_in = " and ".join(dict.fromkeys(layout.joints[i] for i in pair))
            if stands_in != joint:
                derived[layout.name, joint] = stands_in
    assert told == derived


def test_limits_layouts_and_defaults_are_those_of_the_code(page: str) -> None:
    limits = Config().wire
    assert f"{limits.max_people} people" in page
    assert f"{limits.max_joints} joints" in page
    assert f"{limits.max_bytes >> 20} MiB" in page
    assert f"{limits.max_sources} sources" in page
    assert set(re.findall(r"`(\w+\d\d)`", section(page, "## In: a pose message"))) == set(LAYOUTS)
    clock = Config().clock
    assert f"{clock.reorder_s:g} s (`clock.reorder_s`)" in page
    assert f"{clock.max_jump_s:g} s ahead (`clock.max_jump_s`)" in page
    assert f"{clock.jump_frames} frames agree (`clock.jump_frames`)" in page
    assert f"{clock.max_gap_s:g} s (`clock.max_gap_s`" in page
    assert f"(`tracks.min_confidence`) ({Config().tracks.min_confidence:g})" in page.replace(
        "`tracks.min_confidence` (", "(`tracks.min_confidence`) ("
    )


def test_the_publisher_is_short_and_needs_two_packages(page: str) -> None:
    code = example(page, "publisher")
    assert set(re.findall(r"\w+", code.splitlines()[0])) == {"import", "math", "struct", "time", "msgpack", "zmq"}
    assert len([line for line in code.splitlines() if line.strip() and not line.startswith("import")]) <= 11


@pytest.mark.parametrize("keyed", [False, True], ids=["open", "with keys"])
def test_the_publisher_and_the_subscriber_of_the_page_run(
    page: str, scorer: Scorer, tmp_path: Path, keyed: bool
) -> None:
    """As two programs of their own against a service; shortened to four seconds, and on free ports."""
    with zmq.Context() as context, context.socket(zmq.REP) as one, context.socket(zmq.REP) as two:
        for socket in (one, two):
            socket.setsockopt(zmq.LINGER, 0)
            socket.bind("tcp://127.0.0.1:0")
        into, out = (s.getsockopt_string(zmq.LAST_ENDPOINT) for s in (one, two))
    defaults = Config()
    publisher = example(page, "publisher").replace(defaults.wire.bind, into).replace("range(300)", "range(120)")
    subscriber = (
        example(page, "subscriber").replace(defaults.sinks.bind, out).replace("while True", "for _ in range(3)")
    )
    assert "range(120)" in publisher
    assert into in publisher
    assert out in subscriber
    security, folders = SecurityOptions(), {"publisher": tmp_path, "subscriber": tmp_path}
    if keyed:
        keys = KeyFolder(tmp_path / "keys")
        security = SecurityOptions(keys=str(keys.path))
        for who, sources in (("publisher", ["demo"]), ("subscriber", [])):
            handed_over = keys.add(who, sources, listen=not sources)
            folders[who] = tmp_path / who
            folders[who].mkdir()
            handed_over.rename(folders[who] / "demo.key_secret")
            shutil.copy(keys.path / "server.key", folders[who])
        shown = f"{example(page, 'keys')}\nsocket.connect("
        publisher, subscriber = (code.replace("socket.connect(", shown) for code in (publisher, subscriber))
    config = Config(wire=WireOptions(bind=into), sinks=SinkOptions(bind=out), security=security)
    service = Service(scorer, Thresholds(raise_at=0.5, clear_at=0.4), config)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", subscriber], stdout=subprocess.PIPE, cwd=folders["subscriber"]
        ) as listener:
            done = subprocess.run(
                [sys.executable, "-c", publisher],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                cwd=folders["publisher"],
            )
            assert (done.returncode, done.stderr) == (0, "")
            told, _ = listener.communicate(timeout=60)
    finally:
        service.stop()
        thread.join(30)
    scores = [line.split(" ", 1) for line in told.decode().splitlines()]
    assert [topic for topic, _ in scores] == ["score.demo"] * 3
    last = ast.literal_eval(scores[-1][1])
    assert last["pair"] == ["ann", "bob"]
    assert last["score"] > 0
    assert service.counters.snapshot() == {}
