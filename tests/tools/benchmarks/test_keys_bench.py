"""`dyadwatch bench keys`: both receivers are real, and what is refused is told instead of measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.stream.sockets.key_folder import KeyFolder
from dyadwatch.tools.benchmarks.keyed_receiver import KeyedReceiver
from dyadwatch.tools.benchmarks.keys import keys


@pytest.mark.slow
def test_every_message_is_measured_on_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    keys(rounds=2, messages=300, paced=50, json=True)
    report = msgspec.json.decode(capsys.readouterr().out)
    assert set(report["people"]) == {"2", "8"}
    assert report["people"]["2"]["bytes"] < report["people"]["8"]["bytes"]
    for found in report["people"].values():
        assert set(found["sides"]) == {"without keys", "with keys"}
        for side in found["sides"].values():
            assert side["latency_ms"]["n"] == 2 * 50
            assert 0 < side["latency_ms"]["p50"] <= side["latency_ms"]["p99"]
            assert 5 < side["cpu_us"]["least"] <= side["cpu_us"]["median"] <= side["cpu_us"]["most"] < 5000
            assert side["per_s"]["least"] > 100
        assert 0.1 < found["ratio"]["cpu_us"]["median"] < 10
    assert {"processor", "cores", "load_1min"} <= set(report["machine"])
    assert report["load_at_end"] >= 0


@pytest.mark.slow
def test_messages_that_are_refused_are_no_measurement(tmp_path: Path) -> None:
    """As of a peer that may not speak for the source."""
    made = KeyFolder(tmp_path / "keys")
    made.add("bench", ["another"])
    with zmq.Context() as context:
        one = KeyedReceiver(made, context, silent_s=0.5)
        try:
            one.expect(1)
            one.socket.send_multipart([b"pose.bench", b"", b""])
            with pytest.raises(DyadwatchError, match=r"^the receiver: 0 of 1 messages came; refused were {.*foreign_"):
                one.received()
        finally:
            one.close()


@pytest.mark.parametrize(
    ("counts", "text"),
    [({"rounds": 0}, "--rounds is 0"), ({"messages": -1}, "--messages is -1"), ({"paced": 0}, "--paced is 0")],
)
def test_what_cannot_be_measured_is_told(counts: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{text}; expected at least 1$"):
        keys(**counts)
