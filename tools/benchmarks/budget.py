"""`dyadwatch bench budget`: whether a budget of false events holds in hours that nobody calibrated on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.decision.episodes import AlarmTimes
from dyadwatch.core.decision.event_budget import per_hour
from dyadwatch.core.decision.score_log import PairScores, ScoreLog
from dyadwatch.core.decision.site_calibration import Counter, choose, events_again
from dyadwatch.core.decision.thresholds import hours_needed
from dyadwatch.core.errors import ConfigError
from dyadwatch.loading import configure, load_model
from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.items import Item
from dyadwatch.stream.publishers.simulator.faults import Faults, apply_faults
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.score_keeper import KeepingPipeline, WatchedTime
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.tools.benchmarks.machine import describe_machine

FAULTS = Faults(drop=0.02, late=0.01, reorder=0.01, jitter_ms=3, occlude=0.05, vanish=0.02, id_new=0.002)
_FPS = 30.0
_AHEAD = 64  # windows scored at once
Session = tuple[ScoreLog, float]  # scores, hours watched


def budget(
    *,
    model: Path | None = None,
    hours: float = 72.0,
    session: float = 600.0,
    people: int = 4,
    seeds: int = 40,
    budget: str = "1/hour",
    scores: Path | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Calibrate on one half of simulated normal hours and count the events of the other, for many halves.

    Everybody behaves, and the source does not: frames are lost and late, joints and people vanish. The hours are scored
    once; every seed divides the sessions otherwise.

    Parameters
    ----------
    model
        Model file, instead of the shipped one.
    hours
        Simulated; 72 take hours of a core.
    session
        Seconds of a session, which is never divided.
    people
        How many walk about, 2 to 6.
    seeds
        How many halves.
    budget
        False events that the calibration is to vouch for.
    scores
        File (.npz) to keep the scores in, or to take them from where it is there.
    json
        Print one JSON object instead.
    """
    count = round(hours * 3600 / session)
    if count < 4:
        raise ConfigError(f"--hours is {hours:g} in sessions of {session:g} s; expected at least four sessions")
    rate = per_hour(budget)
    if hours / 2 < hours_needed(rate):
        raise ConfigError(f"--hours is {hours:g}; expected more than {2 * hours_needed(rate):.1f} for {budget}")
    progress = Console(stderr=True)
    if scores is not None and scores.is_file():
        sessions = read_sessions(scores)
    else:
        config = configure(None, (), model)
        scorer = load_model(config)
        sessions = []
        for seed in range(count):
            sessions.append(simulated(scorer, config, seed, session, people))
            progress.print(f"{seed + 1} of {count} sessions scored", highlight=False)
        if scores is not None:
            write_sessions(scores, sessions)
    rows = [held_out(sessions, seed, rate) for seed in range(seeds)]
    report: dict[str, Any] = {"machine": describe_machine(), "hours": round(sum(h for _, h in sessions), 2)}
    report |= {"sessions": len(sessions), "budget": budget} | summary(rows)
    if json:
        sys.stdout.write(msgspec.json.encode(report | {"halves": rows}).decode() + "\n")
    else:
        sys.stdout.write("".join(f"{key}: {value}\n" for key, value in report.items()))


def simulated(scorer: Scorer, config: Config, seed: int, seconds: float, people: int = 4) -> Session:
    """The scores of a session in which nothing unusual happens."""
    pipeline, watched = KeepingPipeline(scorer, config), WatchedTime()
    frames = make_scenario(seed=seed, people=people, duration_s=seconds).frames(_FPS, epoch=1)
    waiting: list[Item] = []
    for frame in apply_faults(frames, FAULTS, seed):
        waiting += pipeline.intake.push(frame, 0)
        watched.look(pipeline.intake.lines[frame.source])
        if len(waiting) >= _AHEAD:
            pipeline.judge.judge(waiting)
            waiting = []
    pipeline.judge.judge(waiting + pipeline.intake.finish(PairEnd.END_OF_STREAM))
    return pipeline.judge.log(), sum(watched.hours().values())


def join(sessions: Sequence[Session]) -> Session:
    """Several sessions as one."""
    logs = [log for log, _ in sessions]
    tracks = tuple(track for log in logs for track in log.tracks)
    return ScoreLog(tracks, logs[0].hop_s, logs[0].pause_s), sum(hours for _, hours in sessions)


def held_out(sessions: Sequence[Session], seed: int, budget_per_h: float) -> dict[str, Any]:
    """One half calibrated on, and the events of the other at those levels."""
    order = np.random.default_rng([seed, 0xB0D6E7]).permutation(len(sessions))
    half = len(sessions) // 2
    mine, others = (join([sessions[i] for i in part]) for part in (order[:half], order[half : 2 * half]))
    choice = choose(*mine, budget_per_h)
    events = Counter(others[0], choice.rules, AlarmTimes())(1.0)
    return {
        "scale": round(choice.scale, 3),
        "events": choice.events,
        "bound": round(choice.bound, 3),
        "held_out_events": events,
        "held_out_rate": round(events / others[1], 3),
        "within_bound": events / others[1] <= choice.bound,
        "within_budget": events / others[1] <= budget_per_h,
        "within_again": events <= events_again(choice.events),
    }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Shares of the halves."""
    return {
        "seeds": len(rows),
        "held_out_within_bound": round(sum(r["within_bound"] for r in rows) / len(rows), 3),
        "held_out_within_budget": round(sum(r["within_budget"] for r in rows) / len(rows), 3),
        "held_out_within_events_again": round(sum(r["within_again"] for r in rows) / len(rows), 3),
        "events_mean": round(float(np.mean([r["events"] for r in rows])), 2),
        "held_out_events_mean": round(float(np.mean([r["held_out_events"] for r in rows])), 2),
        "bound_mean": round(float(np.mean([r["bound"] for r in rows])), 3),
        "scale_from_to": [min(r["scale"] for r in rows), max(r["scale"] for r in rows)],
    }


def write_sessions(path: Path, sessions: Sequence[Session]) -> None:
    """Keeps scores; who was scored is left out."""
    tracks = [(number, t) for number, (log, _) in enumerate(sessions) for t in log.tracks]
    np.savez(
        path,
        stamps=np.concatenate([t.stamps for _, t in tracks]),
        parts=np.concatenate([t.parts for _, t in tracks]),
        doubtful=np.concatenate([log.doubtful for log, _ in sessions]),
        lengths=[len(t.stamps) for _, t in tracks],
        session=[number for number, _ in tracks],
        hours=[hours for _, hours in sessions],
        times=[sessions[0][0].hop_s, sessions[0][0].pause_s],
    )


def read_sessions(path: Path) -> list[Session]:
    """The same again."""
    with np.load(path, allow_pickle=False) as kept:
        ends = np.cumsum(kept["lengths"])[:-1]
        parts = (np.split(kept[name], ends) for name in ("stamps", "parts", "doubtful"))
        tracks = [PairScores("simulator", (0, 0), "media", *part) for part in zip(*parts, strict=True)]
        hop_s, pause_s = kept["times"].tolist()
        of, hours = kept["session"], kept["hours"].tolist()
    mine = [tuple(tracks[i] for i in np.flatnonzero(of == number)) for number in range(len(hours))]
    return [(ScoreLog(each, hop_s, pause_s), h) for each, h in zip(mine, hours, strict=True)]
