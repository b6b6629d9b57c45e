"""Every code has its sentence, made of exactly the data that docs/wire-protocol.md lists."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from dyadwatch.core.finding import Finding
from dyadwatch.core.sense.sense_codes import BLINDING, Oddity
from dyadwatch.core.sense.sense_words import SENTENCES
from dyadwatch.stream.codes import (
    NAMED,
    REASONS,
    Blindness,
    EventReason,
    Fault,
    FileLoss,
    IncidentReason,
    MemoryState,
    MergeState,
    PairEnd,
    RecordingState,
    Refusal,
    Unscored,
    counted_as,
)
from dyadwatch.stream.texts import (
    BLIND,
    EVENT,
    FILE_LOSS,
    INCIDENT,
    MEMORY,
    MERGE,
    RECORDING,
    UNSCORED,
    logged,
    text_of,
)
from dyadwatch.stream.texts import REASONS as REASON_TEXT

HEAD = {"joint": "head", "person": "ann", "derived_from": ("left_ear", "right_ear")}
LIMB = {"person": "ann", "layout": "coco17", "joint": "left_eye", "other": "head", "length_m": 0.4, "usual_m": 0.1,
        "misfit": 2.6}  # fmt: skip
LIMB_SAYS = "left_eye of ann lies 0.40 m from head, where a body has 0.10 m"
DECLARE = 'Declare it: "axes": "{axes}" in the header, or --axes {axes} for files'
UNITS = 'Say "units" in the header, or --units for files: m, cm, mm, in, or metres in one unit'
ODD_WITH_DATA: list[tuple[Oddity, dict[str, Any], str]] = [
    (Oddity.JOINTS_MISNAMED, LIMB,
     f"no body has these limbs: {LIMB_SAYS}: are the joints, in this order, those of coco17? (see dyadwatch docs "
     "wire-protocol for the layouts, or send joint names)"),
    (Oddity.ODD_LIMBS, LIMB, f"the limbs are odd: {LIMB_SAYS}: are some joints exchanged?"),
    (Oddity.ABSURD_SIZE, {"person": "ann", "height_m": 5.4, "likely": "feet taken for metres"},
     f"ann measures 5.40 m by the bones: feet taken for metres? {UNITS}"),
    (Oddity.ODD_SIZE, {"person": "ann", "height_m": 0.7, "likely": "inches taken for centimetres"},
     f"ann measures about 0.70 m by the bones: inches taken for centimetres, or a small child? {UNITS}"),
    (Oddity.UPSIDE_DOWN, {"person": "ann"},
     f"the feet of ann are above the head: y-down sent as y-up? {DECLARE.format(axes='y-down')}"),
    (Oddity.TURNED, {"axis": "+z", "moved_m": 1.2},
     f"nobody stands, and yet they walk (1.2 m): z-up sent as y-up? {DECLARE.format(axes='z-up')}"),
    (Oddity.NOBODY_UPRIGHT, {"axis": "+x"},
     "nobody stands, or was seen to stand: the axis +x points up? Turn the coordinates so that +y does"),
    (Oddity.WALKS_LYING, {"person": "ann", "axis": "+z", "moved_m": 1.2, "above_m": 1.5},
     "others stand, and ann lies 1.5 m above their feet and has moved 1.2 m: z-up sent as y-up? "
     f"{DECLARE.format(axes='z-up')}"),
    (Oddity.MODEL_MISFIT, {"minutes": 29.0, "share": 0.97, "score": 3.0},
     "the model finds 97% of 29 minutes of pairs impossible (score above 3): it was not made for this source? Make one "
     "of its own with dyadwatch enrol or train"),
    (Oddity.FROZEN, {"person": "ann", "seconds": 1.5},
     "the poses of ann stand still, bit for bit, for 1.5 s: does the source repeat its last one? Send NaN, or nobody, "
     "for whom it has lost"),
    (Oddity.STIFF, {"person": "ann", "seconds": 0.5}, "the poses of ann stand still, bit for bit, for 0.5 s"),
    (Oddity.ONE_BODY_TWICE, {"first": 1, "second": 2, "apart_m": 0.02},
     "person 1 and person 2 are one body, 0.02 m apart: one person as two skeletons? Send each once"),
    (Oddity.ONE_PLACE, {"first": 1, "second": 2, "apart_m": 0.0, "part": "hips"},
     "the hips of person 1 and person 2 are in one place (0.00 m apart): coordinates with an origin of each person's "
     "own? Send places in the room"),
    (Oddity.FLAT, {"person": "ann", "axis": "z"},
     "all joints of ann have the same z: positions in an image, without a depth? Send places in the room, in metres"),
    (Oddity.ODD_WIDTH, {"person": "ann", "times": 1.84},
     "shoulders and hips of ann are 1.8 times as wide as those of a body of that height: is one axis, such as the "
     "depth, of another scale than the others?"),
    (Oddity.SIDES_FLIP, {"person": "ann", "times": 3},
     "left and right of ann were exchanged from one frame to the next, 3 times within 10 s: does the estimator take "
     "the back for the front?"),
    (Oddity.SIDES_CROSSED, {"person": 2},
     "the left shoulder of person 2 is above the right hip: are left and right exchanged in the arms or the legs?"),
    (Oddity.MIRRORED, {"person": "ann", "part": "toes"},
     "the toes of ann point backward: are left and right exchanged, or the axes left-handed? Name the joints by the "
     "person's own left, or turn the sign of one axis"),
    (Oddity.JITTER, {"person": "ann", "noise_m": 0.031},
     "the joints of ann jump by 3.1 cm from frame to frame, along each axis, as nobody does: smooth them where they "
     "are estimated"),
    (Oddity.LIMBS_VARY, {"person": "ann", "joint": "left_knee", "other": "left_hip", "share": 0.31},
     "the limbs of ann change their length, as that from left_hip to left_knee by 31%: is the depth guessed, or are "
     "joints taken for one another?"),
    (Oddity.NAILED, {"person": "ann", "part": "hips"},
     "hips of ann: the place stays the same, to half a millimetre, while the body moves: an origin of the person's "
     "own, or the last place of a joint that is lost? Send places in the room, and NaN for what is lost"),
    (Oddity.TILTED, {"degrees": 25, "axis": "-z"},
     "everybody leans 25 degrees towards -z, whichever way they face: does the camera look up or down? Turn the "
     "coordinates so that +y points up"),
    (Oddity.ALL_SMALL, {"tallest_m": 1.12, "seconds": 8.4},
     "nobody measured more than 1.12 m by the bones in 8 s: children, or a wrong scale? Say \"units\" in the header, "
     "or --units for files: m, cm, mm, in, or metres in one unit, or ignore all_small where only children are"),
]  # fmt: skip
ALL_WITH_DATA: list[tuple[StrEnum, dict[str, Any], str]] = [
    (Blindness.NOTHING_SENT, {}, "no source has sent anything yet"),
    (Blindness.NOTHING_USABLE, {}, "nothing usable has come yet, see dropped"),
    (Blindness.REFUSED, {"refused": {"mm": "absurd_body"}, "more": 2, "said": "person 1 spans 1593 m"},
     "nothing usable from mm: absurd_body, and 2 more (person 1 spans 1593 m)"),
    (Blindness.NOT_HEARD, {}, "nothing has come from it yet"),
    (Blindness.GROUP_NOT_HEARD, {}, "nothing has come from its sources yet"),
    (Blindness.NOBODY, {}, "nobody in view"),
    (Blindness.ONE_PERSON, {}, "one person in view"),
    (Blindness.FILLING, {}, "filling the first window"),
    (Blindness.JOINTS_HIDDEN, HEAD, "joints out of sight: head of ann (from left_ear and right_ear)"),
    (Blindness.TOO_SLOW, {"step_s": 1.0, "most_s": 0.5, "key": "clock.max_gap_s"},
     "frames come 1.0 s apart; windows need at most 0.5 s (clock.max_gap_s)"),
    (Blindness.STAMPS_NOT_INCREASING, {"stamp": 5, "last_stamp": 6}, "stamps do not rise (5 after 6)"),
    (Blindness.STAMPS_JUMP, {"step_s": 3600.0}, "stamps jump (+3600.0 s from the last frame used)"),
    (Blindness.SEQ_NOT_RISING, {"seq": 4}, "frame numbers do not rise (seq 4)"),
    (Blindness.SAME_FRAME, {"seq": 4}, "the same frame comes again and again (seq 4)"),
    (Blindness.OLD_EPOCH, {"epoch": 1, "present": 2},
     "frames of an earlier run (epoch 1) are refused; the present run has epoch 2"),
    (Blindness.WRONG_UNIT, {"unit": "seconds", "stamp": 7}, "stamps look like seconds (7); expected nanoseconds"),
    (Blindness.LAYOUT_UNFIT, {"error": "no joint for head", "missing": ("head",)},
     "layout does not fit the model: no joint for head"),
    (Blindness.OVERLOAD, {}, "overload: windows are shed"),
    (Blindness.NO_USABLE_FRAME, {"seconds": 9.0, "reason": "late"}, "no usable frame for 9 s: late, see dropped"),
    (Blindness.SILENT, {"seconds": 6.2}, "source silent for 6 s"),
    (Blindness.EXPECTED, {"seconds": 6.2}, "expected (liveness.expected), but nothing has come from it in 6 s"),
    (Blindness.STATION_FAILED, {"station": "scoring", "error": "KeyError: 1"}, "scoring fails: KeyError: 1"),
    (Blindness.STATION_STUCK, {"station": "scoring", "seconds": 12.0}, "scoring has not come back for 12 s"),
    *((Blindness(odd), detail, says) for odd, detail, says in ODD_WITH_DATA if odd in BLINDING),
    *ODD_WITH_DATA,
    (MergeState.MERGED, {"group": "hall"}, "in hall"),
    (MergeState.OTHER_CLOCK, {"clock": "media", "reference": "a", "reference_clock": "unix"},
     "apart: its stamps are on the clock 'media', those of a on 'unix'; set merge.offset_s for it"),
    (MergeState.STAMPS_APART, {"ahead_s": -0.52, "reference": "a", "tolerance_s": 0.1},
     "apart: its stamps are 0.52 s behind those of a; merge.tolerance_s is 0.1"),
    (MergeState.GROUP, {"merged": 1, "sources": 2, "shared": 0, "people": 2},
     "1 of 2 sources; 0 of 2 people seen by more than one"),
    (RecordingState.ON, {}, "on"),
    (RecordingState.DISK_STUCK, {"folder": "r", "seconds": 6.0}, "stopped: r has not answered for 6 s"),
    (RecordingState.NO_ROOM, {"folder": "r", "free_mb": 3, "min_free_mb": 500.0},
     "stopped: 3 MB free in r, less than record.min_free_mb, 500"),
    (MemoryState.ON, {}, "on"),
    (MemoryState.FAILS, {"file": "i.db", "error": "disk I/O error", "waiting": 1},
     "i.db cannot be written to (disk I/O error); it is tried again, with 1 message that waits"),
    (RecordingState.DISK_ERROR, {"folder": "r", "error": "No space left"}, "stopped: No space left in r"),
]  # fmt: skip
UNSCORED_WITH_DATA: list[tuple[Unscored, dict[str, Any], str]] = [
    (Unscored.SHORT, {"need_s": 2.0, "every_s": 0.2, "fitting_s": 1.5},
     "too short: a pair is judged once it was seen for 2 s, every 0.2 s; a model trained with --window-s 1.5 could "
     "judge it"),
    (Unscored.NO_FRAMES, {}, "no frame came"),
    (Unscored.REFUSED, {"frames": 2, "reasons": {"late": 2}}, "none of 2 frames could be used: late 2"),
    (Unscored.LAYOUT_UNFIT, {"error": "no head", "missing": ("head",)}, "the joints do not fit the model: no head"),
    (Unscored.NOBODY, {}, "nobody is seen in any frame"),
    (Unscored.ONE_PERSON, {}, "never more than one person is seen at a time"),
    (Unscored.JOINTS_HIDDEN, {"windows": 1, "max_hidden": 0.3, **HEAD},
     "1 window left out, in which a joint is out of sight for more than 30% of the time (windows.max_hidden), most "
     "head of ann (from left_ear and right_ear)"),
    (Unscored.NOT_SCORED, {"windows": 3}, "the model gave no usable score for 3 windows"),
    (Unscored.SLOW, {"step_s": 1.0, "most_s": 0.5}, "frames come 1 s apart; a window needs them at most 0.5 s apart"),
    (Unscored.APART, {"enter_m": 3.0, "nearest_m": 4.2},
     "no two people come within 3 m of each other (pairs.enter_m); the nearest are 4.2 m apart"),
    (Unscored.INTERRUPTED, {"longest_s": 1.3, "max_gap_s": 0.5, "need_s": 2.0, "every_s": 0.2},
     "two people are seen near each other for at most 1.3 s without a break of more than 0.5 s; a window needs 2 s, "
     "and one ends every 0.2 s"),
    (Unscored.ODD_BODIES, {"windows": 2, "odd": "upside_down", "person": "ann"},
     "2 windows left out: the feet of ann are above the head: y-down sent as y-up? Declare it: \"axes\": \"y-down\" in "
     "the header, or --axes y-down for files"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "detail", "says"), [*ALL_WITH_DATA, *UNSCORED_WITH_DATA])
def test_a_sentence_is_made_of_a_code_and_its_data(code: StrEnum, detail: dict[str, Any], says: str) -> None:
    assert text_of(Finding(code, **detail)) == says


def test_every_code_has_a_sentence_and_is_tried_above() -> None:
    tried = {type(code): set[StrEnum]() for code, *_ in (*ALL_WITH_DATA, *UNSCORED_WITH_DATA)}
    for code, *_ in (*ALL_WITH_DATA, *UNSCORED_WITH_DATA):
        tried[type(code)].add(code)
    tables = {
        Blindness: BLIND,
        MergeState: MERGE,
        RecordingState: RECORDING,
        MemoryState: MEMORY,
        Unscored: UNSCORED,
        Oddity: SENTENCES,
    }
    assert tried == {kind: set(kind) for kind in tables} == {kind: set(table) for kind, table in tables.items()}
    assert set(EVENT) == set(EventReason)
    assert set(INCIDENT) == set(IncidentReason)
    assert set(FILE_LOSS) == set(FileLoss)
    counted = [r for reasons in REASONS for r in reasons if reasons is not Refusal]
    assert list(REASON_TEXT) == counted


def test_what_blinds_is_counted() -> None:
    assert {str(Fault(odd)) for odd in BLINDING} == {str(Blindness(odd)) for odd in BLINDING} == set(map(str, BLINDING))


def test_a_pair_ends_for_what_an_event_may_close_for() -> None:
    of_scores = {EventReason.ENOUGH_EVIDENCE, EventReason.STILL_GOING_ON, EventReason.CALM_AGAIN}
    assert {EventReason(end) for end in PairEnd} == set(EventReason) - of_scores


def test_templates_use_plain_names_only() -> None:
    for table in (BLIND, MERGE, RECORDING, MEMORY, UNSCORED):
        for sentence in table.values():
            fields = (
                [f for _, f, *_ in Formatter().parse(sentence) if f is not None] if isinstance(sentence, str) else []
            )
            assert all(f.isidentifier() for f in fields)


def test_named_reasons_are_counted_with_the_name() -> None:
    assert {counted_as(reason, "zmq") for reason in NAMED} == {
        "sink_failed_zmq", "sink_full_zmq", "sink_stuck_zmq", "stuck_zmq",
    }  # fmt: skip


def test_data_is_documented_as_it_is_sent(repo_root: Path) -> None:
    page = (repo_root / "docs" / "wire-protocol.md").read_text("utf8")
    kinds = {
        "Why a source is blind": Blindness,
        "What is odd about bodies": Oddity,
        "How sources are merged": MergeState,
        "Whether it records": RecordingState,
        "Whether incidents are kept": MemoryState,
    }
    for title, kind in kinds.items():
        table = page.split(f"### {title}\n")[1].split("###")[0]
        rows = {
            code: re.findall(r"`(\w+)`", data)
            for code, data in re.findall(r"^\| `(\w+)` \|([^|]*)\|", table, re.MULTILINE)
        }
        assert rows.pop("code") == ["detail"]
        assert rows == {code: list(detail) for code, detail, _ in ALL_WITH_DATA if isinstance(code, kind)}


def test_what_is_logged_ends_with_its_cause_and_is_no_longer_than_a_screen() -> None:
    from dyadwatch.stream.codes import Fault

    unfit = Finding(Blindness.LAYOUT_UNFIT, error="no joint for head", missing=("head",))
    assert logged(Fault.LAYOUT_UNFIT, unfit) == "the joints do not fit the model: no joint for head"
    assert logged(Fault.LATE) == REASON_TEXT[Fault.LATE]
    assert len(logged(Fault.STATION_FAILED, "x" * 9999)) < 700
