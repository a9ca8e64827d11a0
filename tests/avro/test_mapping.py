"""What a version of a writer provides for each needed field, however many fields are asked for at once."""

import json
from typing import Any

import pytest

from scorer.avro import Mapped, mapped, read_written
from scorer.avro.framing import Written
from scorer.registered import Registered
from tests.avro.batches import declared, schema_of

CARD = {"type": "record", "name": "Card", "fields": [{"name": "id", "type": "string"}]}
READER = schema_of(amount="double", card=CARD, place=["null", "string"], note="string")
FIELDS = ("amount", "card.id", "place", "note")


def written_by(**fields: Any) -> Written:
    return read_written(Registered(json.dumps(declared(**fields)), 7))


def test_each_field_is_mapped_with_its_source_and_type() -> None:
    written = written_by(note="string", amount="int", place=["null", "string"], card=CARD)
    assert mapped(written, READER, FIELDS) == (
        Mapped("amount", "amount", "int"),
        Mapped("card.id", "card.id", "string"),
        Mapped("place", "place", "string"),
        Mapped("note", "note", "string"),
    )


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"card": CARD, "place": "string", "note": "string"}, {"amount"}),
        ({"amount": "string", "card": CARD, "place": "string", "note": "int"}, {"amount", "note"}),
        (
            {"amount": "long", "card": "string", "place": ["null", "int", "string"], "note": "string"},
            {"card.id", "place"},
        ),
        ({"amount": ["null", "float"], "card": CARD, "place": "string", "note": "string"}, {"amount"}),
    ],
    ids=["a field is gone", "two have other types", "a record is gone, and a branch does not fit", "null"],
)
def test_a_problem_is_reported_only_for_its_field(fields: dict[str, Any], wrong: set[str]) -> None:
    written = written_by(**fields)
    found = mapped(written, READER, FIELDS)
    assert {each.field for each in found if each.problem} == wrong
    assert found == tuple(each for field in FIELDS for each in mapped(written, READER, [field]))
