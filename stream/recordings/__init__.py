"""Recordings: what was received and what was said about it, in MCAP files, and the way back."""
