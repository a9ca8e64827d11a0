import io
import json

import fastavro
import numpy as np
import pytest
import redis
import xgboost

from benchmarks.workload import ID_CHARS, PACKED_PREFIX, Workload
from scorer.sandbox import Redis

WIDTH = 30


def decoded(workload: Workload, number: int) -> dict[str, object]:
    schema = fastavro.parse_schema(json.loads((workload.folder / "event.avsc").read_text()))
    event: dict[str, object] = fastavro.schemaless_reader(io.BytesIO(workload.event(number)[1]), schema, None)  # type: ignore[assignment]
    return event


def test_events_are_flights_in_order_of_departure_and_repeat_with_new_ids(workload: Workload) -> None:
    count = len(workload.bodies)
    assert count > 100_000
    first, again = decoded(workload, 0), decoded(workload, count)
    assert workload.event(count)[0] == b"evt-%012d" % count
    assert len(workload.event(0)[0]) == ID_CHARS
    assert first.pop("event_id") != again.pop("event_id")
    assert first == again
    assert decoded(workload, 0)["event_time"] < decoded(workload, count - 1)["event_time"]  # type: ignore[operator]


def test_a_score_can_be_computed_from_the_event_and_redis(workload: Workload, loaded_redis: Redis) -> None:
    features = json.loads((workload.folder / "features.json").read_text())
    booster = xgboost.Booster(model_file=workload.folder / "model.ubj")
    assert len(features["columns"]) == WIDTH
    assert booster.num_boosted_rounds() == 300
    with redis.Redis.from_url(loaded_redis.url) as client:
        for number in range(0, len(workload.bodies), 5003):
            event = decoded(workload, number)
            row = [event[column["event"]] for column in features["columns"] if "event" in column]
            missing = 0
            for entity in features["entities"]:
                packed = client.get(PACKED_PREFIX + entity["key"].format_map(event))
                texts = client.hmget(entity["key"].format_map(event), entity["fields"])
                missing += packed is None
                values = np.frombuffer(packed or np.full(len(texts), np.nan, "<f4").tobytes(), "<f4")
                assert np.array_equal(np.array(texts, "f4"), values, equal_nan=True)
                row += values.tolist()
            score = booster.predict(xgboost.DMatrix(np.array([row], "f4")))[0]
            assert score == workload.scores[number]
            assert missing == workload.missing[number]


@pytest.mark.prove
def test_a_wide_workload_divides_its_columns_as_the_flights_do(wide_workload: Workload) -> None:
    features = json.loads((wide_workload.folder / "features.json").read_text())
    counts = [len(entity["fields"]) for entity in features["entities"]]
    assert len(features["columns"]) == 11
    assert [11 - sum(counts), *counts] == [2, 2, 4, 3]
    assert len({column.get("event", column.get("field")) for column in features["columns"]}) == 11
    assert decoded(wide_workload, 0).keys() >= {"x0", "x1", "tailnum"}
