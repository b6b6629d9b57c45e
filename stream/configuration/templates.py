"""Templates of what people read of an update: which fields one may have."""

from __future__ import annotations

import string

# Of templates; `text` and `title` are the default wording.
FIELDS = (
    "place", "source", "severity", "what", "since", "until", "who", "detail", "explanation", "id", "key", "title",
    "text",
)  # fmt: skip


def template_problem(template: str) -> bool:
    """Whether a template has a field that is unknown, or is none."""
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError:
        return True
    return any(name is not None and (name not in FIELDS or spec or turn) for _, name, spec, turn in fields)
