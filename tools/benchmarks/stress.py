"""`dyadwatch bench stress`: hostile messages of every kind beside a source that behaves, and what becomes of it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.errors import ConfigError
from dyadwatch.loading import configure
from dyadwatch.tools.benchmarks.decoding import Decoded, decode_hostile
from dyadwatch.tools.benchmarks.floods import FLOODS, Flood
from dyadwatch.tools.benchmarks.heard import Share
from dyadwatch.tools.benchmarks.machine import describe_machine
from dyadwatch.tools.benchmarks.session import SETTINGS, FloodSession, Phase, run_session
from dyadwatch.tools.benchmarks.verdict import Bar, print_verdict, table

RSS_MB, LARGE_RSS_MB, LINES_A_SECOND, RECOVERED_S, DISK_MB = 50.0, 100.0, 1.0, 5.0, 10.0
_SHARE_BAR = ">= 95 % of scores, age p95 <= 1 s"


def stress(
    *,
    decode: int = 10_000_000,
    decode_seconds: float = 170.0,
    messages: int = 1_000_000,
    seconds: float = 15.0,
    pause: float = 8.0,
    minutes: float = 9.0,
    only: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Send what no source should send, beside one that behaves; exit status 1 where a bar is missed.

    First in process: hostile messages through the decoder. Then over real sockets into a detector in a process of its
    own: one flood after another, beside a source of four people at 30 frames a second whose every score is known
    beforehand. A flood that leaves the detector disturbed is the last of its detector: the next begins with a fresh
    one.

    Parameters
    ----------
    decode
        Messages in process.
    decode_seconds
        They take no longer than this.
    messages
        Messages over sockets.
    seconds
        How long a flood lasts; those of refused messages and of names last longer, if that many messages need it.
    pause
        Seconds after each flood, in which all must become normal again.
    minutes
        After so long no further detector is started; floods that are then left have missed their bars.
    only
        Only the floods of these names; may be repeated. `none`: only what is in process.
    json
        Print one JSON object instead.
    """
    floods, until = _chosen(only), time.monotonic() + minutes * 60
    progress = Console(stderr=True)
    report: dict[str, Any] = {"machine": describe_machine()}
    bars: list[Bar] = []
    if decode:
        progress.print(f"decoding {decode} hostile messages")
        decoded = decode_hostile(decode, decode_seconds)
        bars += _decoding_bars(decoded, decode)
        report["refused"] = dict(decoded.reasons.most_common())
    if floods:
        sessions = _sessions(floods, until, messages, seconds, pause, partial(progress.print, "flood:"))
        report["phases"] = [_row(p) for s in sessions for p in s.phases]
        bars += [bar for s in sessions for bar in _session_bars(s)]
        sent = sum(p.messages for s in sessions for p in s.phases)
        wanted = messages if len(floods) == len(FLOODS) else 0
        bars.append(Bar("messages over sockets", str(sent), f">= {wanted}", sent >= wanted))
        ran = [p.flood for s in sessions for p in s.phases]
        bars += [Bar(f"{f.name}: the flood", "no time was left", "has run", False) for f in floods if f not in ran]
    tables = _phases_table(report["phases"]) if report.get("phases") else []
    print_verdict(report, bars, tables, json)


def _chosen(only: Sequence[str]) -> list[Flood]:
    names = [f.name for f in FLOODS]
    for name in only:
        if name not in (*names, "none"):
            raise ConfigError(f"--only is {name!r}; expected one of {', '.join(names)}, none")
    return [f for f in FLOODS if not only or f.name in only]


def _sessions(
    floods: Sequence[Flood], until: float, messages: int, seconds: float, pause: float, say: Any
) -> list[FloodSession]:
    config, out, left = configure(None, SETTINGS, None), [], list(floods)
    with tempfile.TemporaryDirectory(prefix="dyadwatch-stress-") as folder:
        while left and time.monotonic() < until:
            alike = [f for f in left if f.records == left[0].records]
            out.append(run_session(Path(folder), alike, config, messages, seconds, pause, say))
            done = [p.flood for p in out[-1].phases]
            left = [f for f in left if f not in done]
    return out


def _decoding_bars(d: Decoded, asked: int) -> list[Bar]:
    share, size, spent, kind = d.dearest
    return [
        Bar("in process: messages", f"{d.messages} in {d.seconds:.0f} s", f">= {asked}", d.messages >= asked),
        Bar("in process: exceptions other than the wire's", f"{d.failed} {' '.join(d.errors)}", "0", not d.failed),
        Bar("in process: growth of memory", f"{d.rss_mb:.1f} MB", f"<= {RSS_MB:g} MB", d.rss_mb <= RSS_MB),
        Bar(
            "in process: dearest message for its size",
            f"{spent * 1e3:.1f} ms for {size} bytes ({kind})",
            "<= 2 ms + 20 ms a MB",
            share <= 1,
        ),
    ]


def _session_bars(s: FloodSession) -> list[Bar]:
    grown, dropped = s.rss_after - s.rss_before, ", ".join(f"{k} {v}" for k, v in sorted(s.dropped.items()))
    fine = s.rss_after > 0 and grown <= RSS_MB
    return [
        Bar("quiet: the good source", _shown(s.quiet), _SHARE_BAR, s.quiet.fine),
        *(bar for p in s.phases for bar in _phase_bars(p)),
        Bar("memory after these floods", f"{grown:+.0f} MB, from {s.rss_before:.0f}", f"<= {RSS_MB:g} MB", fine),
        Bar("refused and dropped of no known source", dropped or "nothing", "counted", True),
        Bar("worst lateness of the sender of the good source", f"{s.late_s:.2f} s", "for the reader", True),
    ]


def _phase_bars(p: Phase) -> list[Bar]:
    most = LARGE_RSS_MB if p.flood.large else RSS_MB
    name, grown = p.flood.name, p.rss_peak - p.rss_before
    lines = f"{p.lines:.2f} a second"
    bars = [
        Bar(f"{name}: the good source", _shown(p.good), _SHARE_BAR, p.good.fine),
        _recovery(f"{name}: normal again", p.normal_after_s),
        Bar(f"{name}: memory at its peak", f"{grown:+.0f} MB", f"<= {most:g} MB", grown <= most),
        Bar(f"{name}: log lines", lines, f"<= {LINES_A_SECOND:g} a source", p.lines <= LINES_A_SECOND),
        Bar(f"{name}: the detector", "runs on" if p.alive else "ended by itself", "runs on", p.alive),
        _recovery(f"{name}: the second good source is normal", p.victim_after_s),
    ]
    if p.newcomer is not None:
        bars.append(Bar(f"{name}: a newcomer", _shown(p.newcomer), _SHARE_BAR, p.newcomer.fine))
    if p.flood.records:
        fine = 0 < p.disk_mb <= DISK_MB
        bars.append(Bar(f"{name}: written to disk", f"{p.disk_mb:.1f} MB", f"<= {DISK_MB:g} MB", fine))
    return bars


def _recovery(what: str, seconds: float | None) -> Bar:
    figure = "not within the pause" if seconds is None else f"after {seconds:g} s"
    return Bar(what, figure, f"<= {RECOVERED_S:g} s", seconds is not None and seconds <= RECOVERED_S)


def _shown(s: Share) -> str:
    return f"{100 * s.share:.1f} % of {s.expected}, age p50 {s.p50} p95 {s.p95} max {s.most} s"


def _row(p: Phase) -> dict[str, Any]:
    return {
        "flood": p.flood.name,
        "messages": p.messages,
        "MB": round(p.bytes / 1e6),
        "scores %": round(100 * p.good.share, 1),
        "age s p50": p.good.p50,
        "p95": p.good.p95,
        "max": p.good.most,
        "normal after s": p.normal_after_s,
        "memory MB": f"{p.rss_before:.0f} -> {p.rss_peak:.0f}",
        "log lines/s": round(p.lines, 2),
    }


def _phases_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    columns = list(rows[0])
    return table(columns, [[r[c] for c in columns] for r in rows])
