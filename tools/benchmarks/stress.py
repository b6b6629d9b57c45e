"""`dyadwatch bench stress`: hostile messages of every kind beside a source that behaves, and what becomes of it."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.errors import ConfigError
from dyadwatch.tools.benchmarks.decoding import Decoded, decode_hostile
from dyadwatch.tools.benchmarks.floods import FLOODS, VICTIM, Flood, run_flood
from dyadwatch.tools.benchmarks.heard import Heard, Share, recovery_s, share_of
from dyadwatch.tools.benchmarks.machine import describe_machine
from dyadwatch.tools.benchmarks.process import Detector, lines_by_source
from dyadwatch.tools.benchmarks.steady import NS, Steady, expected_windows, send_steadily
from dyadwatch.tools.benchmarks.verdict import Bar, markdown, table
from dyadwatch.tools.detector import configure

GOOD = "good"
RSS_MB, LARGE_RSS_MB, LINES_A_SECOND, RECOVERED_S = 50.0, 100.0, 1.0, 5.0
_SETTINGS = ("sinks.status_s=0.2",)
_WARM_S = 6.0  # the first windows fill, and every part has once been used


@dataclass(frozen=True)
class Phase:
    """What was seen during one flood and the pause after it.

    Arguments:
        flood: which.
        begun, ended, over: wall ns of the flood's begin and end, and of the end of the pause.
        messages, bytes: that the flood sent.
        rss_before, rss_peak: MB.
        lines: lines of the log in a second by the source that had most.
        alive: whether the detector still ran.
    """

    flood: Flood
    begun: int
    ended: int
    over: int
    messages: int
    bytes: int
    rss_before: float
    rss_peak: float
    lines: float
    alive: bool


def stress(
    *,
    decode: int = 10_000_000,
    decode_seconds: float = 200.0,
    messages: int = 1_000_000,
    seconds: float = 15.0,
    pause: float = 8.0,
    only: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Send what no source should send, beside one that behaves; exit status 1 where a bar is missed.

    First in process: hostile messages through the decoder. Then over real sockets into a detector in a process of its
    own: one flood after another, beside a source of four people at 30 frames a second whose every score is known
    beforehand.

    Parameters
    ----------
    decode
        Messages in process.
    decode_seconds
        They take no longer than this.
    messages
        Messages over sockets.
    seconds
        How long each flood lasts.
    pause
        Seconds after each flood, in which all must become normal again.
    only
        Only the floods of these names; may be repeated. `none`: only what is in process.
    json
        Print one JSON object instead.
    """
    names = [f.name for f in FLOODS]
    if unknown := set(only) - {*names, "none"}:
        raise ConfigError(f"--only is {min(unknown)!r}; expected one of {', '.join(names)}, none")
    floods = [f for f in FLOODS if f.name in (only or names)]
    progress = Console(stderr=True)
    report: dict[str, Any] = {"machine": describe_machine()}
    bars: list[Bar] = []
    if decode:
        progress.print(f"decoding {decode} hostile messages")
        decoded = decode_hostile(decode, decode_seconds)
        bars += _decoding_bars(decoded, decode)
        report["refused"] = dict(decoded.reasons.most_common())
    if floods:
        with tempfile.TemporaryDirectory(prefix="dyadwatch-stress-") as folder:
            rows, more = _over_sockets(Path(folder), floods, messages, seconds, pause, progress)
        report["phases"] = rows
        bars += more
    report["bars"] = [msgspec.structs.asdict(b) for b in bars]
    report["passed"] = all(b.passed for b in bars)
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n" if json else "\n".join(_text(report, bars)) + "\n")
    if not report["passed"]:
        sys.exit(1)


def _decoding_bars(d: Decoded, asked: int) -> list[Bar]:
    share, size, spent, kind = d.dearest
    return [
        Bar("in process: messages", f"{d.messages} in {d.seconds:.0f} s", f"{asked} asked for", d.messages >= asked),
        Bar("in process: exceptions that are not the wire's", f"{d.failed} {' '.join(d.errors)}", "0", not d.failed),
        Bar("in process: growth of memory", f"{d.rss_mb:.1f} MB", f"<= {RSS_MB:g} MB", d.rss_mb <= RSS_MB),
        Bar(
            "in process: dearest message for its size",
            f"{spent * 1e3:.1f} ms for {size} bytes ({kind})",
            "<= 2 ms + 20 ms a MB",
            share <= 1,
        ),
    ]


def _over_sockets(
    folder: Path, floods: Sequence[Flood], messages: int, seconds: float, pause: float, progress: Console
) -> tuple[list[dict[str, Any]], list[Bar]]:
    spawn = multiprocessing.get_context("spawn")
    with Detector(folder, _SETTINGS, every_s=0.1) as detector, Heard(detector.out) as heard:
        start = time.time_ns() + 4 * NS
        sources = [Steady(GOOD, start_ns=start), Steady(VICTIM, people=2, seed=2, start_ns=start)]
        until, sent, late = spawn.Event(), spawn.Array("Q", len(sources)), spawn.Value("d", 0.0)
        sender = spawn.Process(target=send_steadily, args=(detector.into, sources, until, sent, late), daemon=True)
        sender.start()
        time.sleep(max(0.0, (start - time.time_ns()) / NS + _WARM_S))
        quiet_from, rss_before = time.time_ns(), _rss(detector)
        time.sleep(pause)
        quiet = (quiet_from, time.time_ns())
        flood_args = (detector, spawn, messages, seconds, pause)
        phases = [p for f in floods if (p := _phase(f, *flood_args, progress)) is not None]
        rss_after = _rss(detector)
        died = not detector.alive
        until.set()
        sender.join(10)
        time.sleep(1)
        dropped = heard.status.get("@detector", {}).get("dropped", {})
    config = configure(None, _SETTINGS, None)
    expected = [expected_windows(s, config, sent[i]) for i, s in enumerate(sources)]
    good = (expected[0], heard.scores[GOOD])
    rows = [_quiet_row(share_of(*good, *quiet))]
    bars = [
        Bar("quiet: the good source", _shown(share := share_of(*good, *quiet)), _SHARE_BAR, share.fine),
        Bar("the sender of the good source: worst lateness", f"{late.value:.2f} s", "for the reader", True),
    ]
    for p in phases:
        victim = (expected[1], heard.scores[VICTIM])
        rows.append(_row(p, good, victim))
        bars += _phase_bars(p, good, victim)
    total = sum(p.messages for p in phases)
    wanted = messages if len(floods) == len(FLOODS) else 0
    bars += [
        Bar("the detector", "ended by itself" if died else "runs on", "runs on", not died),
        Bar("messages over sockets", str(total), f">= {wanted}", total >= wanted),
        Bar(
            "memory after all floods",
            f"{rss_after - rss_before:+.0f} MB, of {rss_before:.0f}",
            f"<= {RSS_MB:g} MB",
            0 < rss_after <= rss_before + RSS_MB,
        ),
        Bar("refused and dropped, by reason", str(dict(dropped)), "counted", bool(dropped) or not total),
    ]
    return rows, bars


def _phase(
    flood: Flood, detector: Detector, spawn: Any, messages: int, seconds: float, pause: float, progress: Console
) -> Phase | None:
    if not detector.alive:
        return None
    progress.print(f"flood: {flood.name}")
    ready, go, sent, size = spawn.Event(), spawn.Event(), spawn.Value("Q", 0), spawn.Value("Q", 0)
    lasts = seconds * flood.seconds
    args = (flood, detector.into, lasts, max(int(messages * flood.messages), 1), ready, go, sent, size)
    process = spawn.Process(target=run_flood, args=args, daemon=True)
    process.start()
    ready.wait(60)
    lines, rss, at = lines_by_source(detector.log), _rss(detector), len(detector.samples)
    begun = time.time_ns()
    go.set()
    process.join(lasts + 5)
    if process.is_alive():
        process.kill()
    ended = time.time_ns()
    time.sleep(pause)
    peak = max((s.rss_mb for s in detector.samples[at:]), default=rss)
    over = time.time_ns()
    more = lines_by_source(detector.log) - lines
    most = max(more.values(), default=0) / ((over - begun) / NS)
    return Phase(flood, begun, ended, over, sent.value, size.value, rss, peak, most, detector.alive)


def _rss(detector: Detector) -> float:
    sample = detector.sample()
    return sample.rss_mb if sample else 0.0


_SHARE_BAR = ">= 95 % of scores, age p95 <= 1 s"
Scores = tuple[Any, Any]


def _shown(s: Share) -> str:
    return f"{100 * s.share:.1f} % of {s.expected}, age p50 {s.p50} p95 {s.p95} max {s.most} s"


def _phase_bars(p: Phase, good: Scores, victim: Scores) -> list[Bar]:
    share, back = share_of(*good, p.begun, p.ended), recovery_s(*good, p.ended, p.over - NS)
    most = LARGE_RSS_MB if p.flood.large else RSS_MB
    name, grown = p.flood.name, p.rss_peak - p.rss_before
    bars = [
        Bar(f"{name}: the good source", _shown(share), _SHARE_BAR, share.fine),
        Bar(f"{name}: normal again", _after(back), f"<= {RECOVERED_S:g} s", back is not None and back <= RECOVERED_S),
        Bar(f"{name}: memory at its peak", f"{grown:+.0f} MB", f"<= {most:g} MB", grown <= most),
        Bar(f"{name}: log lines", f"{p.lines:.2f} a second", f"<= {LINES_A_SECOND:g} a source", p.lines <= 1),
        Bar(f"{name}: the detector", "runs on" if p.alive else "ended by itself", "runs on", p.alive),
    ]
    if p.flood.name == "impostor":
        back = recovery_s(*victim, p.ended, p.over - NS)
        fine = back is not None and back <= RECOVERED_S
        bars.append(Bar(f"{name}: its victim has scores again", _after(back), f"<= {RECOVERED_S:g} s", fine))
    return bars


def _after(seconds: float | None) -> str:
    return "not within the pause" if seconds is None else f"after {seconds:g} s"


def _quiet_row(s: Share) -> dict[str, Any]:
    return {"flood": "none", "messages": 0, "MB": 0, **_columns(s)}


def _row(p: Phase, good: Scores, victim: Scores) -> dict[str, Any]:
    return {
        "flood": p.flood.name,
        "messages": p.messages,
        "MB": round(p.bytes / 1e6),
        **_columns(share_of(*good, p.begun, p.ended)),
        "normal after s": recovery_s(*good, p.ended, p.over - NS),
        "memory MB": f"{p.rss_before:.0f} -> {p.rss_peak:.0f}",
        "log lines/s": round(p.lines, 2),
    }


def _columns(s: Share) -> dict[str, Any]:
    return {"scores %": round(100 * s.share, 1), "age s p50": s.p50, "p95": s.p95, "max": s.most}


def _text(report: dict[str, Any], bars: Sequence[Bar]) -> list[str]:
    m = report["machine"]
    out = [f"{m['processor']}, {m['cores']} cores, load {m['load_1min']} at the start, Python {m['python']}.", ""]
    if "phases" in report:
        rows = report["phases"]
        columns = list(rows[-1])
        out += table(columns, [[r.get(c, "") for c in columns] for r in rows])
    return out + markdown(bars)
