"""Shows JSON where an error has a line for it."""

import json
from itertools import islice

_LONGEST = 60  # characters


def shown(value: object) -> str:
    """Return JSON, cut to what a line of an error has room for."""
    text = ""
    try:
        for piece in islice(json.JSONEncoder(default=repr).iterencode(value), _LONGEST + 1):
            text += piece
            if len(text) > _LONGEST:
                return text[: _LONGEST - 3] + "..."
    except (RecursionError, ValueError):  # deeper than the stack, or a number of too many digits
        return f"a {type(value).__name__}"
    return text
