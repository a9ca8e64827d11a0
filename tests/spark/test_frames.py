"""A DataFrame of Spark gets the scores of the stream, on executors that are killed as well."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pytest

import scorer
import scorer.spark
from scorer.errors import Misconfigured
from tests.api.example import store, write_example
from tests.spark.cluster import executors
from tests.spark.events import EVENTS, table

pytestmark = pytest.mark.prove
JOINED = {"shop": {"shop:DE": {"sales": 0.1, "share": 0.3}}, "day": {"day:20200229": {"rain": 0.1, "heat": 3.5}}}


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Predictions, by their ids, without the time at which they were made."""
    return sorted(({**each, "scored_at": None} for each in rows), key=lambda each: each["event_id"])


def test_rows_get_the_predictions_of_the_python_api(spark: Any, tmp_path: Path, redis_url: str) -> None:
    store(redis_url)
    config = write_example(tmp_path, redis_url)
    frame = spark.createDataFrame(table()).repartition(3)
    scored = scorer.spark.score(frame, config, explain=2)
    assert scored.columns == [*frame.columns, "prediction"]
    got = scored.select("prediction.*").toArrow().to_pylist()
    with scorer.load(config, explain=2) as model:
        expected = model.score(table(), errors="null").to_pylist()
    assert [each["event_id"] for each in expected if each["reason"]] == ["b"]
    assert without_times(got) == without_times(expected)
    kept, given = (str(each.orderBy("id").toArrow().to_pylist()) for each in (scored.drop("prediction"), frame))
    assert kept == given


def test_features_of_joined_rows_and_a_query_score_alike(spark: Any, tmp_path: Path) -> None:
    from pyspark.sql import functions  # noqa: PLC0415  once there is a session

    config = write_example(tmp_path, None)
    shops = spark.createDataFrame([("DE", 0.1, 0.3)], "country string, sales double, share double")
    days = spark.createDataFrame([("2020-02-29", 0.1, 3.5)], "day string, rain double, heat double")
    days = days.withColumn("day", days["day"].cast("date"))
    frame = spark.createDataFrame(table())
    columns = {"shop": functions.struct("sales", "share"), "day": functions.struct("rain", "heat")}
    whole = frame.join(shops, "country", "left").join(days, "day", "left")
    scored = scorer.spark.score(whole, config, joined=columns)
    with scorer.load(config, features=_fresh()) as model:
        expected = {each["event_id"]: each["score"] for each in model.score(table(), errors="null").to_pylist()}
    assert len(set(expected.values())) > 20
    got = scored.select("id", "prediction.score").collect()
    assert len(got) == len(EVENTS)
    assert dict(got) == expected

    functions_ = scorer.spark.register(spark, config, prefix="parcel_")
    whole.createOrReplaceTempView("events")
    given = "named_struct('shop', struct(sales, share), 'day', struct(rain, heat))"
    query = "SELECT id, parcel_score(struct(e.*), GIVEN), parcel_score_error(struct(e.*), GIVEN) FROM events e"
    query = query.replace("GIVEN", given)
    answers = functions_.sql(query).collect()
    assert {name: score for name, score, _ in answers} == expected
    assert {error for _, _, error in answers} == {None}
    assert spark.sql(query).where("id = 'a'").collect()[0][1] == expected["a"]
    _refuses_what_makes_no_sense(functions_)


def _fresh() -> dict[str, Any]:
    shops = {key: {**shop, "at": time.time()} for key, shop in JOINED["shop"].items()}
    return {"shop": shops, "day": JOINED["day"]}


def _refuses_what_makes_no_sense(functions: scorer.spark.Functions) -> None:
    for query, told in (
        ("SELECT parcel_score(5)", ["found int32; expected a row"]),
        (
            "SELECT id FROM events WHERE id IN (SELECT parcel_score_error(struct(id)) FROM events)",
            ["'amount'", "'day'"],
        ),
        ("SELECT parcel_score(struct(e.*)) FROM events e", ["the plan has entities: shop, day"]),
        ("SELECT parcel_score(struct(e.*), 5) FROM events e", ["found int32; expected a struct"]),
        (
            "SELECT parcel_score(struct(e.*), named_struct('shop', struct('x' AS sales), 'y', 1)) FROM events e",
            ["features.shop.sales: found string; expected a number", "features.y: the plan has no such entity"],
        ),
    ):
        with pytest.raises(Misconfigured) as raised:
            functions.sql(query)
        assert [part for part in told if part not in str(raised.value)] == [], query


def test_everything_wrong_is_told_before_a_job(spark: Any, tmp_path: Path) -> None:
    from pyspark.sql import functions  # noqa: PLC0415  once there is a session

    config = write_example(tmp_path, None)
    frame = spark.createDataFrame(table(EVENTS[:1])).drop("amount").withColumn("express", functions.lit("yes"))
    joined = {"shops": functions.lit(None), "day": functions.lit(4)}
    with pytest.raises(Misconfigured) as raised:
        scorer.spark.score(frame, config, joined=joined)
    for told in (
        "no column 'amount'",
        "column 'express' is string; expected booleans",
        "features.shops: the plan has no such entity",
        "features.day: found int32; expected a row of features",
        "not given, and the plan has entities: shop",
    ):
        assert told in str(raised.value)
    assert spark.sparkContext.statusTracker().getActiveJobsIds() == []


def test_a_killed_executor_loses_no_row_and_repeats_none(spark: Any, tmp_path: Path) -> None:
    from pyspark.sql import functions  # noqa: PLC0415  once there is a session

    def slowly(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:  # so that a job can be met in its middle
        time.sleep(0.5)
        yield from batches

    config, parts, copies = write_example(tmp_path, None), 24, 4
    frame = spark.createDataFrame(table()).crossJoin(spark.range(copies).withColumnRenamed("id", "copy"))
    frame = frame.repartition(parts).mapInArrow(slowly, frame.schema)
    nothing = {"shop": functions.lit(None), "day": functions.lit(None)}
    scored = scorer.spark.score(frame, config, joined=nothing).select("id", "copy", "prediction.score")
    killed = list[tuple[int, int]]()
    killer = Thread(target=_kill_one, args=(spark, parts, killed))
    killer.start()
    scored.write.parquet(str(tmp_path / "out"))
    killer.join()
    assert killed, "no executor was killed in the middle of the job"
    got = spark.read.parquet(str(tmp_path / "out")).toArrow()
    with scorer.load(config, features={"shop": {}, "day": {}}) as model:
        expected = {each["event_id"]: each["score"] for each in model.score(table()).to_pylist()}
    assert got.num_rows == len(EVENTS) * copies
    assert got.group_by(["id", "copy"]).aggregate([]).num_rows == got.num_rows
    pairs = zip(got["id"].to_pylist(), got["score"].to_pylist(), strict=True)
    assert all(expected[name] == score for name, score in pairs)


def _kill_one(spark: Any, parts: int, killed: list[tuple[int, int]]) -> None:
    """Kill an executor while a stage of so many tasks is in its middle; note its process and how many were done."""
    tracker, until = spark.sparkContext.statusTracker(), time.monotonic() + 120
    while time.monotonic() < until:
        for stage in filter(None, map(tracker.getStageInfo, tracker.getActiveStageIds())):
            if stage.numTasks == parts and 4 <= stage.numCompletedTasks < parts - 4:
                (process, *_) = executors(spark)
                os.kill(process, signal.SIGKILL)
                killed.append((process, stage.numCompletedTasks))
                return
        time.sleep(0.05)
