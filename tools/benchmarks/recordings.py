"""`dyadwatch bench recordings`: what recording costs, what a kill loses, and how fast a recording is run again."""

from __future__ import annotations

import multiprocessing
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.live_detector import free_address
from dyadwatch.loading import configure, load_scorer
from dyadwatch.stream.configuration.config import Config, RecordOptions, WireOptions
from dyadwatch.stream.messages import EventMessage, ScoreMessage
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.publisher import PosePublisher, pace
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.recordings.channels import POSE, RecordingHeader
from dyadwatch.stream.recordings.listen import PoseListener
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.reprocess import Reprocess
from dyadwatch.stream.wire import encode_pose
from dyadwatch.tools.benchmarks.machine import describe_machine

_FPS = 30.0


def recordings(
    *,
    sources: int = 16,
    people: int = 4,
    seconds: float = 20.0,
    kills: int = 10,
    minutes: float = 5.0,
    seed: int = 0,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Measure recording: its cost, what kill -9 loses, and how fast `detect` runs a recording.

    Parameters
    ----------
    sources
        How many send at once while recording is measured, each at 30 frames a second.
    people
        In every frame of theirs.
    seconds
        How long they send.
    kills
        How many recorders are killed, each at a random moment.
    minutes
        Length of the recording of one source and two people that is run again.
    seed
        Of people and moments.
    json
        Print one JSON object instead.
    """
    progress = Console(stderr=True)
    report: dict[str, Any] = {"machine": describe_machine()}
    with tempfile.TemporaryDirectory(prefix="dyadwatch-bench-") as name:
        folder = Path(name)
        progress.print(f"recording {sources} sources of {people} people for {seconds:g} s")
        report["record"] = measure_recording(folder / "record", sources, people, seconds, seed)
        progress.print(f"killing {kills} recorders")
        report["kill"] = measure_kills(folder, kills, seed)
        progress.print(f"running {minutes:g} minutes again")
        report["rerun"] = measure_rerun(folder, minutes * 60, seed)
    if json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        return
    machine, cost, kill, rerun = (report[k] for k in ("machine", "record", "kill", "rerun"))
    sys.stdout.write(
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_1min']} at the start, "
        f"Python {machine['python']}\n\n"
        "| measured | figure |\n|---|---|\n"
        f"| recording {sources} sources of {people} people at 30 frames a second: frames taken of those sent "
        f"| {cost['frames']} of {cost['sent']} |\n"
        f"| processor, writing alone | {cost['writing_percent']} % of one core |\n"
        f"| processor, receiving, checking and writing | {cost['process_percent']} % of one core |\n"
        f"| written | {cost['mb_per_s']} MB/s |\n"
        f"| not recorded | {cost['lost']} messages |\n"
        f"| {kills} kills: lost before the kill, worst | {kill['worst_s']} s |\n"
        f"| {kills} kills: lost, mean | {kill['mean_s']} s |\n"
        f"| one source, two people, run again with the shipped model | {rerun['speed']} times real time |\n"
        f"| the same by processor time on {machine['cores']} cores, were nothing else running "
        f"| {rerun['speed_unloaded']} times real time |\n"
    )


def _people(seed: int, people: int, seconds: float, source: str, room_m: float | None = None) -> Iterator[PoseFrame]:
    scenario = make_scenario(seed, people, duration_s=max(seconds, 5.0), room_m=room_m)
    for frame in scenario.frames(_FPS, source=source, epoch=1, start_ns=1_700_000_000 * NS):
        if frame.seq >= seconds * _FPS:
            return
        yield frame


def _send(address: str, sources: int, people: int, seconds: float, seed: int) -> None:
    """Sends as a process of its own: all frames are made beforehand, those of the sources spread over the period."""
    plan: list[tuple[int, list[bytes]]] = []
    for i in range(sources):
        frames = list(_people(seed + i, people, seconds, f"bench{i}"))
        late = i * round(NS / _FPS) // sources
        plan += [(f.stamp - frames[0].stamp + late, encode_pose(f)) for f in frames]
    plan.sort(key=lambda p: p[0])
    with PosePublisher(address, wait_s=30) as publisher:
        began = time.monotonic_ns()
        for due, parts in plan:
            wait = began + due - time.monotonic_ns()
            if wait > 0:
                time.sleep(wait / NS)
            publisher.send_parts(parts)


def measure_recording(folder: Path, sources: int, people: int, seconds: float, seed: int) -> dict[str, float]:
    """Processor time and bytes of recording, in this process, what a process of its own sends in real time."""
    address = free_address()
    listener = PoseListener(WireOptions(bind=address), RecordOptions(folder=str(folder), min_free_mb=0))
    stop = threading.Event()
    thread = threading.Thread(target=listener.run, args=(stop,))
    thread.start()
    sender = multiprocessing.get_context("spawn").Process(target=_send, args=(address, sources, people, seconds, seed))
    sender.start()
    while not listener.frames and sender.is_alive():
        time.sleep(0.01)
    busy, writing, began = time.process_time(), listener.recorder_cpu_s, time.monotonic()
    sender.join()
    took = time.monotonic() - began
    busy, writing = time.process_time() - busy, listener.recorder_cpu_s - writing
    stop.set()
    thread.join()
    written = sum(f.stat().st_size for f in folder.iterdir())
    return {
        "sent": sources * int(seconds * _FPS),
        "frames": sum(listener.frames.values()),
        "writing_percent": round(100 * writing / took, 2),
        "process_percent": round(100 * busy / took, 2),
        "mb_per_s": round(written / 1e6 / took, 3),
        "lost": sum(listener.counters.of("@detector").values()),
    }


def measure_kills(folder: Path, kills: int, seed: int) -> dict[str, float]:
    """Seconds of what had been sent before a kill -9 that cannot be read back after it."""
    rng = random.Random(seed)
    lost: list[float] = []
    for i in range(kills):
        address, out = free_address(), folder / f"killed{i}"
        command = [sys.executable, "-m", "dyadwatch.tools.main", "record", "--out", str(out), "--listen", address]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            until = threading.Event()
            timer = threading.Timer(rng.uniform(1.0, 3.0), until.set)
            sent = 0
            with PosePublisher(address, wait_s=60) as publisher:
                timer.start()
                for frame in pace(_people(seed, 2, 10.0, "killed"), 1.0, until):
                    sent = time.time_ns()
                    publisher.send(replace(frame, stamp=sent))
                process.send_signal(signal.SIGKILL)
        kept = max((r.stamp for r in Playback([out]).received()), default=0)
        lost.append((sent - kept) / NS)
    return {"worst_s": round(max(lost), 3), "mean_s": round(sum(lost) / len(lost), 3), "kills": kills}


def measure_rerun(folder: Path, seconds: float, seed: int) -> dict[str, float]:
    """How many times faster than real time a recording of two people near each other is run again."""
    path = folder / "two.mcap"
    file = RecordingFile(path, RecordingHeader(run="1"))
    for frame in _people(seed, 2, seconds, "two", room_m=3.0):
        file.parts(f"{POSE}two", encode_pose(frame), frame.stamp, frame.stamp, frame.seq)
        if frame.seq % 15 == 14:
            file.flush()
    file.close()
    config: Config = configure(None, (), None)
    scorer, thresholds = load_scorer(config)
    rerun = Reprocess(Pipeline(scorer, thresholds, config), config)
    busy, began = time.process_time(), time.monotonic()
    messages = [m for told in rerun.run(Playback([path])) for m in told]
    took, busy = time.monotonic() - began, time.process_time() - busy
    cores = describe_machine()["cores"]
    return {
        "seconds": seconds,
        "windows": sum(isinstance(m, ScoreMessage) for m in messages),
        "events": sum(isinstance(m, EventMessage) and m.type == "open" for m in messages),
        "wall_s": round(took, 2),
        "processor_s": round(busy, 2),
        "speed": round(rerun.seconds / took, 1),
        "speed_unloaded": round(rerun.seconds / busy * float(cores), 1),
    }
