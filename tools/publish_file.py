"""`dyadwatch publish file`: people out of files, sent to a running detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dyadwatch.stream.publishers.clip_player import check_gap, clip_frames
from dyadwatch.stream.publishers.publisher import check_source
from dyadwatch.stream.publishers.simulator.faults import apply_faults, parse_faults
from dyadwatch.tools.files import NO_FPS_FLAGS, FpsFileFlags, select_clips
from dyadwatch.tools.sending import check_rate, report, send
from dyadwatch.tools.sending_flags import AS_USUAL, SendingFlags

_Flag = Parameter(negative=())


def file(
    paths: list[Path],
    /,
    *,
    source: str = "clips",
    rate: float = 1.0,
    loop: Annotated[bool, _Flag] = False,
    label: Annotated[tuple[str, ...], _Flag] = (),
    split: Annotated[tuple[str, ...], _Flag] = (),
    gap: float = 1.0,
    start_stamp: int = 0,
    flags: FpsFileFlags = NO_FPS_FLAGS,
    faults: str = "",
    seed: int = 0,
    sending: SendingFlags = AS_USUAL,
) -> None:
    """Publish pose files, one recording after the other, as one source that sees two people.

    Reads clip files, BVH, C3D, TRC, CSV, folders of OpenPose's or MediaPipe's JSON frames, SBU, NTU .skeleton and
    Inter-X, see `dyadwatch docs sources`. The frames' stamps are on a media clock that starts at
    --start-stamp, whatever the rate: the same files give the same events at any rate. Press Ctrl-C to stop.

    Parameters
    ----------
    paths
        Files and folders. Files of one person each, such as BVH, are taken two by two.
    source
        Name of the source, 1-64 characters of A-Z a-z 0-9 _ -.
    rate
        Times real time; 0: as fast as the detector takes it.
    loop
        Begin again after the last clip, until stopped.
    label
        Only clips of this label; may be repeated.
    split
        Only clips of this split; may be repeated.
    gap
        Seconds of silence between two clips, more than 0.5.
    start_stamp
        Stamp of the first frame, nanoseconds on the media clock.
    faults
        What goes wrong on the way, such as drop=0.05,jitter_ms=4 (see `publish simulator`).
    seed
        Decides on the faults.
    """
    check_source(source)
    check_rate(rate)
    check_gap(gap)
    target = sending.target()
    wrong = parse_faults(faults) if faults else None
    chosen = select_clips(paths, label, split, flags)
    frames = clip_frames(chosen, source, start_ns=start_stamp, gap_s=gap, loop=loop)
    if wrong is not None:
        frames = apply_faults(frames, wrong, seed)
    total = None if loop else sum(map(len, chosen))
    summary = send(frames, total, target, rate)
    report({"source": source, "clips": len(chosen), **summary}, sending.json)
