"""Data sets in the formats they are published in. No torch."""
