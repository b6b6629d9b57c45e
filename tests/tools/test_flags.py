"""A flag has one meaning in every verb."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.publishers.publisher import check_address
from dyadwatch.tools.main import app

# What the help of a flag says, in every verb that has it. Whoever gives a verb a flag that another verb has finds
# here what it means already; a flag that means something else there needs another name.
MEANINGS = {
    "--attached": r"stop when standard input ends",
    "--axes": r"which (axis of the files points|way is) up",
    "--bind": r"bind pose",
    "--budget": r"^false (alarms|events)",
    "--bundle": r"\.task bundle",
    "--clip": r"clip.* id",
    "--comment": r"^kept beside it",
    "--config": r"^configuration file",
    "--data": r"^folder (for recordings|that dyadwatch up was given)",
    "--delay": r"^seconds (such )?a frame waits",
    "--duration": r"^seconds of",
    "--faults": r"what goes wrong on the way",
    "--file-fps": r"frames per second of files",
    "--folder": r"^folder of the keys",
    "--fov": r"horizontal field of view",
    "--fps": r"(frames|pictures)( a| per)? ?second",
    "--from": r"^where to begin: seconds from the beginning, or .*a time|^only what was not over by then",
    "--insecure": r"^listen where other machines can reach it",
    "--json": r"json|^print",
    "--key": r"^this publisher's name\.key_secret",
    "--keys": r"^folder that `dyadwatch keys` made",
    "--label": r"^only clips of this label",
    "--layout": r"skeleton",
    "--limit": r"^how many at most",
    "--listen": r"tcp://|^address to listen at",
    "--loop": r"^begin again after the (last clip|end)",
    "--map": r"^which markers make which joint",
    "--model": r"^model file",
    "--memory": r"^file (of the incidents|to keep incidents in)",
    "--name": r"^id of each performer|calls itself",
    "--out": r"file|folder",
    "--people": r"^how many",
    "--pose-model": r"^pose model",
    "--rate": r"^times real time",
    "--seconds": r"^how (long to listen|much of that video)",
    "--role": r"^what (it|they) may do",
    "--scale": r"times as high|larger or smaller|^height of each person divided",
    "--seed": r"seed|decides on the faults",
    "--set": r"^one configuration key",
    "--severity": r"^only incidents at least so grave",
    "--source": r"^name of the source|^only this source|^source (name|or group)",
    "--split": r"^only clips of this split",
    "--start-stamp": r"^stamp of the first frame, nanoseconds",
    "--to": r"^where the detector listens",
    "--unequal": r"two files of a person each",
    "--units": r"measured in|^units of files",
    "--until": r"^where to end, likewise|^only what had begun by then",
    "--utc": r"^print times in utc",
    "--verdict": r"^only those that were judged so",
    "--wait": r"^seconds to wait for a detector",
    "--who": r"^name to keep",
}
# Verbs for developers, whose flags size a measurement.
MEASURING = "bench"


def flags(app: App, verb: tuple[str, ...] = ()) -> Iterator[tuple[str, str, str]]:
    """(verb, flag, help) of a command and those below it."""
    for name in app:
        if not name.startswith("-"):
            yield from flags(app[name], (*verb, name))
    if verb and app.default_command is not None:
        for argument in app.assemble_argument_collection(parse_docstring=True):
            for name in argument.names:
                if name.startswith("--"):
                    yield " ".join(verb), name, " ".join((argument.parameter.help or "").split())


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, str]]:
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for verb, flag, text in flags(app):
        if verb.split()[0] != MEASURING:
            found[flag][verb] = text
    return found


def test_a_flag_of_several_verbs_means_one_thing(told: dict[str, dict[str, str]]) -> None:
    wrong = [
        f"{verb} {flag}: {text or '(no help)'}"
        for flag, meaning in MEANINGS.items()
        for verb, text in told.get(flag, {}).items()
        if not re.search(meaning, text, re.IGNORECASE)
    ]
    assert wrong == []


def test_a_flag_of_several_verbs_is_known_here(told: dict[str, dict[str, str]]) -> None:
    learning = {"train", "enrol", "evaluate", "export"}
    shared = {
        flag
        for flag, verbs in told.items()
        if len({re.sub("clips$", "file", v) for v in verbs if v not in learning}) > 1 and not flag.startswith("--no-")
    }
    assert shared - set(MEANINGS) == set()


@pytest.mark.parametrize("verb", ["replay", "recordings cut", "recordings export", "view"])
def test_times_are_from_and_until(told: dict[str, dict[str, str]], verb: str) -> None:
    assert verb in told["--from"]
    assert verb in told["--until"]
    assert (verb in told["--to"]) == (verb == "replay")


def test_the_address_sent_to_is_the_same_flag_in_every_verb_that_sends(told: dict[str, dict[str, str]]) -> None:
    sending = {verb for verb in told["--wait"] if verb.startswith(("publish", "replay"))}
    assert sending == set(told["--to"]) == set(told["--key"])
    assert "record" in told["--listen"]


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:5570", "tcp://[::1]:1", "ipc:///tmp/poses", "tcp://detector:65535"]
)
def test_addresses(address: str) -> None:
    check_address("--to", address)


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("30", "; a time goes with --until"),
        ("2026-11-21T14:30:00Z", "; a time goes with --until"),
        ("127.0.0.1:5570", ""),
        ("tcp://127.0.0.1", ""),
        ("tcp://127.0.0.1:99999", ""),
        ("tcp://:5570", ""),
        (str(Path("nowhere")), ""),
    ],
)
def test_what_is_no_address_is_told_at_once(address: str, hint: str) -> None:
    with pytest.raises(ConfigError) as e:
        check_address("--to", address)
    assert str(e.value) == f"--to is {address!r}; expected an address such as tcp://127.0.0.1:5570{hint}"
