"""What Redis holds: hashes that columns may come from, strings, and what the search left out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from scorer.avro import Schema
from scorer.init import feast, features
from scorer.init.features import Holder
from scorer.init.found import Wanted
from scorer.init.patterns import Pattern, chosen, patterns
from scorer.init.samples import Samples
from scorer.init.templates import Templates
from scorer.store.redis.explore import Explorer, Search, exploring

TIMEOUT_MS = 5_000  # for a reply of Redis


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found; all empty without a Redis.

    holders:   hashes with fields that have the names of columns.
    strings:   forms of keys that hold strings.
    notes:     what the search left out.
    templates: finds the fields of keys.
    explorer:  the explorer of the Redis; None without one.
    """

    holders: Sequence[Holder] = ()
    strings: Sequence[Pattern] = ()
    notes: Sequence[str] = ()
    templates: Templates | None = None
    explorer: Explorer | None = None


@contextmanager
def searched(url: str | None, wanted: Sequence[Wanted], schema: Schema, samples: Samples) -> Iterator[Found]:
    """Search the Redis at an address, and keep the connection open inside the `with` block.

    Raises:
        Unavailable: it does not answer.
    """
    if url is None:
        yield Found()
        return
    with exploring(url, TIMEOUT_MS) as explorer:
        search = explorer.search()
        found = patterns(search.keys, explorer.look(chosen(search.keys)))
        templates = Templates(schema, samples, explorer.existing)
        holders = features.holders(wanted, [each for each in found if each.kind == "hash"], templates)
        holders += feast.holders(wanted, search.feast, schema, templates, explorer)
        strings = [each for each in found if each.kind == "string"]
        yield Found(holders, strings, _notes(search), templates, explorer)


def _notes(search: Search) -> list[str]:
    notes = []
    if search.refused:
        notes.append(f"Redis was not searched: {search.refused}")
    if search.total > search.seen > 0:
        notes.append(f"looked at {search.seen:,} of {search.total:,} keys in Redis: rare ones may be missing")
    if search.opaque:
        notes.append(f"skipped {search.opaque:,} keys that are not UTF-8 or are too long: no event makes such keys")
    return notes
