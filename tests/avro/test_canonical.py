"""The fingerprint of a schema is that of fastavro's canonical form."""

import json
from typing import Any

import fastavro
import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form
from hypothesis import given, settings

from scorer.avro import Schema
from scorer.avro.schema.canonical import canonical_form
from tests.avro.schemas import Case, cases


@settings(max_examples=100)
@given(cases())
def test_random_schemas_have_the_canonical_form_of_fastavro(case: Case) -> None:
    expected = to_parsing_canonical_form(fastavro.parse_schema(case.schema))
    schema = Schema.parse(case.text, "random.avsc")
    assert canonical_form(schema.record) == expected
    assert schema.fingerprint.hex() == fingerprint(expected, "CRC-64-AVRO")


@pytest.mark.parametrize("space", [{}, {"namespace": None}, {"namespace": ""}, {"namespace": "a.b"}])
def test_names_in_canonical_form_have_their_namespaces(space: dict[str, Any]) -> None:
    inner = {"type": "enum", "name": "Color", "symbols": ["RED"], "doc": "x", "aliases": ["Old"], **space}
    other = {"type": "fixed", "name": "c.Size", "size": 1}
    kinds = [inner, other, "c.Size", {"type": "map", "values": "c.Size"}]
    fields = [{"name": f"f{n}", "type": kind, "doc": "d"} for n, kind in enumerate(kinds)]
    declared = {"type": "record", "name": "Event", "fields": fields, **({} if space else {"namespace": "d"})}
    plain = json.loads(json.dumps(declared), object_hook=lambda each: {k: v for k, v in each.items() if v is not None})
    expected = to_parsing_canonical_form(fastavro.parse_schema(plain))
    assert canonical_form(Schema.parse(json.dumps(declared), "event.avsc").record) == expected


def test_an_error_type_counts_as_a_record() -> None:
    declared = {"type": "error", "name": "Failed", "fields": [{"name": "f", "type": "int"}]}
    record = declared | {"type": "record"}
    assert Schema.parse(json.dumps(declared), "x").fingerprint == Schema.parse(json.dumps(record), "x").fingerprint
