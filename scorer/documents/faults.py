"""Translates pydantic's errors about a document to plain words."""

import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from scorer.errors import Problem, did_you_mean

Step = str | int  # a key, or the position of an item

TEXT = "expected text, in quotes if it looks like something else"

_EXPECTED = {
    "string_type": TEXT,
    "string_too_short": "expected text with at least one character",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "list_type": "expected a list such as [a, b]",
    "too_short": "expected at least one item",
    "dict_type": "expected a mapping of keys to values",
    "model_type": "expected a mapping of keys to values",
    "model_attributes_type": "expected a mapping of keys to values",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a document.

    path:     where it is; for a missing key, the group that lacks it.
    missing:  the key that is missing; empty in other faults.
    unknown:  the key that is unknown, which is also the last step of the path; empty in other faults.
    found:    the value there.
    hint:     a suggestion for an unknown key or a mistyped choice, to append to a message; empty if none is near.
    expected: what would be right.
    reason:   the error that a validator of ours raised; None in other faults.
    """

    path: tuple[Step, ...]
    missing: str
    unknown: str
    found: object
    hint: str
    expected: str
    reason: Exception | None = None

    def problem(self, where: str) -> Problem:
        """Return it as a problem at a place."""
        if self.missing:
            return Problem(where, f"the key '{self.missing}' is missing", self.expected)
        what = f"unknown key '{self.unknown}'" if self.unknown else f"found {reprlib.repr(self.found)}"
        return Problem(where, f"{what}{self.hint}", self.expected)


def faults(error: ValidationError, form: type[BaseModel]) -> Iterator[Fault]:
    """Yield everything that is wrong with a document.

    Args:
        error: pydantic's error.
        form: the model of the document, which has the known keys.
    """
    return (_fault(details, list(form.model_fields)) for details in error.errors())


def _fault(details: ErrorDetails, known: list[str]) -> Fault:
    listed = ", ".join(known)
    kind, found = details["type"], details["input"]
    path = tuple(step for step in details["loc"] if step != "[key]")
    if kind == "missing":
        return Fault(path[:-1], str(path[-1]), "", found, "", f"expected keys: {listed}")
    if kind == "extra_forbidden":
        name = str(path[-1])
        return Fault(path, "", name, found, did_you_mean(name, known), f"known keys: {listed}")
    if kind == "literal_error":
        choices = details["ctx"]["expected"]
        near = did_you_mean(str(found), re.findall(r"'([^']*)'", choices))
        return Fault(path, "", "", found, near, f"expected {choices}")
    expected = _EXPECTED.get(kind) or details["msg"].replace("Input should be", "expected")
    return Fault(path, "", "", found, "", expected, details.get("ctx", {}).get("error"))
