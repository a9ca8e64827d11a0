"""What rows may hold, what comes back, and what is said of a bad one."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import scorer
from scorer.avro import Converter, Schema
from tests.api.example import ARROW, row, write_example

FEATURES = {"shop": {"shop:DE": {"sales": 1, "share": 0.5, "at": 4e9}}, "day": {"day:20200229": {"rain": 1, "heat": 2}}}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[scorer.Model]:
    with scorer.load(write_example(tmp_path_factory.mktemp("api"), None), features=FEATURES) as loaded:
        yield loaded


def scores(model: scorer.Model, rows: Any) -> list[float]:
    found = model.score(rows)
    return [float(score) for score in (found["score"].to_pylist() if isinstance(found, pa.Table) else found["score"])]


def test_a_bad_row_is_reported_with_its_field_value_and_expectation(model: scorer.Model) -> None:
    rows = [row(), row(amount="much"), row(amont=1), row(country=7), *[row(pieces=1.5)] * 5, row(amount=float("inf"))]
    with pytest.raises(scorer.BadRows) as error:
        model.score(rows)
    advice = 'errors="null" scores the others, and returns a null score with a reason for these'
    assert str(error.value).splitlines() == [
        f"8 of 10 rows cannot be scored; {advice}",
        'row 1: amount: "much"; expected a number',
        "row 2: unknown field 'amont'; did you mean 'amount'?",
        "row 3: country: 7; expected text",
        "rows 4, 5, 6 and 2 more: pieces: 1.5; expected a whole number of 32 bits",
    ]
    assert list(error.value.rows) == [1, 2, 3, 4, 5, 6, 7, 8]
    with pytest.raises(scorer.BadRows, match=r"row 1: column 'amount' is inf"):
        model.score([row(), row(amount=float("inf"))])


def test_bad_rows_can_get_a_null_score(model: scorer.Model) -> None:
    rows: list[Any] = [row(), row(amount="much"), row(), row(amount=float("inf")), 5, *[row()] * 7, row(size="XL")]
    found = model.score(rows, errors="null")
    assert [each["reason"] for each in found if each["score"] is None] == ["bad-value"] * 4
    assert [at for at, each in enumerate(found) if each["score"] is None] == [1, 3, 4, 12]
    assert found[12]["detail"] == 'size: "XL"; expected one of S, M, L'
    assert {each["score"] for each in found if each["detail"] is None} == {model.score([row()])[0]["score"]}
    framed = model.score(pd.DataFrame(rows[:4]), errors="null")
    assert framed["score"].isna().tolist() == [False, True, False, True]
    assert framed["reason"].isna().tolist() == [True, False, True, False]
    table = pa.Table.from_pylist([row(amount=float("inf")), row(id=None)], ARROW)
    tabled = model.score(table, errors="null")
    assert tabled["score"].to_pylist() == [None, None]
    assert tabled["detail"].to_pylist()[1] == "id: null; expected text"
    with pytest.raises(scorer.BadRows, match="row 1: id: null; expected text"):
        model.score(table)


def test_all_columns_that_a_table_lacks_are_named(model: scorer.Model) -> None:
    with pytest.raises(scorer.Misconfigured) as error:
        model.score(pa.table({"id": ["a", None], "amount": [1.0, 2.0], "dicsount": [1, 2]}), errors="null")
    problems = str(error.value).splitlines()
    assert "the table: no column 'serial'; the schema has 'serial', without a default" in problems
    assert (
        "the table: no column 'discount'; did you mean 'dicsount'?; the schema has 'discount', without a default"
        in problems
    )


def test_columns_of_a_table_that_no_field_needs_are_ignored(model: scorer.Model) -> None:
    table = pa.Table.from_pylist([row()], ARROW)
    assert scores(model, table.append_column("label", pa.array([True]))) == scores(model, table)


def test_results_have_the_type_and_the_order_of_the_rows(model: scorer.Model) -> None:
    rows = [row(id=str(number), amount=10.0**number) for number in range(20)]
    expected = [each["score"] for each in model.score(rows)]
    frame = pd.DataFrame(rows, index=[f"r{number}" for number in range(20)])
    found = model.score(frame)
    assert found.index.tolist() == frame.index.tolist()
    assert found["score"].tolist() == expected
    assert found["event_id"].tolist() == [str(number) for number in range(20)]
    assert found["event_time"].dtype == "datetime64[ms, UTC]"
    table = model.score(pa.Table.from_pandas(frame, preserve_index=False))
    assert table["score"].to_pylist() == expected
    assert (table.schema.field("event_time").type, table.num_rows) == (pa.timestamp("ms", "UTC"), 20)
    assert [each["score"] for each in model.score(iter(rows))] == expected
    assert len(set(expected)) > 5


@pytest.mark.parametrize("kind", [dict, str, int])
def test_rows_of_an_unsupported_type_are_refused(model: scorer.Model, kind: type) -> None:
    with pytest.raises(TypeError, match="expected a list of dicts, a DataFrame or a pyarrow Table, not"):
        model.score(kind())


def test_an_unknown_way_to_handle_errors_is_refused(model: scorer.Model) -> None:
    with pytest.raises(ValueError, match='expected "raise" or "null"'):
        model.score([], errors=cast("Any", "ignore"))


def test_two_columns_of_the_same_name_are_refused(model: scorer.Model) -> None:
    twice = pd.DataFrame([[1.0, 2.0]], columns=["amount", "amount"])
    with pytest.raises(scorer.Misconfigured, match="column 'amount': occurs more than once; keep one"):
        model.score(twice)


def test_nan_in_a_frame_is_null_if_the_dtype_has_no_other_null(model: scorer.Model) -> None:
    null, nan = (model.score([row(discount=value)])[0]["score"] for value in (None, float("nan")))
    assert null != nan, "the model does not tell them apart, so this test shows nothing"
    frame = pd.DataFrame([row(), row(discount=float("nan"))])
    assert frame["discount"].dtype == np.float64
    assert scores(model, frame)[1] == null
    told_apart = frame.assign(discount=pd.Series([None, float("nan")], dtype=object))
    assert scores(model, told_apart) == [null, nan]
    arrow = frame.assign(discount=pd.Series(pa.array([None, float("nan")]), dtype=pd.ArrowDtype(pa.float64())))
    assert scores(model, arrow) == [null, nan]


def test_nan_in_a_frame_stays_nan_if_the_field_is_not_nullable(model: scorer.Model) -> None:
    frame = pd.DataFrame([row(), row(amount=float("nan"))])
    assert scores(model, frame)[1] == model.score([row(amount=float("nan"))])[0]["score"]


def test_missing_values_in_a_frame_are_null(model: scorer.Model) -> None:
    frame = pd.DataFrame([row(), row(country=None, pieces=None, sent=None, photo=None, details=None)])
    assert frame["pieces"].dtype == np.float64  # which is how pandas makes room for NaN
    expected = model.score([row(country=None, pieces=None, sent=None, photo=None, details=None)])[0]
    found = model.score(frame)
    assert found["score"][1] == expected["score"]
    assert found["missing"][1] == expected["missing"] == ["shop"]
    assert pd.isna(found["event_time"][1])
    whole = frame.assign(pieces=frame["pieces"].astype("Int64"), country=frame["country"].astype("category"))
    assert scores(model, whole) == found["score"].tolist()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_unit_are_converted_to_that_of_the_field(model: scorer.Model, unit: str) -> None:
    moment = datetime(2020, 2, 29, 10, 30, tzinfo=UTC)
    expected = model.score([row()])[0]["score"]
    assert model.score([row(seen=datetime(1970, 1, 1, 0, 30, tzinfo=UTC))])[0]["score"] != expected
    frame = pd.DataFrame([row()])
    for zone in ("UTC", "Asia/Tokyo"):
        there = frame.assign(seen=pd.Series([moment]).dt.tz_convert(zone).dt.as_unit(unit))
        assert scores(model, there) == [expected]
    naive = frame.assign(seen=pd.Series([moment.replace(tzinfo=None)]).dt.as_unit(unit))
    assert scores(model, naive) == [expected]
    table = pa.Table.from_pandas(frame).drop_columns("seen")
    assert scores(model, table.append_column("seen", pa.array([moment], pa.timestamp(unit, "UTC")))) == [expected]


SCALARS = Schema.parse(
    """{"type": "record", "name": "R", "fields": [
    {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}], "default": null},
    {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-nanos"}], "default": null},
    {"name": "who", "type": ["null", {"type": "string", "logicalType": "uuid"}], "default": null},
    {"name": "text", "type": ["null", "string"], "default": null},
    {"name": "real", "type": ["null", "double"], "default": null},
    {"name": "four", "type": ["null", {"type": "fixed", "name": "F", "size": 4}], "default": null},
    {"name": "whole", "type": ["null", "int"], "default": null}]}""",
    "schema",
)


@pytest.mark.parametrize(
    ("field", "value", "plain"),
    [
        ("day", date(1970, 1, 2), 1),
        ("day", datetime(1970, 1, 2, tzinfo=UTC), None),
        ("at", pd.Timestamp("2020-01-01T00:00:00.123456789Z"), "2020-01-01T00:00:00.123456789Z"),
        ("at", date(1970, 1, 2), None),
        ("who", UUID(int=5), str(UUID(int=5))),
        ("text", UUID(int=5), None),
        ("text", b"bytes", None),
        ("text", date(1970, 1, 2), None),
        ("real", Decimal("0.1"), 0.1),
        ("four", b"\0\1\2\3", "AAECAw=="),
        ("four", b"\0\1\2", None),
        ("whole", Decimal(3), None),
    ],
)
def test_python_values_are_accepted_only_if_they_fit_the_field(field: str, value: object, plain: object) -> None:
    convert = Converter(SCALARS).to_avro
    if plain is None:
        with pytest.raises(scorer.Misconfigured, match=f"row: {field}: .*; expected "):
            convert({field: value}, "row")
    else:
        assert convert({field: value}, "row") == convert({field: plain}, "row")


def test_numpy_scalars_and_arrays_are_accepted(model: scorer.Model) -> None:
    plain = row(small=0.25, tags=["a", "b"])
    numpy = plain | {
        "amount": np.float64(12.5),
        "small": np.float32(0.25),
        "pieces": np.int16(3),
        "serial": np.int64(7),
        "express": np.bool_(True),  # noqa: FBT003  numpy's own
        "seen": np.datetime64("2020-02-29T10:30:00.000000000"),
        "sent": np.datetime64("NaT"),
        "tags": np.array(["a", "b"]),
        "discount": pd.NA,
        "country": np.str_("DE"),
    }
    assert model.score([numpy])[0]["score"] == model.score([plain | {"sent": None, "discount": None}])[0]["score"]
