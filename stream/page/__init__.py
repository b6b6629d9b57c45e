"""The page: a process of its own that is fed like any other listener, so that no browser can hold up the detector."""
