"""The types of settings, each with the words for its unit or its expected value."""

import os
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, unquote, urlsplit

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationInfo

_SCHEME = re.compile("[a-z][a-z0-9+.-]+:/")  # of an address, such as s3://


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a number."""

    name: str


@dataclass(frozen=True, slots=True)
class Expects:
    """The expected value in plain words, where the type alone does not say it."""

    words: str


class Secret(Enum):
    """Which part of a value is a secret, where a type or a setting says so."""

    WHOLE = "all of it"
    LOGIN = "the password of name:password"
    URLS = "the passwords in a URL, or in several"
    REDIS_URL = "the passwords in an address of Redis"
    PROPERTIES = "the values of a map whose names or texts look like a secret"


NAMES = "lower-case letters and digits, with single - or _ between them"
_NAME = r"\A[a-z0-9]+([-_][a-z0-9]+)*\Z"


def is_name(text: str) -> bool:
    """Whether a user may give this name to a group: it must be the same in a file, a flag and a variable."""
    return re.match(_NAME, text) is not None


def _absolute(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder", Path())
    return Path(os.path.abspath(folder / path))  # noqa: PTH100  resolve() would follow links, but the path's last part is the model's name


def _not_empty(given: object) -> object:
    """Refuse an empty path, which would be the folder of the file."""
    if given == "":
        raise ValueError("expected a path")
    return given


def _located(given: object, info: ValidationInfo) -> Path | str:
    """Return an address with a scheme as it is, and anything else as a path; `file://` is one."""
    if isinstance(given, str) and given.startswith("file://"):
        given = unquote(urlsplit(given).path)
    if isinstance(given, str) and _SCHEME.match(given):
        return given
    if not given or not isinstance(given, str | Path):
        raise ValueError("expected a path")
    return _absolute(Path(given), info)


def _distinct(topics: tuple[str, ...]) -> tuple[str, ...]:
    if twice := sorted({topic for topic in topics if topics.count(topic) > 1}):
        raise ValueError(f"expected each topic once, but {', '.join(twice)} is listed more than once")
    return topics


def _distinct_fields(fields: tuple[str, ...]) -> tuple[str, ...]:
    if twice := sorted({field for field in fields if fields.count(field) > 1}):
        raise ValueError(f"expected each field once, but {', '.join(twice)} is listed more than once")
    return fields


def _without_spaces(url: str) -> str:
    """Refuse white space, which a URL contains only if its password was not percent-encoded."""
    if blank := re.search(r"\s", url):
        names = {" ": "a space", "\n": "the end of a line", "\r": "the end of a line", "\t": "a tab"}
        name = names.get(blank[0], "white space")
        raise ValueError(f"expected a URL without {name}: percent-encode it, as {quote(blank[0])}")
    return url


def _joined(given: object) -> object:
    """Join a list of URLs with commas, which is how variables and flags contain them."""
    return ",".join(map(str, given)) if isinstance(given, list) else given


Name = Annotated[str, Field(pattern=_NAME)]  # of a group, in a map of groups
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
Fields = Annotated[
    tuple[Text, ...], AfterValidator(_distinct_fields), Expects("a list of field names, such as [carrier]")
]
Url = Annotated[
    str,
    AfterValidator(_without_spaces),
    Field(pattern=r"\A[a-z][a-z0-9+]*://\S+\Z"),
    Expects("a URL such as redis://localhost:6379/0"),
    Secret.REDIS_URL,
]
PathSetting = Annotated[
    Path,
    BeforeValidator(_not_empty),
    AfterValidator(_absolute),
    Expects("a path"),
]
# Text is an address with a scheme.
Location = Annotated[Path | str, PlainValidator(_located), Expects("a path or an address")]
VersionName = Annotated[
    str, Field(pattern=r"\A(?!\.{1,2}\Z)[^/\\]+\Z"), Expects("latest, or the name of a version's folder")
]
Framing = Literal["none", "confluent", "single-object"]
Optional = Annotated[str, Expects("text")]
Token = Annotated[str, Field(pattern=r"\A[\x21-\x7e]*\Z"), Expects("printable ASCII without spaces")]
WebAddress = Annotated[str, Field(pattern=r"\Ahttps?://\S+\Z"), Expects("an http:// or https:// URL")]
HeaderList = Annotated[
    str,
    Field(pattern=r"\A([A-Za-z0-9_.-]+=[^,\s]*(,[A-Za-z0-9_.-]+=[^,\s]*)*)?\Z"),
    Expects("name=value, percent-encoded, or several with commas between and no spaces"),
]
Yes = Annotated[bool, Expects("true or false")]
Urls = Annotated[
    str,
    BeforeValidator(_joined),
    AfterValidator(_without_spaces),
    Field(pattern=r"\Ahttps?://[^\s,]+(,https?://[^\s,]+)*\Z"),
    Expects("an http:// or https:// URL, or a list of them"),
    Secret.URLS,
]
Ratio = Annotated[float, Ge(0), Le(1)]
Share = Annotated[float, Gt(0), Le(1), Unit("of the events")]
BatchShare = Annotated[float, Ge(0), Le(1), Unit("of the batches")]
Records = Annotated[int, Unit("records")]
Requests = Annotated[int, Unit("requests")]
Bytes = Annotated[int, Unit("bytes")]
Columns = Annotated[int, Unit("columns")]
Entries = Annotated[int, Unit("keys")]
Windows = Annotated[int, Unit("windows")]
Alarms = Annotated[float, Unit("alarms a month")]
Psi = Annotated[float, Unit("PSI")]
PerSecond = Annotated[float, Unit("a second")]
Milliseconds = Annotated[int, Unit("milliseconds")]
Seconds = Annotated[float, Unit("seconds")]
Hours = Annotated[float, Unit("hours")]
Score = Annotated[float, Unit("units of the score")]
