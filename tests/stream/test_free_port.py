"""Ports for a moment later: never those that outgoing connections get."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dyadwatch.stream.sockets import free_port as module
from dyadwatch.stream.sockets.free_port import free_port


def test_each_is_another_one_below_those_of_outgoing_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "range").write_text("32768\t60999\n")
    monkeypatch.setattr(module, "_OUTGOING", tmp_path / "range")
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(10_000 <= port < 32_768 for port in ports)


def test_one_that_is_taken_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_port()
    (tmp_path / "range").write_text(f"{first + 2} 60999")
    monkeypatch.setattr(module, "_OUTGOING", tmp_path / "range")
    monkeypatch.setattr(module, "_FIRST", first)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        assert [free_port() for _ in range(4)] == [first + 1] * 4


@pytest.mark.parametrize("text", ["1024 65535", "", "none"])
def test_the_system_names_one_where_there_are_no_others(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "range").write_text(text)
    monkeypatch.setattr(module, "_OUTGOING", tmp_path / "range")
    assert 1024 <= free_port() < 65536


def test_one_that_browsers_refuse_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "range").write_text("10082 60999")
    monkeypatch.setattr(module, "_OUTGOING", tmp_path / "range")
    monkeypatch.setattr(module, "_FIRST", 10_079)
    assert {free_port() for _ in range(9)} <= {10_079, 10_081}
