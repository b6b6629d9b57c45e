"""The flags `--keys` and `--insecure` of verbs that listen."""

from __future__ import annotations

from pathlib import Path


def security_options(keys: Path | None, insecure: bool) -> list[str]:
    """The flags `--keys` and `--insecure` as options of the configuration."""
    given = [] if keys is None else [f"security.keys={keys}"]
    return [*given, "security.insecure=true"] if insecure else given
