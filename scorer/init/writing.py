"""Writes the drafts as YAML: each guess has a comment that says why, and what is open says what to write."""

import re
from collections.abc import Iterable, Iterator, Sequence

from scorer.init.found import Guess, Source

GUESS, OPEN = "guess", "open"
_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MEANINGFUL = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_ESCAPES = {'"': '\\"', "\\": "\\\\"}


def scalar(value: object) -> str:
    """Return a text or a number as YAML, in quotes unless it is a plain word."""
    if not isinstance(value, str):
        return str(value)
    if _SIMPLE.fullmatch(value) and value.lower() not in _MEANINGFUL:
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def quoted(text: str) -> str:
    """Return a text as YAML, always in quotes."""
    plain = scalar(text)
    return plain if plain.startswith('"') else f'"{plain}"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    return char if " " <= char <= "~" or (char.isprintable() and char.isalnum()) else f"\\U{ord(char):08x}"


def comment(text: str) -> str:
    """Return a text as the rest of a line: nothing in it begins another line."""
    return "".join(char if char.isprintable() else "?" for char in text)


def flow(source: Source) -> str:
    """Return the keys of a source in the plan, which follow the name."""
    keys = {"event": source.event, "part": source.part, "entity": source.entity, "field": source.field}
    keys["expression"] = source.expression
    texts = [f"{key}: {scalar(value)}" for key, value in keys.items() if value is not None]
    if source.categories:
        texts.append(f"categories: [{', '.join(map(scalar, source.categories))}]")
    return ", ".join(texts)


def marked(line: str, kind: str, why: str, indent: str = "") -> str:
    """Return a line with a comment at its end."""
    return f"{indent}{line}  # {kind}: {comment(why)}"


def column(guess: Guess) -> Iterator[str]:
    """Yield the lines of a column: itself, and below it what may be written where it is open."""
    source = f", {flow(guess.source)}" if guess.source else ""
    line = f"- {{name: {scalar(guess.wanted.name)}{source}}}"
    if not guess.open:
        yield marked(line, GUESS, guess.why, "  ")
        return
    yield marked(line, OPEN, guess.open, "  ")
    yield from (f"  #   {comment(each)}" for each in guess.candidates)


def block(head: str, lines: Iterable[str]) -> list[str]:
    """Return lines below a key; nothing if there are none."""
    found = list(lines)
    return [head, *found] if found else []


def document(parts: Iterable[Sequence[str]]) -> str:
    """Return parts of a file, with an empty line between them."""
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
