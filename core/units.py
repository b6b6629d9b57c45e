"""Units of stamps."""

from __future__ import annotations

NS = 1_000_000_000  # nanoseconds in a second
