"""Whether what lies in Redis fits the plan, seen on a few keys."""

import re
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple, cast

from redis.exceptions import NoPermissionError

from scorer.errors import Problem, did_you_mean
from scorer.features.layouts import FLOAT32, fields_asked
from scorer.features.numbers import by_python
from scorer.features.plan import Entity
from scorer.features.store_client import Client, client, masters
from scorer.features.store_url import parse

SAMPLES = 20
SCANNED = 1000  # keys that the server looks at in one step
SEARCH_SECONDS = 2.0
TYPES = {"hash": "hash", "packed": "string"}


class Finding(NamedTuple):
    """What one key says to one question.

    question: the same for all keys.
    fault:    what does not fit; empty where it fits.
    usual:    whether some keys may well have this fault, as long as not all do.
    """

    question: str
    fault: str
    usual: bool = False


def sample_problems(url: str, timeout_ms: int, entity: Entity) -> tuple[list[Problem], list[str]]:
    """Look at some keys that are like those of an entity.

    Where none of them fits the plan, that is a problem; where some do not, a warning: they may belong to others.

    Args:
        url:        as `features.url`.
        timeout_ms: for each answer.
        entity:     of the plan.

    Returns:
        The problems, and texts of warnings.

    Raises:
        Misconfigured: the URL is wrong.
        Unavailable:   the server does not answer.
    """
    where, pattern = f"plan.yaml: entities.{entity.name}", _pattern(entity)
    with client(parse(url), timeout_ms / 1000) as redis:
        try:
            keys = _find(redis, pattern)
            findings = [finding for key in keys for finding in _findings(redis, key, entity)]
        except NoPermissionError as error:
            return [], [f"{where}: no samples were taken: {error}"]
    if not keys:
        return [], [f"{where}: Redis has no key like '{entity.key.text}'; `scorer features load` writes them"]
    answers = defaultdict(list)
    for finding in findings:
        answers[finding.question].append(finding)
    judged = [_judge(where, same) for same in answers.values()]
    return [each for each in judged if isinstance(each, Problem)], [each for each in judged if isinstance(each, str)]


def _judge(where: str, findings: list[Finding]) -> Problem | str | None:
    """Return what the answers of all keys to one question amount to: a problem, a warning or nothing."""
    faulty = [finding for finding in findings if finding.fault]
    unusual = [finding for finding in faulty if not finding.usual]
    count = f"of {len(findings)} samples do not fit"
    if len(faulty) == len(findings):
        what = f"{faulty[0].fault} ({len(faulty)} {count})"
        return Problem(where, what, "load the features anew, or correct the plan")
    return f"{where}: {unusual[0].fault} ({len(unusual)} {count})" if unusual else None


def _findings(redis: Client, key: bytes, entity: Entity) -> Iterator[Finding]:
    shown, expected = key.decode(errors="backslashreplace"), TYPES[entity.layout]
    kind = cast("bytes", redis.type(key)).decode()
    fits = kind in {expected, "none"}  # a key may have expired meanwhile
    yield Finding(
        "type", "" if fits else f"'{shown}' is a {kind} and not a {expected}, which layout {entity.layout} is"
    )
    if kind != expected:
        return
    if entity.layout == "packed":
        length, right = redis.strlen(key), FLOAT32 * len(entity.fields)
        fault = f"'{shown}' has {length} bytes and not {right}, {FLOAT32} for each of `fields`"
        yield Finding("length", "" if length == right else fault)
        return
    yield from _field_findings(redis, key, shown, entity)


def _field_findings(redis: Client, key: bytes, shown: str, entity: Entity) -> Iterator[Finding]:
    fields = fields_asked(entity)
    texts = cast("list[bytes | None]", redis.hmget(key, list(fields)))
    for name, text in zip(fields, texts, strict=True):
        if text is None:
            there = (other.decode(errors="replace") for other in cast("list[bytes]", redis.hkeys(key)))
            fault = f"'{shown}' has no field '{name}'{did_you_mean(name, there)}"
            yield Finding(name, fault, usual=name != entity.updated)
        else:
            _, is_number = by_python(text)
            yield Finding(name, "" if is_number else f"'{shown}' has no number in field '{name}' but {text[:40]!r}")


def _pattern(entity: Entity) -> bytes:
    """Return what SCAN takes for keys like those of an entity."""
    pieces = entity.key.pieces
    return b"".join(
        re.sub(rb"[*?\[\]\\]", rb"\\\g<0>", piece) if isinstance(piece, bytes) else b"*" for piece in pieces
    )


def _find(redis: Client, pattern: bytes) -> list[bytes]:
    """Return some keys like a pattern, of each server, after a bounded search."""
    servers = masters(redis)
    found: list[bytes] = []
    for server in servers:
        end, keys, cursor = time.monotonic() + SEARCH_SECONDS / len(servers), dict[bytes, None](), -1
        while cursor and len(keys) < SAMPLES and time.monotonic() < end:
            cursor, some = server.scan(max(cursor, 0), pattern, SCANNED)
            keys |= dict.fromkeys(cast("list[bytes]", some))
        found += list(keys)[: max(1, SAMPLES // len(servers))]
    return found
