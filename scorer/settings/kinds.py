"""The types of settings, each with the words for its unit or its expected value."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from annotated_types import Ge, Le
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a number."""

    name: str


@dataclass(frozen=True, slots=True)
class Expects:
    """The expected value in plain words, where the type alone does not say it."""

    words: str


def _absolute(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder", Path())
    return Path(os.path.abspath(folder / path))  # noqa: PTH100  resolve() would follow links, but the path's last part is the model's name


def _not_empty(given: object) -> object:
    """Refuse an empty path, which would be the folder of the file."""
    if given == "":
        raise ValueError("expected a path")
    return given


def _distinct(topics: tuple[str, ...]) -> tuple[str, ...]:
    if twice := sorted({topic for topic in topics if topics.count(topic) > 1}):
        raise ValueError(f"expected each topic once, but {', '.join(twice)} is listed more than once")
    return topics


def _without_spaces(url: str) -> str:
    """Refuse white space, which a URL contains only if its password was not percent-encoded."""
    if blank := re.search(r"\s", url):
        names = {" ": "a space", "\n": "the end of a line", "\r": "the end of a line", "\t": "a tab"}
        name = names.get(blank[0], "white space")
        raise ValueError(f"expected a URL without {name}: percent-encode it, as {quote(blank[0])}")
    return url


def _joined(given: object) -> object:
    """Take a list of URLs as one text with commas between, as which variables and flags have it."""
    return ",".join(map(str, given)) if isinstance(given, list) else given


Text = Annotated[str, Field(min_length=1), Expects("text")]
Servers = Annotated[
    str, Field(pattern=r"\A[^\s,]+(,[^\s,]+)*\Z"), Expects("host:port, or several with commas between and no spaces")
]
Topic = Annotated[
    str,
    Field(pattern=r"\A(?!\.{1,2}\Z)[a-zA-Z0-9._-]{1,249}\Z"),
    Expects("a topic name: letters, digits, '.', '_' and '-', at most 249 of them"),
]
Topics = Annotated[
    tuple[Topic, ...],
    Field(min_length=1),
    AfterValidator(_distinct),
    Expects('a list of topic names, such as ["flights"]'),
]
Url = Annotated[
    str,
    AfterValidator(_without_spaces),
    Field(pattern=r"\A[a-z][a-z0-9+]*://\S+\Z"),
    Expects("a URL such as redis://localhost:6379/0"),
]
PathSetting = Annotated[
    Path,
    BeforeValidator(_not_empty),
    AfterValidator(_absolute),
    Expects("a path"),
]
VersionName = Annotated[
    str, Field(pattern=r"\A(?!\.{1,2}\Z)[^/\\]+\Z"), Expects("latest, or the name of a version's folder")
]
Framing = Literal["none", "confluent", "single-object"]
Optional = Annotated[str, Expects("text")]
Token = Annotated[str, Field(pattern=r"\A[\x21-\x7e]*\Z"), Expects("printable ASCII without spaces")]
Yes = Annotated[bool, Expects("true or false")]
Urls = Annotated[
    str,
    BeforeValidator(_joined),
    AfterValidator(_without_spaces),
    Field(pattern=r"\Ahttps?://[^\s,]+(,https?://[^\s,]+)*\Z"),
    Expects("an http:// or https:// URL, or a list of them"),
]
Ratio = Annotated[float, Ge(0), Le(1)]
Records = Annotated[int, Unit("records")]
Bytes = Annotated[int, Unit("bytes")]
Entries = Annotated[int, Unit("keys")]
Milliseconds = Annotated[int, Unit("milliseconds")]
Seconds = Annotated[float, Unit("seconds")]
