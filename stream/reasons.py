"""Why frames, windows and pairs are left out, in words; messages that break the protocol say it themselves."""

from __future__ import annotations

# What a source or its network does wrong: counted, and logged at a bounded rate.
FAULTS: dict[str, str] = {
    "duplicate": "a frame came again with the same number and stamp; only the first is used",
    "late": (
        "a frame came after its turn; it is dropped: it was long on its way (see clock.reorder_s), or its number (seq) "
        "does not rise by one with every frame"
    ),
    "seq_gap": "frame numbers are missing; frames were lost on the way or the source skips numbers",
    "old_epoch": "a frame of an earlier run came; two publishers share the name, or epochs do not grow",
    "epoch_returned": "only frames of an earlier run came for long; the source goes on with that run",
    "source_restart": "the source began a new run; its windows start afresh",
    "restart_without_epoch": "numbers began again without a larger epoch; taken for a restart after some frames",
    "stamp_not_increasing": "a stamp is not later than the one before; the frame is dropped",
    "wrong_unit": "stamps are unix time, but not in nanoseconds; windows never fill",
    "stamp_jump_ahead": "a stamp lies too far ahead of the one before (see clock.max_jump_s)",
    "stamp_jump_back": "a stamp lies too far back behind the one before (see clock.max_gap_s)",
    "id_jump": "an id moved faster than people do; its track starts afresh (see tracks.max_speed_m_s)",
    "id_churn": "the source gives new ids in every frame; its people are followed by place, as if it sent none",
    "tracks_capped": (
        "more people are remembered than tracks.max_tracks; those unseen for longest are forgotten: ids change from "
        "frame to frame, or stamps are not nanoseconds"
    ),
    "layout_unfit": "the joints do not fit the model",
    "pairs_capped": "more pairs are near each other than pairs.max_pairs; the farthest are not scored",
    "shed_overload": "windows came faster than they can be scored; the oldest are left out",
    "inbox_full": "messages came faster than they can be decoded; the oldest of who sends most are dropped",
    "part_count": "a message has far more than three parts; its connection is cut",
    "unfinished_message": "a message grew beyond wire.max_bytes and was not finished; its connection is cut",
    "backlog_bytes": "too many bytes wait to be received; its connection is cut",
    "too_many_connections": "more connections than the detector serves; the newest is cut",
    "station_failed": "the detector failed on a frame, which is a fault of its own; the source starts afresh",
    "score_not_finite": "the model gave no usable score for a window; it is left out",
    "score_failed": "the model failed on a batch of windows; they are left out (see the log for what it said)",
    "score_invalid": "the model gave outputs of other shapes than it describes; the windows are left out",
    "score_cancelled": "scoring was stopped before the window had its score",
    "two_publishers": "two publishers send under one name and epoch; give each a name of its own",
    "clocks_apart": "the clocks of a group do not agree; the source is watched by itself (see merge in its status)",
    "merge_late": "a frame came after its group had gone on without it (see merge.wait_s)",
    "group_name": "a source has the name of a group of merge.groups; its frames are refused",
    "too_many_sources": "more sources than wire.max_sources; the newest are not taken in",
}
# Of these the ones for which a whole frame is left out.
FRAMES_LEFT_OUT = frozenset(
    {
        "duplicate", "late", "old_epoch", "stamp_not_increasing", "stamp_jump_ahead", "stamp_jump_back",
        "two_publishers", "merge_late", "group_name",
    }
)  # fmt: skip
# What a scene brings with it: counted only.
CIRCUMSTANCES: dict[str, str] = {
    "person_unseen": "a person of a frame had no joint above tracks.min_confidence",
    "joints_hidden": "a joint was out of sight for more than windows.max_hidden of a window, which is not scored",
}
# Connections and messages that nobody has the right to; see docs/security.md.
PEERS: dict[str, str] = {
    "peer_refused": "a connection came without a key, or with one that is not on the allow-list",
    "peer_revoked": "a message came of a peer whose key is no longer on the allow-list",
    "foreign_source": "a message names a source that the key of its peer may not speak for",
}
# What the recorder could not keep, in messages; the status of the detector says more under `recording`.
RECORDING: dict[str, str] = {
    "record_disk_full": "there was no room on the disk for a message (see record.min_free_mb)",
    "record_overflow": "messages came faster than the disk takes them",
    "record_refused_capped": "more messages were refused than are recorded one by one; these are only counted there",
}
# What the detector itself does or fails to do, counted for itself.
OWN: dict[str, str] = {
    "sink_failed_<name>": "an output broke (disk full, pipe closed) and is left out from now on",
    "sink_full_<name>": "an output takes messages more slowly than they come; its oldest are dropped, events last",
    "sink_stuck_<name>": "an output did not take what waited for it when the detector stopped",
    "receiving_failed": "the receiving station failed on a message",
    "scoring_failed": "the scoring station failed on a batch of windows",
    "status_failed": "a status could not be made",
    "stuck_<thread>": "a thread did not come back when the detector stopped",
    "source_forgotten": "a source is silent for over liveness.forget_s, or for a minute after hardly a usable frame",
    "source_replaced": "a source of no use, or long silent, made room for a new one",
}
