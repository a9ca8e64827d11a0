"""Compares the versions in the registry with the plan, and finds the changes that a subject's compatibility allows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from scorer.avro import Mapped, has_default, mapped, read_written
from scorer.errors import Misconfigured
from scorer.registry import patiently
from scorer.serving.formats import event_subjects
from scorer.serving.serving import Serving

_SAFE = frozenset({"FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"})  # an older reader reads what is new


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a subject, and what it provides.

    problem: why it is not a schema of events; empty if it is.
    """

    subject: str
    version: int
    id: int
    reader: bool  # whether it is the reader's schema
    fields: tuple[Mapped, ...]
    problem: str = ""

    @property
    def problems(self) -> list[str]:
        """The reasons why its events, or some of them, become dead letters."""
        return [self.problem] if self.problem else [each.problem for each in self.fields if each.problem]


def versions(serving: Serving) -> Iterator[Version]:
    """Yield every version of the events' subjects, the oldest first.

    Raises:
        RegistryUnavailable: the registry does not answer.
    """
    registry, reader = serving.formats.registry, serving.formats.reader
    if registry is None:
        return
    for subject in event_subjects(serving.settings):
        for found in patiently(partial(registry.versions, subject)):
            is_reader = reader is not None and found.id == reader.id
            try:
                written = read_written(found)
            except Misconfigured as error:
                yield Version(subject, found.version, found.id, is_reader, (), str(error))
                continue
            fields = mapped(written, serving.schema, serving.needed)
            yield Version(subject, found.version, found.id, is_reader, fields)


def concerns(serving: Serving) -> list[str]:
    """Return warnings about versions whose events become dead letters, and about compatibility that allows them.

    Raises:
        RegistryUnavailable: the registry does not answer.
    """
    registry = serving.formats.registry
    if registry is None or serving.settings.events.framing != "confluent":
        return []
    warnings = [
        f"events of {each.subject} version {each.version} (id {each.id}) become dead letters: {problem}"
        for each in versions(serving)
        for problem in each.problems
    ]
    needed = [field for field in serving.needed if not has_default(serving.schema, field)]
    for subject in event_subjects(serving.settings):
        level = patiently(partial(registry.level, subject))
        if level not in _SAFE and needed:
            warnings.append(
                f"the compatibility of {subject} is {level}: a producer may remove or widen {', '.join(needed)},"
                " and its events become dead letters; FORWARD or FULL forbids that"
            )
    return warnings
