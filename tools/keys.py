"""`dyadwatch keys`: who may connect to a detector, speak for which sources and listen to results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape

from dyadwatch.stream.sockets.allow_list import Peer
from dyadwatch.stream.sockets.key_folder import KeyFolder

app = App(name="keys", help="Make and revoke the keys that let publishers and subscribers in.")
Folder = Annotated[Path, Parameter(help="Folder of the keys, what security.keys of the detector names.")]
DEFAULT = Path("keys")


@app.command
def new(
    name: str | None = None,
    /,
    *,
    sources: str = "",
    results: Annotated[bool | None, Parameter(negative="--no-results")] = None,
    folder: Folder = DEFAULT,
) -> None:
    """Make a key for a peer, and the detector's own where it has none.

    Parameters
    ----------
    name
        What to call the peer, 1-64 characters of A-Z a-z 0-9 _ -; without one only the detector's own keys are made.
    sources
        Names of the sources that it may send poses of, with commas between; '*' is any.
    results
        Whether it may receive results; by default only a peer without sources may.
    """
    keys, console = KeyFolder(folder), Console(stderr=True)
    if keys.make():
        console.print(
            f"{escape(str(folder))}: the detector's keys; start it with --keys {escape(str(folder))}", soft_wrap=True
        )
    if name is None:
        return
    may_send = [s.strip() for s in sources.split(",") if s.strip()]
    file = keys.add(name, may_send, listen=not may_send if results is None else results)
    peer = next(p for p in keys.peers() if p.name == name)
    console.print(f"{escape(name)} {rights(peer)}", soft_wrap=True)
    console.print(
        f"{escape(str(file))}: secret; move it to the machine of {escape(name)} over a safe way, delete it here, and "
        "give it there as --key",
        soft_wrap=True,
    )


@app.command(name="list")
def list_(*, folder: Folder = DEFAULT) -> None:
    """Say who has a key, and what for."""
    peers = KeyFolder(folder).peers()
    for peer in peers:
        Console().print(f"{peer.name}: {peer.key[:8]}... {rights(peer)}", soft_wrap=True, markup=False, highlight=False)
    if not peers:
        Console(stderr=True).print("no keys yet; make one with: dyadwatch keys new NAME --sources ...")


@app.command
def revoke(name: str, /, *, folder: Folder = DEFAULT) -> None:
    """Take a peer's key off the allow-list; a running detector heeds it within two seconds."""
    KeyFolder(folder).revoke(name)
    Console(stderr=True).print(f"{escape(name)} is revoked")


def rights(peer: Peer) -> str:
    """What a peer may do, in words."""
    speaks = "speaks for no source" if not peer.sources else "speaks for " + ", ".join(sorted(peer.sources))
    if "*" in peer.sources:
        speaks = "speaks for any source"
    return f"{speaks}, {'listens' if peer.listen else 'does not listen'}"
