"""`scorer score` from and to an object store, on a server with the interface of S3."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.files.example import COLUMNS, events, read, score, write, write_config
from tests.model.s3 import BUCKET, S3, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


def test_objects_are_scored_once_and_again_when_they_change(
    server: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.introduce(monkeypatch, tmp_path / "cache")
    config, store, root = write_config(tmp_path), server.files(), f"{BUCKET}/{uuid.uuid4().hex}"

    def upload(name: str, count: int) -> None:
        write(tmp_path / name, events(name, count))
        store.put_file(str(tmp_path / name), f"{root}/days/{name}")

    def downloaded(name: str) -> list[dict[str, object]]:
        store.get_file(f"{root}/out/{name}", str(tmp_path / f"found.{name}"))
        return read(tmp_path / f"found.{name}")

    upload("a.parquet", 30)
    upload("b.jsonl", 20)
    words = ["--input", f"s3://{root}/days", "--output", f"s3://{root}/out", "--format", "parquet"]
    assert score(config, *words) == 0
    assert score(config, "--input", tmp_path / "a.parquet", "--output", tmp_path / "alone.parquet") == 0
    assert downloaded("a.parquet") == read(tmp_path / "alone.parquet")
    assert len(downloaded("b.jsonl.parquet")) == 20
    capsys.readouterr()
    upload("b.jsonl", 21)
    assert score(config, *words) == 0
    assert "1 files scored, 1 kept" in capsys.readouterr().err
    assert len(downloaded("b.jsonl.parquet")) == 21
    assert score(config, "--input", f"s3://{root}/days/*.parquet", *words[2:]) == 0
    assert "0 files scored, 1 kept" in capsys.readouterr().err


def test_parts_of_another_division_are_removed_from_a_store(
    server: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.introduce(monkeypatch, tmp_path / "cache")
    config, store, root = write_config(tmp_path), server.files(), f"{BUCKET}/{uuid.uuid4().hex}"
    large = tmp_path / "large.parquet"
    parquet.write_table(pa.Table.from_pylist(events("large", 300), COLUMNS), large, row_group_size=100)
    words = ["--input", large, "--output", f"s3://{root}/out", "--format", "jsonl"]

    def there() -> list[str]:
        store.invalidate_cache()
        return [name.rpartition("/out/")[2] for name in store.find(f"{root}/out") if "/_scorer/" not in name]

    assert score(config, *words, "--part-rows", 200) == 0
    assert there() == ["large.parquet.jsonl.parts/00000.jsonl", "large.parquet.jsonl.parts/00001.jsonl"]
    assert score(config, *words) == 0
    assert there() == ["large.parquet.jsonl"]


def test_an_object_is_named_by_its_address_in_errors(
    server: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.introduce(monkeypatch, tmp_path / "cache")
    address = f"s3://{BUCKET}/{uuid.uuid4().hex}/bad.csv"
    server.files().pipe_file(address, b"\x00\xff" * 100)
    out = tmp_path / "out"
    assert score(write_config(tmp_path), "--input", address, "--output", out, "--format", "csv") == 2
    assert f"{address}: " in capsys.readouterr().err
    words = ["--input", f"s3://{BUCKET}/nothing", "--output", out, "--format", "csv"]
    assert score(tmp_path / "scorer.yaml", *words) == 2
    assert f"no file at s3://{BUCKET}/nothing" in capsys.readouterr().err
