"""Checks that the features in Redis fit the plan, on a sample of keys."""

import time
from collections import defaultdict
from collections.abc import Iterator

from scorer.errors import Problem
from scorer.plan.keys import KeyTemplate
from scorer.plan.plan import Entity
from scorer.security.printable import printable
from scorer.store.redis.layouts import Finding, layout_of
from scorer.store.redis.rights import reading_concerns
from scorer.store.redis.talk import ELSEWHERE, Refused, Talk, talks
from scorer.store.redis.url import parse

SAMPLES = 20
SCANNED = 1000  # keys that the server scans in one step
SEARCH_SECONDS = 2.0


def sample_problems(url: str, timeout_ms: int, entity: Entity) -> tuple[list[Problem], list[str]]:
    """Check some keys that match the key template of an entity.

    If none of them fits the plan, that is a problem. If only some do not, it is a warning: they may belong to others.

    Args:
        url:        the value of `features.url`.
        timeout_ms: the timeout of each reply.
        entity:     an entity of the plan.

    Returns:
        The problems, and the warnings.

    Raises:
        Misconfigured: the URL is wrong.
        Unavailable:   the server does not answer, or the user may not read what a replica reads.
    """
    where, target = f"plan.yaml: entities.{entity.name}", parse(url)
    with talks(target, timeout_ms) as servers:
        try:
            keys, refused = _find(servers, entity.key), ""
        except Refused as error:
            keys, refused = [], _may_not_look(where, error)
        warnings = reading_concerns(target, timeout_ms, entity, [key for _, key in keys])
        try:
            findings = [finding for server, key in keys for finding in _findings(server, key, entity)]
        except Refused as error:
            refused = _may_not_look(where, error)
    if refused:
        return [], [*warnings, refused]
    if not keys:
        nothing = f"{where}: Redis has no key like '{entity.key.text}'; {layout_of(entity).writer} writes them"
        return [], [*warnings, nothing]
    answers = defaultdict(list)
    for finding in findings:
        answers[finding.check].append(finding)
    results = [_overall(where, same) for same in answers.values()]
    problems = [each for each in results if isinstance(each, Problem)]
    return problems, warnings + [each for each in results if isinstance(each, str)]


def _may_not_look(where: str, error: Refused) -> str:
    """Return a warning that the user may not search for samples, which a replica does not need; raise other errors."""
    if not error.text.startswith("NOPERM"):
        raise error
    return f"{where}: no samples were taken: {error}"


def _overall(where: str, findings: list[Finding]) -> Problem | str | None:
    """Return the overall result of one check of all keys: a problem, a warning or nothing."""
    faulty = [finding for finding in findings if finding.fault]
    unusual = [finding for finding in faulty if not finding.usual]
    count = f"of {len(findings)} samples do not fit"
    if len(faulty) == len(findings):
        what = f"{faulty[0].fault} ({len(faulty)} {count})"
        return Problem(where, what, "load the features again, or correct the plan")
    return f"{where}: {unusual[0].fault} ({len(unusual)} {count})" if unusual else None


def _findings(server: Talk, key: bytes, entity: Entity) -> Iterator[Finding]:
    try:
        yield from _type_findings(server, key, entity)
    except Refused as error:
        if not error.text.startswith(ELSEWHERE):
            raise


def _type_findings(server: Talk, key: bytes, entity: Entity) -> Iterator[Finding]:
    name, layout = printable(entity.key.readable(key)), layout_of(entity)
    kind, expected = printable(server.text(b"TYPE", key).decode(errors="replace")), layout.redis_type
    fits = kind in {expected, "none"}  # a key may have expired meanwhile
    yield Finding("type", "" if fits else f"'{name}' is a {kind}, but layout {entity.layout} needs a {expected}")
    if kind == expected:
        yield from layout.findings(server, key, name, entity)


def _find(servers: list[Talk], template: KeyTemplate) -> list[tuple[Talk, bytes]]:
    """Return some keys of a template, from each server, after a bounded search."""
    found: list[tuple[Talk, bytes]] = []
    for server in servers:
        end, keys, cursor = time.monotonic() + SEARCH_SECONDS / len(servers), dict[bytes, None](), b""
        while cursor != b"0" and len(keys) < SAMPLES and time.monotonic() < end:
            cursor, some = server.scan(cursor or b"0", template.pattern, SCANNED)
            keys |= dict.fromkeys(filter(template.owns, some))
        found += [(server, key) for key in list(keys)[: max(1, SAMPLES // len(servers))]]
    return found
