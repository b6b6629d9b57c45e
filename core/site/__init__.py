"""A place that is watched: its floor, and the hours of its week."""
