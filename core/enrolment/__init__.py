"""A new normal from a few clips, without training."""
