"""Poses and their layouts: which joints a source sends, and how one layout becomes another."""
