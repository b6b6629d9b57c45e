"""Cameras and videos as a source: images in, people in metres out; no image leaves this package but by a preview."""
