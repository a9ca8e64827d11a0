"""Shortens JSON for error messages."""

import json
from itertools import islice

_LONGEST = 60  # characters


def shown(value: object) -> str:
    """Return a value as JSON, cut to fit into a line of an error."""
    text = ""
    try:
        for piece in islice(json.JSONEncoder(default=repr).iterencode(value), _LONGEST + 1):
            text += piece
            if len(text) > _LONGEST:
                return text[: _LONGEST - 3] + "..."
    except (RecursionError, ValueError):  # nested deeper than the stack allows, or a number of too many digits
        return f"a {type(value).__name__}"
    return text
