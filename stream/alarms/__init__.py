"""From scores to events, incidents and calls to people."""
