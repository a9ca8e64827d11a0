"""Whatever somebody puts in place of a document, it does not fill the memory."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from scorer import settings
from scorer.avro.schema.schema import Schema
from scorer.documents import yaml
from scorer.drift import read_baseline
from scorer.errors import Misconfigured
from scorer.model.bundles.golden import read_golden
from scorer.model.bundles.manifest import Manifest
from scorer.plan import Plan

READERS: dict[str, Callable[[Path], object]] = {
    "plan.yaml": Plan.load,
    "event.avsc": Schema.load,
    "scorer.yaml": settings.load,
    "manifest.json": Manifest.read,
    "golden.jsonl": read_golden,
    "baseline.json": read_baseline,
}


@pytest.mark.parametrize("name", READERS)
def test_a_document_that_is_too_large_is_not_read(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.touch()
    os.truncate(file, 100_000_000)
    with pytest.raises(Misconfigured, match=rf"{name}: has more than [0-9]+ bytes"):
        READERS[name](file)


def test_values_repeated_by_an_alias_are_counted_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "MOST_VALUES", 1_000)
    wide = f"a: &a [{'x, ' * 100}]\nb: &b [*a, *a, *a]\n"  # 101 values, then three times as many and one
    assert yaml.construct(f"{wide}c: [*b]", "plan.yaml")
    with pytest.raises(Misconfigured, match="it has more than 1000 keys and values"):
        yaml.construct(f"{wide}c: [*b, *b]", "plan.yaml")
    with pytest.raises(Misconfigured, match="it has more than 1000 keys and values"):
        yaml.compose(f"{wide}c: [*b, *b]", "scorer.yaml")


def test_yaml_with_too_many_values_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "MOST_VALUES", 1_000)
    columns = "{name: a, event: b}, "  # five keys and values, of which a plan has two more around them
    with pytest.raises(Misconfigured, match="it has more than 1000 keys and values"):
        yaml.construct(f"columns: [{columns * 200}]", "plan.yaml")
    assert yaml.construct(f"columns: [{columns * 199}]", "plan.yaml")
