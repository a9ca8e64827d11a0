"""Files that are damaged on purpose or by chance end in one error that names them."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from scorer.batch import Kind
from scorer.errors import Misconfigured
from scorer.tables import TableFile
from scorer.tables.csv_lines import BLOCK_BYTES, parsed, read_csv, typed

NEEDED = {"id": Kind.TEXT, "amount": Kind.FLOAT}


def refused(file: Path) -> str:
    with pytest.raises(Misconfigured) as caught:
        list(TableFile(file, NEEDED).batches())
    (problem,) = caught.value.problems
    assert problem.where == str(file)
    return problem.what


def test_a_column_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"id": ["a"], "amount": [1.5]}), file, store_schema=False)
    file.write_bytes(file.read_bytes().replace(b"amount", b"amo\xffnt"))
    assert refused(file).startswith("cannot be read: 'utf-8' codec can't decode byte 0xff")


def test_a_line_without_an_end_is_said_to_be_too_long(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text('id,amount\n"' + "a" * (2 * BLOCK_BYTES))
    assert "a line has more than 1,048,576 bytes, perhaps since a quote is never closed" in refused(file)


def test_a_column_has_text_only_where_a_cell_is_not_of_its_type(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    lines = ["id,amount,day,empty", *[f"{at:0100}, {at} ,2026-01-02," for at in range(20_000)]]
    file.write_text("\n".join([*lines, "a,much,2026-13-45,x", ""]))
    table = TableFile(file, NEEDED | {"day": Kind.DATE, "empty": Kind.DATE})
    batches = list(table.batches())
    assert table.schema.types == [pa.string(), pa.float64(), pa.date32(), pa.string()]
    assert len(batches) > 1
    assert all(batch.schema.types == table.schema.types for batch in batches[:-2])
    assert batches[-1].schema.types == [pa.string()] * 4
    assert [str(cell) for cell in batches[-1].to_pylist()[-1].values()] == ["a", "much", "2026-13-45", "x"]
    assert pa.concat_arrays([batch.column("amount") for batch in batches[:-2]])[-1].as_py() > 0


@pytest.mark.parametrize("cell", ["0x1F", "0X1f", "0xFFFFFFFFFFFFFFFF"])
def test_a_hexadecimal_number_is_no_whole_number(cell: str) -> None:
    assert typed(pa.array(["1", cell]), pa.int64()).to_pylist() == ["1", cell]
    assert parsed(pa.array(["1", cell, "2"]), pa.int64()).to_pylist() == [1, None, 2]


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_another_separator_than_a_comma_is_named(tmp_path: Path, separator: str, name: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text("id,amount\na,1.5\n".replace(",", separator))
    what = refused(file)
    assert f"cells are separated by {name}, not by commas" in what
    with pytest.raises(pa.ArrowInvalid, match=name):
        read_csv(file, NEEDED)


def test_lines_with_too_few_or_too_many_cells_are_told_in_order_or_refused(tmp_path: Path) -> None:
    file, told = tmp_path / "x.csv", list[str]()
    file.write_text('id,amount\na,1\nb\n\n"c\n",2\nd,3,4\n')
    table = TableFile(file, NEEDED, lambda error: told.append(str(error)))
    assert [row for batch in table.batches() for row in batch.column("id").to_pylist()] == ["a", "c\n"]
    assert told == [
        'x.csv, record 3: 1 cell: "b"; expected 2',
        'x.csv, record 5: 3 cells: "d,3,4"; expected 2',
    ]
    assert "Expected 2 columns, got 1: b" in refused(file)
