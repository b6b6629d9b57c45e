"""The live path, one file per station: wire, receive, clock, tracks, pairs, windows, scorer, alarm, sinks."""
