"""Which predictions are explained, as a setting: `always`, or one rule with its number, such as `above: 0.9`."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

ALWAYS = "always"
EXPECTED = "always, or one of above, below and sample with its limit or share, such as {above: 0.9}"
_RULE = re.compile(r"(above|below|sample)\s*:?\s+(\S+)")


class When(NamedTuple):
    """Which predictions are explained."""

    kind: str  # always, above, below or sample
    number: float = 0.0  # a score; for a sample the share of the events

    def __str__(self) -> str:
        return ALWAYS if self.kind == ALWAYS else f"{self.kind}: {self.number:g}"


def parse_when(given: object) -> When:
    """Parse `always`, a text such as `above: 0.9`, or a map such as {"above": "0.9"}.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(given, When):
        return given
    if isinstance(given, Mapping) and len(given) == 1:
        (kind, number), *_ = given.items()
        given = f"{kind}: {number}"
    if given == ALWAYS:
        return When(ALWAYS)
    match = _RULE.fullmatch(str(given).strip())
    if match is None:
        raise ValueError(f"expected {EXPECTED}")
    try:
        number = float(match[2])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a number after {match[1]}")
    if match[1] == "sample" and not 0 <= number <= 1:
        raise ValueError("expected a share from 0 to 1 after sample")
    return When(match[1], number)
