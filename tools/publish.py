"""`dyadwatch publish`: cameras, pose files, live protocols or simulated people, sent to a running detector."""

from __future__ import annotations

import time

from cyclopts import App

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.publishers.publisher import check_source
from dyadwatch.stream.publishers.simulator.faults import apply_faults, parse_faults
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.tools.sending import check_rate, report, send
from dyadwatch.tools.sending_flags import AS_USUAL, SendingFlags

app = App(name="publish", help="Publish cameras, pose files, live protocols or simulated people to a running detector.")
_FILE_HELP = "Publish pose files: clips, BVH, C3D, TRC, CSV, JSON frames and data sets."
app.command("dyadwatch.tools.publish_file:file", name=("file", "clips"), help=_FILE_HELP)
_CAMERA_HELP = "Publish the people before a camera, in a stream or in a video, in metres."
app.command("dyadwatch.tools.publish_camera:camera", name="camera", help=_CAMERA_HELP)
for _verb, _help in {
    "jsonl": "Publish JSON lines that come over TCP, UDP or standard input.",
    "lsl": "Publish markers of Lab Streaming Layer outlets, one of all people or one a person.",
    "vmc": "Publish VMC performers, each on a port, as the people of one source.",
}.items():
    app.command(f"dyadwatch.tools.publish_live:{_verb}", name=_verb, help=_help)


@app.command
def simulator(
    *,
    source: str = "simulator",
    people: int = 4,
    seed: int = 0,
    anomalies: str = "",
    duration: float = 60.0,
    fps: float = 30.0,
    rate: float = 1.0,
    noise: float = 6.0,
    faults: str = "",
    start_stamp: int | None = None,
    sending: SendingFlags = AS_USUAL,
) -> None:
    """Publish simulated people who meet, talk, shake hands, hand things over, hug and part.

    The same options give the same people, bit for bit. Press Ctrl-C to stop.

    Parameters
    ----------
    source
        Name of the source, 1-64 characters of A-Z a-z 0-9 _ -.
    people
        How many, 2 to 6.
    seed
        Another seed makes other people, meetings and faults.
    anomalies
        What is staged among the meetings, in this order: push, punch, kick, chase, fall, with commas between; or a
        number: so many of them in turn.
    duration
        Seconds of scenario.
    fps
        Frames a second.
    rate
        Times real time; 0: as fast as the detector takes it.
    noise
        Standard deviation of each coordinate's error, millimetres.
    faults
        What goes wrong on the way: key=value with commas between. Shares of frames: drop, double, late (by up to
        late_s), reorder. Beginnings a second: occlude (for occlude_s), vanish (for vanish_s), id_switch, id_new.
        Clock: jitter_ms, skew_ppm, step_s (at step_at_s). Also no_ids=true, silent_s (at silent_at_s).
    start_stamp
        Stamp of the first frame, nanoseconds since 1970; by default now.
    """
    check_source(source)
    check_rate(rate)
    if not fps > 0:
        raise ConfigError(f"--fps is {fps:g}; expected frames a second, more than 0")
    target = sending.target()
    wrong = parse_faults(faults) if faults else None
    kinds = int(anomalies) if anomalies.isdigit() else [a.strip() for a in anomalies.split(",") if a.strip()]
    scenario = make_scenario(seed, people, duration, kinds, noise_m=noise / 1000)
    start = time.time_ns() if start_stamp is None else start_stamp
    frames = scenario.frames(fps, source=source, start_ns=start)
    if wrong is not None:
        frames = apply_faults(frames, wrong, seed)
    summary = send(frames, int(duration * fps), target, rate)
    truth = [t.shifted(start) for t in scenario.truth]
    report({"source": source, "people": people, "seed": seed, **summary, "truth": truth}, sending.json)
