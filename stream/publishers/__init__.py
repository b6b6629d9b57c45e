"""Pose sources that publish on the wire; they know the wire format and nothing else of the live path."""
