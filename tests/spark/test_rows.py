"""What a process of an executor does with Arrow batches, without Spark."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import scorer
from scorer.errors import Fatal
from scorer.spark.frames import GIVEN, PREDICTION, RowScorer, frame_problems
from scorer.spark.parcel import Parcel, opened, pack
from tests.api.example import SCHEMA, store, write_example
from tests.spark.events import EVENTS, table


@dataclass
class Box:
    """A broadcast variable without Spark."""

    value: Parcel


def boxed(source: Path, schema: Any = None, features: str | None = None) -> Box:
    return Box(pack(source, schema, features).parcel)


def predictions(box: Box, rows: pa.Table) -> pa.Table:
    found = pa.Table.from_batches(RowScorer(box).batches(iter(rows.to_batches(1_000))))
    return pa.Table.from_struct_array(found[PREDICTION])


@pytest.mark.parametrize("classes", [0, 3], ids=["number", "classes"])
def test_a_row_gets_the_score_of_the_event(tmp_path: Path, redis_url: str, classes: int) -> None:
    store(redis_url)
    config = write_example(tmp_path, redis_url, classes)
    got = predictions(boxed(config), table())
    with scorer.load(config) as model:
        expected = model.score(table(), errors="null")
    for name in ("event_id", "score", "version", "missing", "reason", "detail"):
        assert got[name].to_pylist() == expected[name].to_pylist(), name


def test_the_champion_that_is_an_ensemble_is_sent_whole(tmp_path: Path) -> None:
    config = write_example(tmp_path, None)
    second = tmp_path / "models/parcels/2"
    second.mkdir()
    for name in ("plan.yaml", "model.ubj"):
        (second / name).write_bytes((tmp_path / "models/parcels/1" / name).read_bytes())
    plan = (
        (second / "plan.yaml").read_text().replace("default: 5", "default: 9").replace("event: small", "event: amount")
    )
    (second / "plan.yaml").write_text(plan)
    document = config.read_text().replace("path: models/parcels", "path: models/parcels\n  rollout: file")
    config.write_text(document)
    state = "champion: both\nensembles: {both: {versions: ['1', '2'], combine: mean}}\n"
    (tmp_path / "models/parcels/rollout.yaml").write_text(state)
    box = boxed(config)
    rows = table().append_column(GIVEN, pa.repeat(pa.scalar({"shop": None, "day": None}), len(EVENTS)))
    got = predictions(box, rows)
    with scorer.load(config, features={"shop": {}, "day": {}}) as model:
        expected = model.score(table())
    assert got["version"].unique().to_pylist() == ["both"]
    assert got["score"].to_pylist() == expected["score"].to_pylist()


def test_a_model_is_opened_once_in_a_process(tmp_path: Path, redis_url: str) -> None:
    box = boxed(write_example(tmp_path, redis_url))
    assert opened(box) is opened(Box(replace(box.value)))


def test_an_executor_with_another_version_is_refused(tmp_path: Path, redis_url: str) -> None:
    box = boxed(write_example(tmp_path, redis_url))
    with pytest.raises(Fatal, match=r"the driver has scorer 0\.0\.9, and this executor"):
        opened(Box(replace(box.value, key="x", made_by="0.0.9")))


def test_a_batch_is_scored_before_the_next_is_read(tmp_path: Path, redis_url: str) -> None:
    read = list[int]()

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in table().to_batches(500):
            read.append(batch.num_rows)
            yield batch

    scored = RowScorer(boxed(write_example(tmp_path, redis_url))).batches(batches())
    for number, batch in enumerate(scored, 1):
        assert len(read) == number
        assert batch.num_rows == read[-1]


def test_a_large_batch_is_scored_in_parts(tmp_path: Path, redis_url: str) -> None:
    rows = pa.concat_tables([table()] * 4).combine_chunks()
    (whole,) = rows.to_batches()
    sizes = [batch.num_rows for batch in RowScorer(boxed(write_example(tmp_path, redis_url))).batches(iter([whole]))]
    assert sizes == [8_192, 4 * len(EVENTS) - 8_192]


def test_a_row_without_an_id_gets_none(tmp_path: Path, redis_url: str) -> None:
    write_example(tmp_path, redis_url)
    got = predictions(boxed(tmp_path / "models/parcels/1", schema=SCHEMA, features=redis_url), table(EVENTS[:3]))
    assert got["event_id"].to_pylist() == [None] * 3


def test_features_in_rows_are_rounded_as_in_redis(tmp_path: Path, redis_url: str) -> None:
    store(redis_url)
    config = write_example(tmp_path, redis_url)
    given = {"day": {"rain": 0.1, "heat": 1e-40}}  # of layout packed, which is float32
    rows = table(EVENTS[:1]).append_column(GIVEN, pa.array([given]))
    mapping = store(redis_url) | {"day": {"day:20200229": given["day"]}}
    with scorer.load(config, features=mapping) as model:
        expected = model.score(table(EVENTS[:1]))
    assert predictions(boxed(config), rows)["score"].to_pylist() == expected["score"].to_pylist()


def test_a_column_of_the_results_name_is_refused(tmp_path: Path, redis_url: str) -> None:
    serving = pack(write_example(tmp_path, redis_url), None, None).serving
    types = pa.struct(list(table().schema))
    assert frame_problems(serving, ["id"], types, stored=True) == []
    (problem,) = frame_problems(serving, ["id", PREDICTION], types, stored=True)
    assert str(problem) == "the frame: it has a column 'prediction'; rename it: the result has its own"
