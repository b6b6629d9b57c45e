"""Options of what goes out and what is kept: sockets, recordings, incidents, the page, and who may connect."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from dyadwatch.stream.configuration.option_types import ADDRESS, PORT, NotNegative, Positive, Section, shaped


class SinkOptions(Section, frozen=True):
    """Where results go."""

    bind: Annotated[
        str, shaped(f"|{ADDRESS}", "an address like tcp://127.0.0.1:5571 or ipc:///path, or '' for no socket")
    ] = "tcp://127.0.0.1:5571"
    """Address of the socket that scores, events and status are published on. Empty: none."""
    scores: bool = True
    """Whether every score is published. false: only events and status, far fewer messages."""
    status_s: Positive = 1.0
    """Seconds between two status messages of a source, by the receiver's clock. Lower: more messages; higher: trouble
    is seen later."""
    people: str = ""
    """File of a local socket that says who is where, twenty times a second, for a page that draws it; nothing is sent
    while nobody listens. `dyadwatch up` sets it. Empty: none, and a page shows no skeletons."""


class RecordOptions(Section, frozen=True):
    """What is received and sent can be kept, to be looked at, replayed and trained on.

    See `dyadwatch docs recordings`.
    """

    folder: str = ""
    """Folder for the recordings, from the folder the service starts in. Empty: nothing is recorded."""
    max_mb: Positive = 256.0
    """Megabytes of one file, from which on the next is begun. Lower: more and smaller files; higher: the reverse."""
    max_minutes: Positive = 60.0
    """Minutes of one file. Lower: more and shorter files; higher: the reverse."""
    keep_days: NotNegative = 30.0
    """Days a recording is kept after its last message; 0 keeps it for ever. Lower: the past is gone sooner; higher:
    more of the disk is used."""
    min_free_mb: NotNegative = 512.0
    """Free megabytes of the disk below which recording stops while detecting goes on. Lower: other programs may run out
    of room; higher: recording stops sooner."""


class MemoryOptions(Section, frozen=True):
    """Incidents, what people said of them and how sources did are kept in one SQLite file.

    See `dyadwatch docs incidents`.
    """

    file: str = ""
    """The file, from the folder the service starts in. Empty: incidents.db in record.folder, and nothing is kept where
    nothing is recorded. off: nothing is kept."""
    keep_days: NotNegative = 90.0
    """Days that a closed incident is kept, and all that belongs to it; 0 keeps it for ever. Lower: the past is gone
    sooner; higher: more of the disk is used, about a megabyte for a thousand incidents."""
    near_misses: Annotated[int, Meta(ge=0)] = 200
    """Near misses that are kept of each source, the highest first. Lower: less to choose a threshold by; higher: more
    of the disk is used."""


class PageOptions(Section, frozen=True):
    """The page that people watch and answer incidents on, `dyadwatch up` or `dyadwatch page`.

    See `dyadwatch docs page`.
    """

    bind: str = "127.0.0.1:8090"
    """Host and port of the page. 127.0.0.1 is reached from this machine alone; others need TLS or insecure."""
    certificate: str = ""
    """File of a TLS certificate (PEM, with its chain); page.key belongs to it. Empty: plain HTTP."""
    key: str = ""
    """File of the private key (PEM) of page.certificate. Empty: plain HTTP."""
    insecure: bool = False
    """Whether other machines may reach the page without TLS. true: who listens on the network can read tokens and
    poses."""
    tokens: str = ""
    """File of the tokens that people log in with; only hashes are in it. Empty: page-tokens.json beside the
    incidents."""
    listen_key: str = ""
    """NAME.key_secret of the page, where security.keys asks those who listen for keys. Empty: none."""
    before_s: NotNegative = 5.0
    """Seconds of a clip before its incident. Lower: how it began may be missing; higher: clips take longer to load."""
    after_s: NotNegative = 5.0
    """Seconds of a clip after its incident. Lower: how it ended may be missing; higher: clips take longer to load."""


class FoxgloveOptions(Section, frozen=True):
    """A server for Foxglove, in which an engineer sees what the detector sees. See `dyadwatch docs integrations`."""

    bind: Annotated[
        str,
        shaped(
            rf"|(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.%]+\]):{PORT}", "host and port, like 127.0.0.1:8765, or '' for none"
        ),
    ] = ""
    """Host and port, such as 127.0.0.1:8765; Foxglove connects to ws://127.0.0.1:8765. Whoever reaches it sees
    skeletons, and so does every page that is open in a browser of this machine. Empty: none."""
    insecure: bool = False
    """Whether foxglove.bind may be reached by other machines. true: everybody who reaches it sees skeletons and
    results."""


class SecurityOptions(Section, frozen=True):
    """Who may connect. Without keys only addresses that no other machine reaches are bound.

    See `dyadwatch docs security`.
    """

    keys: str = ""
    """Folder of keys made by `dyadwatch keys new`, from the folder the service starts in: publishers and subscribers
    then need a key, and publishers may use only the source names of theirs. Empty: nobody is asked for a key."""
    insecure: bool = False
    """Whether wire.bind and sinks.bind may be reached by other machines although there are no keys. true: everybody who
    reaches them can send as any source and read all results; a warning is logged every minute."""
