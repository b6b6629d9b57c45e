"""A value that its type allows and its meaning does not."""

from __future__ import annotations


class UnfitError(ValueError):
    """What was found, and what was expected; who knows where it was written puts that before it.

    Arguments:
        found: the value, or what it amounts to.
        expected: in words.
        key: of a mapping, which of its values it is; empty where it is the only one.
    """

    def __init__(self, found: str, expected: str, key: str = "") -> None:
        super().__init__(f"{found}; expected {expected}")
        self.found, self.expected, self.key = found, expected, key

    def of(self, key: str) -> UnfitError:
        """The same, as that of a key."""
        return UnfitError(self.found, self.expected, key)
