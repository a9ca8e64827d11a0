"""The schemas of a registry: each is fetched once, and a request that failed is retried only after a pause."""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from scorer.errors import RegistryUnavailable
from scorer.registered import Registered
from scorer.registry.http import Authorise, Away, Http, Refusal, bearer
from scorer.registry.oauth import Tokens
from scorer.settings import RegistrySettings, TlsSettings

START_SECONDS = 30.0  # how long to retry at the start, when the registry may be starting, too
UNKNOWN_SECONDS = 30.0  # how long an id is remembered as unknown before it is requested again
MOST_UNKNOWN = 10_000  # most ids that are remembered as unknown
MOST_REFERENCES = 1_000  # most references of a schema, those of its references included
_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_ASKED = 0.5, 10.0, 60.0  # seconds

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Compatibility:
    """Whether a schema may be registered; if not, the reasons that the registry gives."""

    compatible: bool
    reasons: tuple[str, ...] = ()


class Registry:
    """The client of a registry.

    Args:
        settings: its addresses and credentials.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._http = Http(settings, _authorise(settings))
        self._known: dict[int | str, Registered] = {}  # by id and by GUID
        self._unknown: dict[int | str, float] = {}  # until when
        self._failures, self._not_before, self._trouble = 0, 0.0, ""

    @property
    def name(self) -> str:
        """The addresses, as errors show them."""
        return self._http.name

    def by_id(self, number: int) -> Registered | None:
        """Return the schema with an id; None if the registry has none.

        Raises:
            RegistryUnavailable: the registry cannot answer now, or the last request failed a moment ago.
        """
        return self._fetch(number, f"/schemas/ids/{number}")

    def by_guid(self, guid: str) -> Registered | None:
        """Return the schema with a GUID, as `by_id` does."""
        return self._fetch(guid, f"/schemas/guids/{guid}")

    def latest(self, subject: str) -> Registered | None:
        """Return the newest schema of a subject; None if it has none.

        Raises:
            RegistryUnavailable: the registry cannot answer now. So do the methods below.
        """
        return self._version(subject, "latest")

    def versions(self, subject: str) -> list[Registered]:
        """Return every schema of a subject, the oldest first."""
        numbers = self._http.get(f"/subjects/{_quoted(subject)}/versions") or []
        with self._understood():
            found = [self._version(subject, str(int(number))) for number in numbers]
        return [each for each in found if each is not None]

    def level(self, subject: str) -> str:
        """Return the compatibility level of a subject, or else the registry's default."""
        with self._understood():
            answer = self._http.get(f"/config/{_quoted(subject)}?defaultToGlobal=true") or self._http.get("/config")
            return str(answer["compatibilityLevel"])

    def prefetch(self, subjects: Iterable[str]) -> int:
        """Fetch every schema of some subjects, so that no event waits for them; return how many there are."""
        return sum(len(self.versions(subject)) for subject in subjects)

    def lookup(self, subject: str, text: str, kind: str = "AVRO") -> Registered | None:
        """Return the version of a subject that is this schema; None if no version is.

        Raises:
            Refusal: the text is not a schema.
        """
        answer = self._http.post(f"/subjects/{_quoted(subject)}", {"schema": text, "schemaType": kind})
        with self._understood():
            return None if answer is None else Registered(text, int(answer["id"]), subject, int(answer["version"]))

    def register(self, subject: str, text: str, kind: str = "AVRO") -> int:
        """Register a schema under a subject, unless it is there already, and return its id.

        Raises:
            Refusal: the registry refuses the schema, and says why.
        """
        answer = self._http.post(f"/subjects/{_quoted(subject)}/versions", {"schema": text, "schemaType": kind})
        if answer is None:
            raise Refusal(404, "the registry does not know the subject")
        with self._understood():
            return int(answer["id"])

    def compatibility(self, subject: str, text: str) -> Compatibility:
        """Return whether a schema may follow the newest of a subject, by the subject's compatibility level."""
        path = f"/compatibility/subjects/{_quoted(subject)}/versions/latest?verbose=true"
        answer = self._http.post(path, {"schema": text})
        if answer is None:  # the first of its subject
            return Compatibility(compatible=True)
        with self._understood():
            return Compatibility(bool(answer["is_compatible"]), tuple(map(str, answer.get("messages") or ())))

    def _fetch(self, key: int | str, path: str) -> Registered | None:
        """Return the schema with an id or a GUID; the registry is asked only if the answer is not remembered."""
        if (known := self._known.get(key)) is not None:
            return known
        if self._unknown.get(key, 0.0) > time.monotonic():
            return None
        self._unknown.pop(key, None)
        found = self._ask(key, path)
        if found is not None:
            self._known[key] = found
            return found
        if len(self._unknown) >= MOST_UNKNOWN:
            self._unknown.pop(next(iter(self._unknown)))
        self._unknown[key] = time.monotonic() + UNKNOWN_SECONDS
        return None

    def _ask(self, key: int | str, path: str) -> Registered | None:
        """Ask the registry, unless the pause after the last failure is not over.

        The loop retries a batch often. The pause doubles with every failure, up to _LONGEST_PAUSE.
        """
        if time.monotonic() < self._not_before:
            raise RegistryUnavailable(self._trouble)
        try:
            with self._understood():
                answer = self._http.get(path)
                number = key if isinstance(key, int) else int((answer or {}).get("id", 0))
                found = None if answer is None else self._read(answer, number)
        except RegistryUnavailable as away:
            pause = min(_FIRST_PAUSE * 2**self._failures, _LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311
            asked = min(away.after, _LONGEST_ASKED) if isinstance(away, Away) else 0.0
            self._failures, self._trouble = min(self._failures + 1, 10), str(away)
            self._not_before = time.monotonic() + max(pause, asked)
            raise
        self._failures = 0
        return found

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Raise RegistryUnavailable if a response turns out not to have the form of a registry's."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RegistryUnavailable(
                f"{self.name} does not answer as a schema registry does; check registry.url"
            ) from None

    def _version(self, subject: str, version: str) -> Registered | None:
        """Return a version of a subject, a number or `latest`, and remember it by its id and its GUID."""
        with self._understood():
            answer = self._http.get(f"/subjects/{_quoted(subject)}/versions/{version}")
            if answer is None:
                return None
            found = self._read(answer, int(answer["id"]), subject, int(answer["version"]))
            self._known.setdefault(found.id, found)
            if guid := answer.get("guid"):
                self._known.setdefault(str(guid), found)
            return found

    def _read(self, answer: dict[str, Any], number: int, subject: str = "", version: int = 0) -> Registered:
        """Return the schema in a response, and fetch the texts that it refers to.

        Args:
            answer: the JSON of the response.
            number: the schema's id.
            subject: its subject; empty if it was not requested by one.
            version: its version under the subject, or 0.
        """
        texts: dict[tuple[str, int], str] = {}
        self._refer(answer.get("references") or (), texts)
        return Registered(
            str(answer["schema"]),
            number,
            subject,
            version,
            str(answer.get("schemaType") or "AVRO"),
            tuple(texts.values()),
        )

    def _refer(self, references: Iterable[dict[str, Any]], texts: dict[tuple[str, int], str]) -> None:
        """Add the texts of references to `texts`, by subject and version: each uses only earlier ones."""
        for reference in references:
            subject, version = place = str(reference["subject"]), int(reference["version"])
            if place in texts:
                continue
            if len(texts) >= MOST_REFERENCES:
                raise RegistryUnavailable(f"a schema in {self.name} has more than {MOST_REFERENCES:,} references")
            answer = self._http.get(f"/subjects/{_quoted(subject)}/versions/{version}")
            if answer is None:
                raise RegistryUnavailable(f"{self.name} does not have version {version} of {subject}, a reference")
            texts[place] = ""  # so that a schema that refers to itself is not followed for ever
            self._refer(answer.get("references") or (), texts)
            del texts[place]
            texts[place] = str(answer["schema"])


def patiently(ask: Callable[[], Result], seconds: float = START_SECONDS) -> Result:
    """Ask a registry that may be starting, and retry for some time.

    Args:
        ask: the question.
        seconds: how long to retry.

    Raises:
        RegistryUnavailable: the registry does not answer in time, or refuses the credentials.
    """
    end, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while True:
        try:
            return ask()
        except Away as away:
            left = end - time.monotonic()
            if not away.retry or left <= 0:
                raise
            time.sleep(min(left, max(pause, min(away.after, _LONGEST_ASKED))))
            pause = min(2 * pause, _LONGEST_PAUSE)


def _authorise(settings: RegistrySettings) -> Authorise:
    """Return a function that makes the headers with a bearer token; basic authentication is left to `Http`."""
    if settings.oauth:
        return Tokens(settings.oauth, settings.tls or TlsSettings()).headers
    return partial(bearer, settings)


def _quoted(subject: str) -> str:
    """Return a subject as a part of a path."""
    return quote(subject, safe="")
