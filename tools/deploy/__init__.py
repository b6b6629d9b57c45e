"""Files to run the detector for good: a systemd unit and a compose file; `docs/page.md` says how."""
