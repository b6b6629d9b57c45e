"""Clips, their clean stretches on a time grid, and the windows cut from them."""
